"""What carries voldemo's label on an engine, and whose it is. Only this home's own is ever removed."""

from __future__ import annotations

from dataclasses import dataclass

from docker import DockerClient

from voldemo import sandbox
from voldemo.home import key
from voldemo.sandbox import Thing, things

OURS = ("exercise", "left")


@dataclass(frozen=True)
class Item:
    thing: Thing
    state: str  # exercise, left (by a kernel that died), in_use (a living one), foreign (another home's)

    @property
    def ours(self) -> bool:
        return self.state in OURS


def survey(client: DockerClient) -> list[Item]:
    return [Item(thing, _state(thing.sandbox)) for thing in things(client)]


def _state(name: str) -> str:
    if name == sandbox.exercise():
        return "exercise"
    if not name.startswith(f"{key()}-"):
        return "foreign"
    return "in_use" if sandbox.alive(name) else "left"


def remove(client: DockerClient) -> list[Thing]:
    return sandbox.remove(client, sandbox.exercise()) + sandbox.sweep(client)
