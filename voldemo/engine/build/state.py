"""What a stage has come to: its image's configuration, and the variables its next instructions see."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voldemo.engine.runtime.spec import ROOT_PATH

PREDEFINED = frozenset(
    name
    for each in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (each, each.lower())
)
SHELL = ["/bin/sh", "-c"]


@dataclass
class Arguments:
    """--build-arg and ARG."""

    given: dict[str, str | None]
    declared: dict[str, str | None] = field(default_factory=dict)
    before_from: dict[str, str | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def declare(self, name: str, default: str | None, inside: bool) -> None:
        self.used.add(name)
        if not inside:
            self.before_from[name] = default
        elif default is None and name in self.before_from:
            self.declared[name] = self.before_from[name]
        else:
            self.declared[name] = default

    def value(self, name: str, default: str | None) -> str | None:
        given = self.given.get(name)
        return default if given is None else given

    def next_stage(self) -> None:
        self.declared = {}

    def visible(self) -> dict[str, str]:
        """In a stage; what is predefined needs no ARG."""
        values = {name: self.value(name, None) for name in PREDEFINED}
        values |= {name: self.value(name, default) for name, default in self.declared.items()}
        return {name: value for name, value in values.items() if value is not None}

    def outside(self) -> dict[str, str]:
        values = {name: self.value(name, default) for name, default in self.before_from.items()}
        return {name: value for name, value in values.items() if value is not None}

    def unused(self) -> list[str]:
        return sorted(set(self.given) - self.used - PREDEFINED)


@dataclass
class State:
    config: dict[str, Any]
    image: str = ""  # id of the last step's image; "": nothing yet
    author: str = ""
    command_set: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any], image: str) -> State:
        state = cls(copy.deepcopy(dict(config)), image)
        env = state.env
        if "PATH" not in env:
            state.set_env({"PATH": ROOT_PATH})
        return state

    @property
    def env(self) -> dict[str, str]:
        pairs = (each.partition("=") for each in self.config.get("Env") or [])
        return {name: value for name, _, value in pairs}

    def set_env(self, values: Mapping[str, str]) -> None:
        self.config["Env"] = [f"{name}={value}" for name, value in (self.env | dict(values)).items()]

    @property
    def shell(self) -> Sequence[str]:
        return self.config.get("Shell") or SHELL

    @property
    def workdir(self) -> str:
        return self.config.get("WorkingDir") or "/"

    def nop(self, text: str) -> str:
        """As the classic builder writes a step that runs nothing."""
        return f"{' '.join(self.shell)} #(nop) {text}"
