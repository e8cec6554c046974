"""Every sentence voldemo says to a learner, in Korean and English: `data/words.toml` holds both, side by side."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import PurePath

LANGUAGES = ("en", "ko")


class Sentence(Exception):
    """An error the learner can act on: one sentence, shown without a traceback in a notebook."""

    def __init__(self, key: str, **values: object):
        super().__init__(say(key, **values))
        self.key = key

    def _render_traceback_(self) -> list[str]:  # IPython asks an exception for this before it formats one
        return [str(self)]


def say(key: str, **values: object) -> str:
    """The sentence `key` in the language of the page that asks, its {names} filled in from `values`."""
    return words()[key][language()].format(**values)


@cache
def words() -> dict[str, dict[str, str]]:
    """Key to {"en": …, "ko": …}."""
    return tomllib.loads(files("voldemo.data").joinpath("words.toml").read_text(encoding="utf-8"))


def language() -> str:
    """The language of the notebook this kernel runs; outside one, VOLDEMO_LANG, then LANG; English otherwise."""
    # Jupyter Server tells a kernel which notebook it serves by this variable.
    folders = PurePath(os.environ.get("JPY_SESSION_NAME", "")).parts
    for tongue in LANGUAGES:
        if tongue in folders[-2:-1]:
            return tongue
    wanted = os.environ.get("VOLDEMO_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "ko" if wanted.lower().startswith("ko") else "en"
