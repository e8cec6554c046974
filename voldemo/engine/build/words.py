"""A Dockerfile's words as a shell would read them: quotes, escapes, variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from voldemo.engine.errors import BadParameter

NAME = re.compile(r"[a-zA-Z_]\w*|[0-9@*#]", re.ASCII)
MODIFIER = re.compile(r"(:?)([-+?])")
DEPTH = 20


class Word:
    """Reads one word; what a variable holds is taken as it is."""

    def __init__(self, text: str, env: Mapping[str, str], escape: str = "\\", depth: int = 0) -> None:
        self._text = text
        self._env = env
        self._escape = escape
        self._at = 0
        self._depth = depth

    def read(self) -> str:
        parts: list[str] = []
        while self._at < len(self._text):
            parts.append(self._next())
        return "".join(parts)

    def _error(self, why: str) -> BadParameter:
        shown = self._text.replace("\\", "\\\\").replace('"', '\\"')
        return BadParameter(f'failed to process "{shown}": {why}')

    def _take(self) -> str:
        char = self._text[self._at]
        self._at += 1
        return char

    def _next(self) -> str:
        char = self._take()
        if char == "'":
            return self._until_quote()
        if char == '"':
            return self._double_quoted()
        if char == "$":
            return self._variable()
        if char == self._escape:
            return self._take() if self._at < len(self._text) else ""
        return char

    def _until_quote(self) -> str:
        end = self._text.find("'", self._at)
        if end < 0:
            raise self._error("unexpected end of statement while looking for matching single-quote")
        text, self._at = self._text[self._at : end], end + 1
        return text

    def _double_quoted(self) -> str:
        parts: list[str] = []
        while self._at < len(self._text):
            char = self._take()
            if char == '"':
                return "".join(parts)
            if char == "$":
                char = self._variable()
            elif char == self._escape and self._text[self._at : self._at + 1] in ('"', "$", self._escape):
                char = self._take() if self._at < len(self._text) else char
            parts.append(char)
        raise self._error("unexpected end of statement while looking for matching double-quote")

    def _variable(self) -> str:
        if self._text[self._at : self._at + 1] == "{":
            return self._braced()
        name = NAME.match(self._text, self._at)
        if not name:
            return "$"
        self._at = name.end()
        return self._env.get(name[0], "")

    def _braced(self) -> str:
        self._at += 1
        name = NAME.match(self._text, self._at)
        if not name:
            raise self._error("syntax error: bad substitution")
        self._at = name.end()
        value = self._env.get(name[0])
        if self._text[self._at : self._at + 1] == "}":
            self._at += 1
            return value or ""
        modifier = MODIFIER.match(self._text, self._at)
        if not modifier:
            rest = self._text[self._at : self._at + 1]
            raise self._error(f"unsupported modifier ({rest}) in substitution" if rest else "syntax error: missing '}'")
        self._at = modifier.end()
        return self._modified(name[0], value, bool(modifier[1]), modifier[2], self._alternative())

    def _modified(self, name: str, value: str | None, or_empty: bool, kind: str, word: str) -> str:
        there = bool(value) if or_empty else value is not None
        if kind == "+":
            return word if there else ""
        if kind == "?" and not there:
            raise self._error(f"{name}: {word or 'not allowed to be unset'}")
        return value or "" if there else word

    def _alternative(self) -> str:
        """Up to the brace that closes; may hold variables itself."""
        if self._depth >= DEPTH:
            raise self._error("too many substitutions inside one another")
        start, open_braces = self._at, 1
        while self._at < len(self._text):
            char = self._take()
            open_braces += (char == "{") - (char == "}")
            if not open_braces:
                inner = self._text[start : self._at - 1]
                return Word(inner, self._env, self._escape, self._depth + 1).read()
        raise self._error("syntax error: missing '}'")


def expand(text: str, env: Mapping[str, str], escape: str = "\\") -> str:
    return Word(text, env, escape).read()


def split(text: str, escape: str = "\\") -> list[str]:
    """At white space that is neither quoted nor escaped; quotes stay."""
    words: list[str] = []
    word, quote, skip = "", "", False
    for char in text:
        if skip or (quote and char != quote):
            skip = not skip and char == escape and quote != "'"
        elif char in "'\"":
            quote = "" if quote else char
        elif char == escape:
            skip = True
        elif char.isspace():
            words += [word] if word else []
            word = ""
            continue
        word += char
    return [*words, word] if word else words


def pairs(text: str, instruction: str, escape: str = "\\") -> list[tuple[str, str]]:
    """ENV and LABEL: name=value …, or the old form `name value with spaces`. Not expanded."""
    words = split(text, escape)
    if words and "=" not in words[0]:
        value = text.partition(words[0])[2].strip()
        if not value:
            raise BadParameter(f"failed to parse Dockerfile: {instruction} must have two arguments")
        return [(words[0], value)]
    for word in words:
        if "=" not in word:
            raise BadParameter(
                f'failed to parse Dockerfile: Syntax error - can\'t find = in "{word}". Must be of the form: name=value'
            )
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]
