"""The instructions that change only the image's configuration. Each answers with the text of its history entry."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from voldemo.engine.build.dockerfile import Instruction
from voldemo.engine.build.stages import flag_values
from voldemo.engine.build.state import State
from voldemo.engine.build.words import expand, pairs, split
from voldemo.engine.containers import signals
from voldemo.engine.errors import BadParameter, Failed

NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
PORT = re.compile(r"(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
HIGHEST_PORT = 65535


class Settings:
    def __init__(self, state: State, env: Mapping[str, str], escape: str) -> None:
        self._state = state
        self._config = state.config
        self._variables = env
        self._escape = escape

    def apply(self, step: Instruction) -> str:
        method: Callable[[Instruction], str] = getattr(self, f"_{step.word.lower()}")
        return method(step)

    def _expand(self, text: str) -> str:
        return expand(text, self._variables, self._escape)

    def _pairs(self, step: Instruction) -> dict[str, str]:
        # As one: a later pair of the same line does not see an earlier one.
        found = pairs(step.rest, step.word, self._escape)
        values = {self._expand(name): self._expand(value) for name, value in found}
        if "" in values:
            raise BadParameter(f"{step.word} names can not be blank")
        return values

    def _env(self, step: Instruction) -> str:
        values = self._pairs(step)
        self._state.set_env(values)
        return f" ENV {shown(values)}"

    def _label(self, step: Instruction) -> str:
        values = self._pairs(step)
        self._config["Labels"] = {**(self._config.get("Labels") or {}), **values}
        return f" LABEL {shown(values)}"

    def _maintainer(self, step: Instruction) -> str:
        self._state.author = step.rest
        return f" MAINTAINER {step.rest}"

    def _user(self, step: Instruction) -> str:
        self._config["User"] = self._expand(step.rest)
        return f" USER {self._config['User']}"

    def workdir(self, step: Instruction) -> str:
        path = self._expand(step.rest)
        if not path:
            raise BadParameter("cannot normalize nothing")
        self._config["WorkingDir"] = absolute(self._state.workdir, path)
        return f"WORKDIR {self._config['WorkingDir']}"

    def _volume(self, step: Instruction) -> str:
        words = step.json if step.json is not None else split(step.rest, self._escape)
        paths = [self._expand(word).strip() for word in words]
        if not all(paths):
            raise BadParameter("VOLUME specified can not be an empty string")
        self._config["Volumes"] = {**(self._config.get("Volumes") or {}), **{path: {} for path in paths}}
        return f" VOLUME [{' '.join(paths)}]"

    def _expose(self, step: Instruction) -> str:
        words = [word for each in split(step.rest, self._escape) for word in self._expand(each).split()]
        ports = {port: {} for word in words for port in ports_of(word)}
        self._config["ExposedPorts"] = {**(self._config.get("ExposedPorts") or {}), **ports}
        return f" EXPOSE {' '.join(sorted(words))}"

    def _command(self, step: Instruction) -> list[str]:
        if step.json is not None:
            return step.json
        return [*self._state.shell, step.rest] if step.rest else [*self._state.shell]

    def _cmd(self, step: Instruction) -> str:
        self._config["Cmd"] = self._command(step)
        self._state.command_set = True
        return f" CMD {quoted_list(self._config['Cmd'])}"

    def _entrypoint(self, step: Instruction) -> str:
        self._config["Entrypoint"] = self._command(step) if step.rest else None
        if not self._state.command_set:
            self._config["Cmd"] = None  # the base image's belongs to its own entry point
        return f" ENTRYPOINT {quoted_list(self._config['Entrypoint'] or [])}"

    def _shell(self, step: Instruction) -> str:
        text = f" SHELL [{' '.join(step.json or [])}]"
        self._config["Shell"] = step.json
        return text

    def _stopsignal(self, step: Instruction) -> str:
        name = self._expand(step.rest)
        signals.parse(name)
        self._config["StopSignal"] = name
        return f" STOPSIGNAL {name}"

    def _onbuild(self, step: Instruction) -> str:
        self._config["OnBuild"] = [*(self._config.get("OnBuild") or []), step.rest]
        return f" ONBUILD {step.rest}"

    def _healthcheck(self, step: Instruction) -> str:
        kind, _, rest = step.rest.partition(" ")
        values = flag_values(step)
        check: dict[str, Any] = {"Test": ["NONE"]}
        if kind.upper() == "CMD":
            inner = Instruction(step.line, "CMD", step.text, rest.strip())
            if not inner.rest:
                raise step.error("Missing command after HEALTHCHECK CMD")
            check["Test"] = ["CMD", *inner.json] if inner.json is not None else ["CMD-SHELL", inner.rest]
        names = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
        names["start-interval"] = "StartInterval"
        check |= {field: nanoseconds(values[name]) for name, field in names.items() if name in values}
        if "retries" in values:
            check["Retries"] = retries(step, values["retries"])
        self._config["Healthcheck"] = check
        times = " ".join(values.get(name, "0s") for name in names)
        return f" HEALTHCHECK &{{[{' '.join(check['Test'])}] {times} {check.get('Retries', 0)}}}"


def shown(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def quoted_list(words: list[str]) -> str:
    return f"[{' '.join(json.dumps(word, ensure_ascii=False) for word in words)}]"


def absolute(base: str, path: str) -> str:
    joined = posixpath.normpath(posixpath.join(base, path))
    return "/" + joined.lstrip("/")


def ports_of(text: str) -> list[str]:
    match = PORT.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not match or not 0 < first <= last <= HIGHEST_PORT:
        raise Failed(f"Invalid containerPort: {text}")
    kind = (match[3] or "tcp").lower()
    return [f"{port}/{kind}" for port in range(first, last + 1)]


def nanoseconds(text: str) -> int:
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    return int(sum(float(number) * NANOSECONDS[unit] for number, unit in parts))


def retries(step: Instruction, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise step.error(f"--retries must be at least 1 (not {text})")
    return int(text)
