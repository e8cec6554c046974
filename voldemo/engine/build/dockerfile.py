"""A Dockerfile's text as instructions: comments, directives and continued lines taken care of."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from voldemo.engine.errors import BadParameter

DIRECTIVE = re.compile(r"^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
COMMENT = re.compile(r"^\s*#")
HEREDOC = re.compile(r"(?:^|\s)\d*<<-?\s*(['\"]?)[a-zA-Z_]\w*\1")
SIZE_LIMIT = 1 << 20
BUILDKIT = (
    "requires BuildKit, which is not part of this engine. Refer to https://docs.docker.com/go/buildkit/ "
    "to learn what BuildKit adds"
)


@dataclass(frozen=True)
class Instruction:
    line: int
    word: str  # RUN, in capitals
    text: str  # the line as it was, continued lines joined
    rest: str  # without the word and its flags
    flags: tuple[str, ...] = ()

    def error(self, text: str) -> BadParameter:
        return BadParameter(f"dockerfile parse error on line {self.line}: {text}")

    @property
    def json(self) -> list[str] | None:
        """The exec form; None: the shell form."""
        if not self.rest.startswith("["):
            return None
        try:
            value = json.loads(self.rest)
        except (ValueError, RecursionError):
            return None
        is_words = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return value if is_words else None


@dataclass
class Dockerfile:
    escape: str = "\\"
    instructions: list[Instruction] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def parse(data: bytes, name: str = "Dockerfile") -> Dockerfile:
    if len(data) > SIZE_LIMIT:
        raise BadParameter(f"failed to parse Dockerfile: it is longer than {SIZE_LIMIT} bytes")
    text = data.decode("utf-8-sig", "replace")
    if not text.strip():
        raise BadParameter(f"the Dockerfile ({name}) cannot be empty")
    lines = text.split("\n")
    file = Dockerfile(escape_of(lines))
    for number, joined, gap in logical_lines([line.removesuffix("\r") for line in lines], file.escape):
        if gap:
            file.warnings.append(f"[WARNING]: Empty continuation line found in: {joined}\n")
        file.instructions.append(instruction(number, joined))
    if file.warnings:
        file.warnings.append("[WARNING]: Empty continuation lines will become errors in a future release.\n")
    if not file.instructions:
        raise BadParameter("failed to parse Dockerfile: file with no instructions")
    return file


def escape_of(lines: list[str]) -> str:
    """Directives stand before everything else, or they are comments."""
    for line in lines:
        found = DIRECTIVE.match(line.strip())
        if not found:
            break
        if found[1].lower() == "escape":
            if found[2] not in ("\\", "`"):
                raise BadParameter(
                    f"failed to parse Dockerfile: invalid escape token '{found[2]}' does not match ` or \\"
                )
            return found[2]
    return "\\"


def logical_lines(lines: list[str], escape: str) -> list[tuple[int, str, bool]]:
    """(line number, text, an empty line was inside)."""
    mark = re.escape(escape)
    continued = re.compile(rf"(^|[^{mark}]){mark}[ \t]*$")
    found: list[tuple[int, str, bool]] = []
    start, parts, gap = 0, [], False
    for number, line in enumerate(lines, 1):
        if COMMENT.match(line):
            continue
        if not parts:
            line = line.strip() if not line.strip() else line.lstrip()
        if not line.strip():
            gap = gap or bool(parts)
            continue
        start = start if parts else number
        end = continued.search(line)
        parts.append(line[: end.start() + len(end[1])] if end else line)
        if not end:
            found.append((start, "".join(parts).strip(), gap))
            parts, gap = [], False
    joined = "".join(parts).strip()
    return [*found, (start, joined, gap)] if joined else found


def instruction(number: int, text: str) -> Instruction:
    word, _, rest = re.sub(r"\s", " ", text, count=1).partition(" ") if re.search(r"\s", text) else (text, "", "")
    flags: list[str] = []
    rest = rest.strip()
    while match := re.match(r"--(\S*)\s*", rest):
        rest = rest[match.end() :]
        if not match[1]:
            break
        flags.append(match[1])
    made = Instruction(number, word.upper(), text, rest, tuple(flags))
    if made.word in ("RUN", "COPY", "ADD") and made.json is None and HEREDOC.search(rest):
        raise made.error(f"a here-document (<<) {BUILDKIT}")
    return made
