"""A Dockerfile's instructions as build stages; what can be refused without building is refused here."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from voldemo.engine.build.dockerfile import Dockerfile, Instruction, instruction
from voldemo.engine.build.words import pairs, split
from voldemo.engine.errors import BadParameter

FLAGS: dict[str, tuple[str, ...]] = {
    "FROM": ("platform",),
    "COPY": ("from", "chown", "chmod", "link", "parents", "exclude"),
    "ADD": ("chown", "chmod", "link", "keep-git-dir", "checksum", "exclude"),
    "RUN": ("mount", "network", "security", "device"),
    "HEALTHCHECK": ("interval", "timeout", "start-period", "start-interval", "retries"),
}
AT_LEAST_ONE = ("ENV", "LABEL", "EXPOSE", "VOLUME", "ARG", "ONBUILD")
EXACTLY_ONE = ("USER", "WORKDIR", "STOPSIGNAL", "MAINTAINER")
KNOWN = {*FLAGS, *AT_LEAST_ONE, *EXACTLY_ONE, "CMD", "ENTRYPOINT", "SHELL"}
NEAR = 0.5  # how much of a word must be right for it to be taken as a slip
STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass
class Stage:
    start: Instruction
    base: str
    name: str = ""
    steps: list[Instruction] = field(default_factory=list)


@dataclass
class Stages:
    arguments: list[Instruction]  # ARG before the first FROM
    stages: list[Stage]

    @property
    def steps(self) -> int:
        return len(self.arguments) + sum(1 + len(stage.steps) for stage in self.stages)


def arrange(file: Dockerfile, target: str = "") -> Stages:
    result = Stages([], [])
    for step in file.instructions:
        check(step, file.escape)
        if step.word == "FROM":
            result.stages.append(stage(step))
        elif result.stages:
            result.stages[-1].steps.append(step)
        elif step.word == "ARG":
            result.arguments.append(step)
        else:
            raise BadParameter("no build stage in current context")
    if not result.stages:
        raise BadParameter("no build stage in current context")
    if target:
        result.stages = result.stages[: wanted(result.stages, target) + 1]
    return result


def wanted(stages: Sequence[Stage], target: str) -> int:
    names = [one.name for one in stages]
    if target.lower() in names:
        return names.index(target.lower())
    if target.isdecimal() and len(target) < 4 and int(target) < len(stages):
        return int(target)
    raise BadParameter(f'target stage "{target}" could not be found')


def stage(step: Instruction) -> Stage:
    words = step.rest.split()
    if len(words) == 1:
        return Stage(step, words[0])
    if len(words) != 3 or words[1].lower() != "as":
        raise step.error("FROM requires either one or three arguments")
    name = words[2].lower()
    if not STAGE_NAME.fullmatch(name):
        raise step.error(
            f'invalid name for build stage: "{words[2]}", name can\'t start with a number or contain symbols'
        )
    return Stage(step, words[0], name)


def check(step: Instruction, escape: str) -> None:
    if step.word not in KNOWN:
        raise step.error(f"unknown instruction: {step.word}{hint(step.word, KNOWN)}")
    check_flags(step)
    if step.word in AT_LEAST_ONE and not step.rest:
        raise step.error(f"{step.word} requires at least one argument")
    if step.word in EXACTLY_ONE and not step.rest:
        raise step.error(f"{step.word} requires exactly one argument")
    if step.word in ("ENV", "LABEL"):
        pairs(step.rest, step.word, escape)
    elif step.word in ("COPY", "ADD"):
        check_copy(step, escape)
    elif step.word == "SHELL" and not step.json:
        raise step.error("SHELL requires the arguments to be in JSON form")
    elif step.word == "ONBUILD":
        check_trigger(step)
    elif step.word == "HEALTHCHECK":
        check_health(step)


def check_flags(step: Instruction) -> None:
    for flag in step.flags:
        name = flag.partition("=")[0]
        if name not in FLAGS.get(step.word, ()):
            raise step.error(f"unknown flag: --{name}{hint(name, FLAGS.get(step.word, ()))}")


def hint(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, known, 1, NEAR)
    return f" (did you mean {near[0]}?)" if near else ""


def check_copy(step: Instruction, escape: str) -> None:
    words = places(step, escape)
    if not words:
        raise step.error(f"{step.word} requires at least two arguments, but none were provided")
    if len(words) == 1:
        raise step.error(
            f"{step.word} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )


def places(step: Instruction, escape: str) -> list[str]:
    return step.json if step.json is not None else split(step.rest, escape)


def check_trigger(step: Instruction) -> None:
    inner = instruction(step.line, step.rest)
    if inner.word == "ONBUILD":
        raise step.error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if inner.word in ("MAINTAINER", "FROM"):
        raise step.error(f"{inner.word} isn't allowed as an ONBUILD trigger")


def check_health(step: Instruction) -> None:
    kind = step.rest.split()[0].upper() if step.rest else ""
    if not kind:
        raise step.error("HEALTHCHECK requires at least one argument")
    if kind not in ("CMD", "NONE"):
        raise step.error(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    for name, value in flag_values(step).items():
        if name != "retries" and not re.fullmatch(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0", value):
            raise step.error(f'time: invalid duration "{value}"')


def flag_values(step: Instruction) -> Mapping[str, str]:
    return {name: value for name, _, value in (flag.partition("=") for flag in step.flags)}


def add_labels(stages: Stages, labels: Mapping[str, str]) -> None:
    """--label: one more step of the last stage."""
    if labels:
        text = " ".join(f"{quoted(name)}={quoted(value)}" for name, value in sorted(labels.items()))
        stages.stages[-1].steps.append(Instruction(0, "LABEL", f"LABEL {text}", text))


def quoted(text: str) -> str:
    if re.fullmatch(r"[\w.:/@%+,-]*", text):
        return text
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'
