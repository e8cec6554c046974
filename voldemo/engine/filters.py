"""`filters=…` of Docker's list and prune calls: {"label": ["a=b"]}, or the clients' newer {"label": {"a=b": true}}."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from voldemo.engine.errors import BadParameter

TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
PLAIN = re.compile(r"[\w./:@-]*")
# A pattern runs in the engine's only thread: nothing that can go back over a name again and again.
COSTLY = re.compile(r"\)[*+?{]|\\[1-9]|\(\?|([*+{].*){4}", re.DOTALL)
PATTERN_LIMIT = 512


class Filters(dict[str, list[str]]):
    def any(self, key: str, value: str) -> bool:
        """One of the values is this one; nothing asked for is a yes."""
        return key not in self or value in self[key]

    def name(self, key: str, *candidates: str) -> bool:
        """As Docker: the whole name, or a regular expression found somewhere in it."""
        return key not in self or any(
            wanted == name or matches(wanted, name) for wanted in self[key] for name in candidates
        )

    def labels(self, labels: Mapping[str, str] | None) -> bool:
        labels = labels or {}
        if not all(carries(labels, wanted) for wanted in self.get("label", ())):
            return False
        unwanted = self.get("label!", ())
        return not (unwanted and all(carries(labels, each) for each in unwanted))

    def flag(self, key: str, default: bool = False) -> bool:
        values = self.get(key)
        if not values:
            return default
        if len(values) == 1 and values[0] in TRUE | FALSE:
            return values[0] in TRUE
        raise BadParameter(f"invalid filter '{key}={go_list(values)}'")


def carries(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def matches(pattern: str, name: str) -> bool:
    if PLAIN.fullmatch(pattern) and "." not in pattern:
        return pattern in name
    if len(pattern) > PATTERN_LIMIT or COSTLY.search(pattern):
        return pattern in name
    try:
        return re.search(pattern, name) is not None
    except (re.error, OverflowError, RecursionError):
        return False


def go_list(values: Iterable[str]) -> str:
    return f"[{' '.join(values)}]"


def parse(text: str, allowed: Collection[str] | None = None) -> Filters:
    filters = Filters()
    for key, values in read(text).items():
        filters[key] = values_of(values)
        if allowed is not None and key not in allowed:
            raise BadParameter(f"invalid filter '{key}'")
    return filters


def read(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadParameter("invalid filter") from None
    if not isinstance(value, dict):
        raise BadParameter("invalid filter")
    return value


def values_of(values: object) -> list[str]:
    if isinstance(values, dict) and all(isinstance(wanted, bool) for wanted in values.values()):
        values = [value for value, wanted in values.items() if wanted]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadParameter("invalid filter")
    return values
