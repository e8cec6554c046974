"""The packages that dpkg says are installed: what they need, and their files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from voldemo.engine.builtin.host import Host

STATUS = "/var/lib/dpkg/status"
LISTS = "/var/lib/dpkg/info"
ARCHITECTURES = ("amd64", "all")
INSTALLED = "\nStatus: install ok installed\n"
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")


@dataclass(frozen=True)
class Package:
    name: str
    architecture: str
    version: str
    depends: str  # as dpkg writes it: "a (>= 1) | b, c:any"
    provided: str = ""

    @property
    def upstream(self) -> str:
        """The version without Debian's additions: 5.2.15 of 5.2.15-2+b13."""
        return re.sub(r"^\d+:|[-+~].*", "", self.version)


class Packages:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._by_name: dict[str, Package] = {}
        for package in parse(host.text(STATUS)):
            self._by_name[package.name] = package
        for package in [*self._by_name.values()]:
            for name in names(package.provided):
                self._by_name.setdefault(name, package)

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def get(self, name: str) -> Package | None:
        return self._by_name.get(name)

    def named(self, pattern: str) -> list[Package]:
        return [package for name, package in self._by_name.items() if re.fullmatch(pattern, name)]

    def closure(self, names: Collection[str], without: Collection[str] = ()) -> list[Package]:
        """The installed ones of `names` and all they need, in the order of their names."""
        found: dict[str, Package] = {}
        waiting = [*names]
        while waiting:
            package = self.get(waiting.pop())
            if package is None or package.name in found or package.name in without:
                continue
            found[package.name] = package
            waiting += filter(None, (self._first(alternatives) for alternatives in needs(package.depends)))
        return [found[name] for name in sorted(found)]

    def _first(self, alternatives: tuple[str, ...]) -> str | None:
        return next((name for name in alternatives if name in self._by_name), None)

    def files(self, package: Package) -> list[str]:
        names = (f"{package.name}:{package.architecture}", package.name)
        texts = (self._host.text(f"{LISTS}/{name}.list") for name in names)
        listed = next(filter(None, texts), "")
        return [line for line in listed.split("\n") if line.startswith("/") and line != "/."]


def parse(status: str) -> Iterator[Package]:
    for stanza in status.split("\n\n"):
        if INSTALLED not in stanza:
            continue
        fields = dict(line.split(": ", 1) for line in stanza.split("\n") if ": " in line and line[0] != " ")
        if fields.get("Architecture") in ARCHITECTURES:
            yield Package(
                fields["Package"],
                fields["Architecture"],
                fields.get("Version", ""),
                fields.get("Pre-Depends", "") + "," + fields.get("Depends", ""),
                fields.get("Provides", ""),
            )


def names(text: str) -> Iterator[str]:
    return (name for each in needs(text) for name in each) if text else iter(())


def needs(text: str) -> tuple[tuple[str, ...], ...]:
    """ "a (>= 1) | b, c:any" as (("a", "b"), ("c",))."""
    groups = (
        tuple(match[0] for part in group.split("|") if (match := NAME.match(part.strip()))) for group in text.split(",")
    )
    return tuple(group for group in groups if group)
