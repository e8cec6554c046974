"""Files of /proc whose real content would tell of the host, or of who the processes really are."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from voldemo.engine.runtime.credentials import Credential

if TYPE_CHECKING:
    from voldemo.engine.runtime.world import World

_LINE = re.compile(rb"^(TracerPid|Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|PPid):.*$", re.M)


class Texts:
    def __init__(self, world: World) -> None:
        self.world = world

    def of(self, name: bytes) -> bytes | None:
        """`name` below /proc; None: the real content will do."""
        if name == b"sys/kernel/hostname":
            return self.world.hostname + b"\n"
        if name.startswith(b"sysvipc/"):
            return self._own_ipc(name[8:])
        if name == b"locks":
            return self._own_locks()
        parts = name.split(b"/")
        if not parts[0].isdigit() or len(parts) not in (2, 4):
            return None
        number = int(parts[-2]) if parts[-2].isdigit() else 0
        make = getattr(self, f"_{parts[-1].decode('ascii', 'replace')}", None) if number else None
        return make(number) if make else None

    def _own_ipc(self, kind: bytes) -> bytes | None:
        head, *lines = _whole(b"sysvipc/" + kind).splitlines(True)
        return head + b"".join(line for line in lines if (kind.decode(), int(line.split()[1])) in self.world.ipc)

    def _own_locks(self) -> bytes:
        lines = (line.split() for line in _whole(b"locks").splitlines())
        held = [words for words in lines if words[4].isdigit() and self.world.inside(int(words[4]))]
        return b"".join(b"%d: %s\n" % (number, b" ".join(words[1:])) for number, words in enumerate(held, 1))

    def _mounts(self, _: int) -> bytes:
        return self.world.listing.mounts_text()

    def _mountinfo(self, _: int) -> bytes:
        return self.world.listing.mountinfo_text()

    def _mountstats(self, _: int) -> bytes:
        return self.world.listing.mountstats_text()

    def _cgroup(self, _: int) -> bytes:
        return b"0::/\n"

    def _uid_map(self, _: int) -> bytes:
        return b"         0          0 4294967295\n"

    _gid_map = _uid_map

    def _maps(self, number: int) -> bytes:
        return self.world.reverse.text(_real(number, b"maps"))

    def _smaps(self, number: int) -> bytes:
        return self.world.reverse.text(_real(number, b"smaps"))

    def _status(self, number: int) -> bytes:
        task = self.world.tasks.get(number)
        text = _real(number, b"status")
        if task is None:
            return text
        credential, (effective, permitted, inheritable) = task.credential, task.capabilities
        values = {
            b"TracerPid": b"0",
            b"Uid": b"\t".join(b"%d" % uid for uid in credential.uids),
            b"Gid": b"\t".join(b"%d" % gid for gid in credential.gids),
            b"Groups": b"".join(b"%d " % gid for gid in credential.groups),
            b"CapInh": b"%016x" % inheritable,
            b"CapPrm": b"%016x" % permitted,
            b"CapEff": b"%016x" % effective,
            b"CapBnd": b"%016x" % Credential.bounding,
            b"CapAmb": b"%016x" % 0,
            b"NoNewPrivs": b"0",
            b"Seccomp": b"2",
        }

        def line(match: re.Match[bytes]) -> bytes:
            key = match[1]
            if key == b"PPid":
                parent = int(match[0].split()[1])
                return b"PPid:\t%d" % (parent if self.world.inside(parent) else 0)
            return key + b":\t" + values[key]

        return _LINE.sub(line, text)


def _real(number: int, name: bytes) -> bytes:
    return _whole(b"%d/%s" % (number, name))


def _whole(name: bytes) -> bytes:
    with open(b"/proc/" + name, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()


def in_memory(text: bytes) -> int:
    """An open file with this content, for the container to open once more."""
    descriptor = os.memfd_create("text", os.MFD_CLOEXEC)
    os.write(descriptor, text)
    os.fchmod(descriptor, 0o444)
    return descriptor
