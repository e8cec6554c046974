"""Names of images: what is short for what, and what is no name at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voldemo.engine.errors import BadParameter

COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
HOST = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
DOMAIN = rf"(?:{HOST}(?:\.{HOST})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
PATH = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
IDENTIFIER = re.compile(r"[a-f0-9]{64}")
OFFICIAL = "library/"
MOST_NAME = 255
LATEST = "latest"


@dataclass(frozen=True, order=True)
class Reference:
    repository: str  # as people write it: no registry when it is the usual one, no `library/`
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def name(self) -> str:
        return f"{self.repository}:{self.tag or LATEST}"

    @property
    def domain(self) -> str:
        """The registry's host and port; "" is the usual one."""
        return _split(self.repository)[0]

    @property
    def path(self) -> str:
        """As the registry calls the repository: there, busybox is library/busybox."""
        domain, path = _split(self.repository)
        return _spelt(domain, path)

    @property
    def full(self) -> str:
        """With the registry and the tag spelt out."""
        return f"{self.domain or USUAL_NAME}/{self.path}:{self.tag or LATEST}"

    @classmethod
    def parse(cls, text: str, tagless: bool = False) -> Reference:
        if IDENTIFIER.fullmatch(text):
            raise BadParameter(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
        rest, at, digest = text.partition("@")
        repository, tag = _cut_tag(rest)
        domain, path = _split(repository)
        if path.lower() != path and PATH.fullmatch(path.lower()):
            raise BadParameter(f"invalid reference format: repository name ({_spelt(domain, path)}) must be lowercase")
        if not PATH.fullmatch(path) or (domain and not re.fullmatch(DOMAIN, domain)):
            raise BadParameter("invalid reference format")
        if (tag is not None and not TAG.fullmatch(tag)) or (at and not DIGEST.fullmatch(digest)):
            raise BadParameter("invalid reference format")
        if len(repository) > MOST_NAME:
            raise BadParameter(f"repository name must not be more than {MOST_NAME} characters")
        return cls(_familiar(domain, path), tag or ("" if tagless or digest else LATEST), digest)


def _cut_tag(text: str) -> tuple[str, str | None]:
    front, colon, back = text.rpartition(":")
    return (front, back) if colon and "/" not in back else (text, None)


def _split(repository: str) -> tuple[str, str]:
    """The first part is a host if it looks like one, as Docker decides it."""
    first, slash, rest = repository.partition("/")
    is_host = slash and (any(mark in first for mark in ".:") or first == "localhost" or first.lower() != first)
    domain, path = (first, rest) if is_host else ("", repository)
    return ("", path) if domain in USUAL else (domain, path)


# The usual registry is left out of what people write; clients that spell it out mean the same image.
USUAL_NAME = ".".join(("docker", "io"))
USUAL = frozenset((USUAL_NAME, "index." + USUAL_NAME))


def _spelt(domain: str, path: str) -> str:
    return path if domain or "/" in path else OFFICIAL + path


def _familiar(domain: str, path: str) -> str:
    if domain:
        return f"{domain}/{path}"
    short = path.removeprefix(OFFICIAL)
    return path if "/" in short else short
