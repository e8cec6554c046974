"""Names of containers: what is allowed, and one when none was given."""

from __future__ import annotations

import random
import re

from voldemo.engine.errors import BadParameter

ALLOWED = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
PATTERN = "[a-zA-Z0-9][a-zA-Z0-9_.-]"

MOODS_TEXT = """
amber bold brisk calm candid clever cosy curious eager early fair fond frank gentle glad golden happy honest
humble keen kind light lively lucid merry mild neat noble patient plain polite proud quick quiet ready serene
sharp silent simple sleepy sober steady still sturdy subtle sunny swift tender tidy upbeat vivid warm wise witty
"""
MOODS = MOODS_TEXT.split()
PEOPLE_TEXT = """
backus bartik berners borg codd curie dijkstra engelbart faraday floyd franklin gauss goldberg hamilton hamming
hoare hopper hypatia iverson jacquard johnson kay kepler kilby knuth lamarr lamport leibniz liskov lovelace
maxwell mccarthy meitner milner minsky moore naur newell noether pascal perlis planck postel ritchie shannon simon
stallman sutherland tarjan tesla thompson turing wilkes wirth wozniak zuse
"""
PEOPLE = PEOPLE_TEXT.split()


def check(name: str) -> str:
    """The name as it is kept, without a leading slash."""
    if not ALLOWED.fullmatch(name):
        raise BadParameter(f"Invalid container name ({name}), only {PATTERN} are allowed")
    return name.removeprefix("/")


def generate(attempt: int) -> str:
    name = f"{random.choice(MOODS)}_{random.choice(PEOPLE)}"
    return name if attempt == 0 else f"{name}{random.randrange(10 ** min(attempt, 6))}"
