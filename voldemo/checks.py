"""Is an exercise done? Each check looks at the end state on the engine, whichever way led there.

What a learner makes in an exercise carries the exercise label (`--label $LABEL`): a check sees nothing else.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.volumes import Volume
from docker.types import Mount

from voldemo import exercises, frames
from voldemo.images import BUSYBOX
from voldemo.sandbox import Sandbox, exercise_label
from voldemo.words import say

MIB = 1 << 20


@dataclass(frozen=True)
class Row:
    """One thing looked at, in Docker's words."""

    looked_at: str
    expected: str
    saw: str
    right: bool

    def __str__(self) -> str:
        expected, saw = say("check.expected"), say("check.saw")
        return f"{_mark(self)} {self.looked_at} | {expected}: {self.expected} | {saw}: {self.saw}"


@dataclass(frozen=True)
class Check:
    rows: tuple[Row, ...]

    @property
    def done(self) -> bool:
        return all(row.right for row in self.rows)

    def __str__(self) -> str:
        return "\n".join([self._verdict(), *map(str, self.rows)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{escape(head)}</th>" for head in ("", "", say("check.expected"), say("check.saw")))
        body = "".join(_cells(row) for row in self.rows)
        mark = "done" if self.done else "open"
        return (
            f'<div class="vd-check vd-check-{mark}"><p><b>{escape(self._verdict())}</b></p>'
            f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def _verdict(self) -> str:
        return say("check.done") if self.done else say("check.open")


def _mark(row: Row) -> str:
    return "✓" if row.right else "✗"


def _cells(row: Row) -> str:
    texts = (_mark(row), row.looked_at, row.expected, row.saw)
    return "<tr>" + "".join(f'<td style="text-align: left">{escape(text)}</td>' for text in texts) + "</tr>"


def first_volume(client: DockerClient) -> Check:
    """00: a named volume that holds /note, and no container any more that uses it."""
    volumes = [volume for volume in _volumes(client) if not _is_anonymous(volume)]
    notes = [_read(client, volume, "note") for volume in volumes]
    users = [container.name for volume in volumes for container in _users(client, volume)]
    return Check(
        (
            _row("docker volume ls --filter label=$LABEL", "1+", [volume.name for volume in volumes], bool(volumes)),
            _row("note", "not empty", [note for note in notes if note], any(notes)),
            _row("docker ps --all --filter volume=…", "-", users, not users),
        )
    )


RESULT_BYTES = 20 << 20  # of zeros: what the Dockerfile of the exercise makes, sums up and deletes


def slim_image(client: DockerClient) -> Check:
    """01: an image with the sum of 20 MiB in /result, but without the 20 MiB in any layer."""
    images = client.images.list(filters={"label": exercise_label()})
    nothing = Check((_row("docker image ls --filter label=$LABEL", "1+", [], False),))
    return max((_slim(client, image) for image in images), key=_rights, default=nothing)


def _slim(client: DockerClient, image: Image) -> Check:
    expected = sha256(bytes(RESULT_BYTES)).hexdigest()
    added = _bytes(image) - _bytes(client.images.get(BUSYBOX))
    with Sandbox(client) as box:
        container = box.create(["-"], image.id)  # never started: the image may have no shell
        result, big = (_file(container, path) for path in ("/result", "/big"))
    return Check(
        (
            _row("/result", expected[:12], [result[:12]] if result else [], result == expected),
            _row("/big", "-", [] if big is None else ["/big"], big is None),
            _row("docker history", f"{BUSYBOX} + < {MIB} B", [f"{BUSYBOX} {added:+} B"], added < MIB),
        )
    )


def _file(container: Container, path: str) -> str | None:
    """The text of a file in a container, running or not: None where there is none."""
    try:
        chunks, _ = container.get_archive(path)
    except NotFound:
        return None
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        content = tar.extractfile(tar.next())
        return content.read(1 << 10).decode(errors="replace").strip() if content else ""


def all_kinds(client: DockerClient) -> Check:
    """01: a container in which something was added, something changed and something deleted."""
    kinds = [set(frames.changes(container.diff()).kind) for container in _containers(client)]
    best = max(kinds, key=len, default=set())
    return Check((_row("docker diff", "A C D", sorted(best), best == {"A", "C", "D"}),))


def guarded(client: DockerClient) -> Check:
    """02: a running container with a read-only volume at /data and at most 1 MiB of tmpfs at /scratch."""
    running = [container for container in _containers(client) if container.status == "running"]
    return max((_guarded(each) for each in running), key=_rights, default=_guarded(None))


def _guarded(container: Container | None) -> Check:
    row = _row("docker ps --filter label=$LABEL", "1+", [container.name] if container else [], bool(container))
    if container is None:
        return Check((row,))
    types = {mount["Destination"]: mount["Type"] for mount in container.attrs["Mounts"]}
    writable = [mount["RW"] for mount in container.attrs["Mounts"] if mount["Destination"] == "/data"] == [True]
    kind, size = _size(container, "/scratch")
    return Check(
        (
            row,
            _row("/data", "volume", [types.get("/data", "")], types.get("/data") == "volume"),
            _row("/data", "ro", ["rw" if writable else "ro"], not writable),
            _row("/scratch", f"tmpfs <= {MIB} B", [f"{kind} {size} B"], kind == "tmpfs" and 0 < size <= MIB),
        )
    )


def _size(container: Container, path: str) -> tuple[str, int]:
    """The file system at `path` inside the container, and its size in bytes."""
    script = """awk -v at="$1" '$2 == at { print $3 }' /proc/mounts; df -k "$1" | awk 'END { print $(NF - 4) }'"""
    said = container.exec_run(["sh", "-c", script, "sh", path]).output.decode().split()
    return (said[0], int(said[1]) * 1024) if len(said) == 2 and said[1].isdigit() else ("", 0)


WRITER = 1001


def writable_volume(client: DockerClient) -> Check:
    """02: a volume into which uid 1001 may write, but not everybody."""
    return max((_writable(client, each) for each in _volumes(client)), key=_rights, default=_writable(client, None))


def _writable(client: DockerClient, volume: Volume | None) -> Check:
    row = _row("docker volume ls --filter label=$LABEL", "1+", [volume.name] if volume else [], bool(volume))
    if volume is None:
        return Check((row,))
    script = "touch /v/.voldemo && rm /v/.voldemo && echo wrote"
    mounts = [Mount("/v", volume.name, no_copy=True)]
    with Sandbox(client) as box:
        wrote = "wrote" in box.run(script, mounts=mounts, user=f"{WRITER}:{WRITER}")
        owner, mode = box.run("stat -c '%u %a' /v", mounts=mounts).split()
    return Check(
        (
            row,
            _row(f"touch, uid {WRITER}", "✓", ["✓" if wrote else "✗"], wrote),
            _row("stat -c %a", "o-w", [f"{mode}, uid {owner}"], not int(mode, 8) & 0o002),
        )
    )


def unused(client: DockerClient) -> Check:
    """03: of the volumes that `exercises.unused` made, those in use and those to keep are there, the others gone."""
    names = {volume.name for volume in _volumes(client)}
    return Check(
        tuple(
            _row(name, "-" if gone else "✓", ["✓" if name in names else "-"], (name not in names) == gone)
            for name, gone in ((exercises.name(what), gone) for what, gone in exercises.UNUSED.items())
        )
    )


def renamed(client: DockerClient) -> Check:
    """03: the volume that `exercises.rename` made is gone, and another holds the same files, owners and modes."""
    volumes, name = _volumes(client), exercises.name("old")
    old = [volume.name for volume in volumes if volume.name == name]
    others = [volume for volume in volumes if volume.name != name]
    wanted = exercises.listing(client)
    same = [volume.name for volume in others if exercises.listing(client, volume.name) == wanted]
    return Check((_row(name, "-", old, not old), _row("find . -exec stat", "=", same, bool(same))))


def _row(looked_at: str, expected: str, saw: Iterable[str], right: bool) -> Row:
    return Row(looked_at, expected, ", ".join(saw) or "-", right)


def _rights(check: Check) -> int:
    """Of several candidates the one nearest to done is shown."""
    return sum(row.right for row in check.rows)


def _volumes(client: DockerClient) -> list[Volume]:
    return client.volumes.list(filters={"label": exercise_label()})


def _containers(client: DockerClient) -> list[Container]:
    return client.containers.list(all=True, filters={"label": exercise_label()})


def _users(client: DockerClient, volume: Volume) -> list[Container]:
    return client.containers.list(all=True, filters={"volume": volume.name})


def _is_anonymous(volume: Volume) -> bool:
    return re.fullmatch("[0-9a-f]{64}", volume.name) is not None


def _read(client: DockerClient, volume: Volume, name: str) -> str:
    with Sandbox(client) as box:
        return box.run(f"cat /v/{name} 2>/dev/null", mounts=[Mount("/v", volume.name, no_copy=True)]).strip()


def _bytes(image: Image) -> int:
    """What its steps add up to: unlike Size, the same for graph drivers and the containerd store."""
    return sum(step["Size"] for step in image.history())
