""".dockerignore: which files of the context are as if they were not there."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    pattern: re.Pattern[str]
    wanted: bool  # "!": an exception from the rules above


def rules(text: str) -> list[Rule]:
    found = []
    for line in text.removeprefix("\ufeff").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        wanted = line.startswith("!")
        path = clean(line[1:].strip() if wanted else line)
        if path:
            found.append(Rule(compiled(path), wanted))
    return found


def clean(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or ("." if path.strip("/") == "." else "")


def compiled(path: str) -> re.Pattern[str]:
    """A rule for a directory is one for all it holds."""
    return re.compile(translated(path) + r"(?:/.*)?", re.DOTALL)


def translated(pattern: str) -> str:
    """Go's filepath.Match, and ** for any number of directories."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 2 + pattern.startswith("/", at + 2)
            out += "(?:.*/)?" if pattern[at - 1] == "/" else ".*"
            continue
        at += 1
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[" and (end := pattern.find("]", at + 1)) > 0:
            out += f"[{pattern[at:end].replace(chr(92), chr(92) * 2)}]"
            at = end + 1
        elif char == "\\" and at < len(pattern):
            out += re.escape(pattern[at])
            at += 1
        else:
            out += re.escape(char)
    return out


def is_ignored(path: str, found: list[Rule]) -> bool:
    """The last rule that fits decides."""
    ignored = False
    for rule in found:
        if rule.wanted == ignored and (path == "." or rule.pattern.fullmatch(path)):
            ignored = not rule.wanted
    return ignored


def has_wildcard(path: str) -> bool:
    return any(char in path for char in "*?[")


def matches(pattern: str, path: str) -> bool:
    """For COPY's sources: no ** there."""
    return re.fullmatch(translated(pattern.replace("**", "*")), path) is not None
