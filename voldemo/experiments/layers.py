"""What is an image made of, who pays for which bytes, and what does a write to a container cost?"""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Iterator

import pandas as pd
from docker import DockerClient
from docker.models.containers import Container
from docker.models.images import Image

from voldemo import frames
from voldemo.engines import measured
from voldemo.experiments.persistence import KINDS
from voldemo.images import BUSYBOX, DEBIAN, POSTGRES, REDIS, Track
from voldemo.sandbox import Sandbox

MIB = 1 << 20


def history(client: DockerClient, image: str = POSTGRES) -> pd.DataFrame:
    """`docker history`, lowest step first: columns step, instruction, bytes, created_by."""
    return measured(client, frames.history(client.images.get(image).history()))


def instructions(client: DockerClient, image: str = POSTGRES) -> pd.DataFrame:
    """`history`, added up for each Dockerfile instruction: columns instruction, steps (count), bytes, adds (bool)."""
    steps = history(client, image).groupby("instruction", sort=False).bytes.agg(["count", "sum"]).reset_index()
    frame = steps.set_axis(["instruction", "steps", "bytes"], axis="columns")
    return measured(client, frame.assign(adds=frame.bytes > 0))


def shared(client: DockerClient, images: tuple[str, ...] = (DEBIAN, POSTGRES, REDIS)) -> pd.DataFrame:
    """The layers of each image, lowest first, and how many of `images` have the same one.

    Columns: image, layer (digest), bytes, images (count).
    """
    frame = pd.concat([_layers_of(client, image).assign(image=image) for image in images], ignore_index=True)
    frame["images"] = frame.groupby("layer").image.transform("nunique")
    return measured(client, frame[["image", "layer", "bytes", "images"]])


def _layers_of(client: DockerClient, name: str) -> pd.DataFrame:
    image = client.images.get(name)
    return frames.layers(image.attrs, image.history())


def containers(
    client: DockerClient, counts: tuple[int, ...] = (1, 10, 100), image: str = POSTGRES, track: Track = iter
) -> pd.DataFrame:
    """Make containers of one image, each with a file of 1 KiB of its own, and ask the engine what they take.

    Columns: containers, shared_bytes (the image, once), writable_bytes (all writable layers), copied_bytes (what it
    would be if each container had a copy of the image; computed), times (shared and writable, in images; rounded).
    """
    with Sandbox(client) as box:
        rows = []
        for number in track(range(1, max(counts) + 1)):
            box.create(["true"], image).put_archive("/", _tar("own", bytes(1024)))
            if number in counts:
                rows.append(_bill(box, number))
        return box.frame(rows)


def _bill(box: Sandbox, number: int) -> dict:
    asked = {"label": box.label}
    listed = box.client.api.containers(all=True, size=True, filters=asked)
    whole = sum(row["SizeRootFs"] for row in listed)
    writable = sum(row.get("SizeRw", 0) for row in listed)
    image_bytes = (whole - writable) // number
    return {
        "containers": number,
        "shared_bytes": image_bytes,
        "writable_bytes": writable,
        "copied_bytes": image_bytes * number + writable,
        "times": round((image_bytes + writable) / image_bytes),
    }


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


# Clocks of the container itself: an exec's own start would hide a copy-up of a small file.
APPEND = 'a=$(date +%s%N); printf x >> "$1"; b=$(date +%s%N); echo $((b - a))'


def copy_up(client: DockerClient, mib: tuple[int, ...] = (1, 16, 64, 128), track: Track = iter) -> pd.DataFrame:
    """Append one byte, twice, to a file of the image and to the same file in a volume.

    Columns: place (layer or volume), file_bytes, append (first or second), seconds, writable_bytes (the container's
    writable layer afterwards), copied (that layer grew by the whole file).
    """
    with Sandbox(client) as box:
        image = _image_with_files(box, mib)
        rows = []
        for size in track(mib):
            for place in ("layer", "volume"):
                rows += _appends(box, image, place, size)
        return box.frame(rows)


def _image_with_files(box: Sandbox, mib: tuple[int, ...]) -> str:
    script = "mkdir /files && cd /files && " + " && ".join(
        f"dd if=/dev/urandom of={size} bs=1M count={size} 2>/dev/null" for size in mib
    )
    return committed_after(box, script, DEBIAN)


def committed_after(box: Sandbox, script: str, image: str, *changes: str) -> str:
    """The id of a new image: `image`, one layer with what `script` did, and Dockerfile `changes`."""
    container = box.start(["sh", "-ec", script], image)
    if status := container.wait()["StatusCode"]:
        raise RuntimeError(f"exit status {status}: {container.logs().decode().strip()}")
    made = box.commit(container, *changes)
    container.remove()
    return made.id


def _appends(box: Sandbox, image: str, place: str, size: int) -> Iterator[dict]:
    mount = box.mount("/files", place)  # a new volume is filled from the image
    container = box.start(image=image, mounts=[mount] if mount else [])
    before = 0
    for append in ("first", "second"):
        said = container.exec_run(["sh", "-c", APPEND, "sh", f"/files/{size}"]).output
        yield {
            "place": place,
            "file_bytes": size * MIB,
            "append": append,
            "seconds": int(said) / 1e9,
            "writable_bytes": (after := _writable(container)),
            "copied": after - before >= size * MIB,
        }
        before = after
    container.remove(force=True)


def _writable(container: Container) -> int:
    asked = {"id": container.id}
    (row,) = container.client.api.containers(all=True, size=True, filters=asked)
    return row.get("SizeRw", 0)


def deleted(client: DockerClient, text: str = "password=hunter2", mib: int = 16) -> pd.DataFrame:
    """Write `text` and `mib` MiB to a file and delete it: in a later step, and in the same one.

    Columns: delete (later step or same step), image_bytes_added, visible (the file is there in a container),
    recovered (`text` is in what `docker save` writes).
    """
    if not text:
        raise ValueError("text must not be empty: everything contains nothing")
    fill = f"printf %s {shlex.quote(text)} > /secret; dd if=/dev/urandom bs=1M count={mib} >> /secret"
    clean = "rm /secret"
    ways = {"later step": [fill, clean], "same step": [f"{fill}; {clean}"]}
    with Sandbox(client) as box:
        return box.frame([_deletion(box, way, steps, text) for way, steps in ways.items()])


def _deletion(box: Sandbox, way: str, steps: list[str], text: str) -> dict:
    name = BUSYBOX
    for step in steps:
        name = committed_after(box, step, name)
    image = box.client.images.get(name)
    own = len(image.history()) - len(box.client.images.get(BUSYBOX).history())
    return {
        "delete": way,
        "image_bytes_added": sum(row["Size"] for row in image.history()[:own]),
        "visible": box.run("test -e /secret && echo yes", image=name) != "",
        "recovered": any(text.encode() in content for _, content in saved_files(image)),
    }


def diff(client: DockerClient) -> pd.DataFrame:
    """`docker diff` after one file was added, one changed and one deleted, beside what a commit of it keeps.

    Columns: kind (A, C, D), path, committed (the member of the new layer's tar, None if there is none).
    """
    with Sandbox(client) as box:
        container = box.start(["sh", "-ec", "echo new > /added; echo more >> /etc/group; rm /etc/passwd"])
        container.wait()
        frame = frames.changes(container.diff())
        names = {name.rstrip("/") for name, _ in saved_files(box.commit(container))}
        frame["committed"] = [_member(path, kind, names) for kind, path in frame.itertuples(index=False)]
        return box.frame(frame)


def _member(path: str, kind: str, names: set[str]) -> str | None:
    """The image specification's whiteout: a deletion is an empty file named .wh.NAME."""
    folder, _, name = path.lstrip("/").rpartition("/")
    wanted = f"{folder}/.wh.{name}".lstrip("/") if kind == "D" else path.lstrip("/")
    return wanted if wanted in names else None


def commit(client: DockerClient, text: str = "hello") -> pd.DataFrame:
    """Write `text` to each kind of storage of one container, commit it, and look in a container of the new image.

    Columns: kind, in_image (bool).
    """
    if not text:
        raise ValueError("text must not be empty: a lost note reads as empty, too")
    with Sandbox(client) as box:
        mounts = [box.mount(f"/{kind}", kind) for kind in KINDS if kind != "layer"]
        container = box.start(mounts=mounts)
        for kind in KINDS:
            container.exec_run(["sh", "-c", 'mkdir -p "$1"; printf %s "$2" > "$1/note"', "sh", f"/{kind}", text])
        image = box.commit(container)
        read = {kind: box.run(f"cat /{kind}/note 2>/dev/null", image=image.id) for kind in KINDS}
        return box.frame([{"kind": kind, "in_image": said == text} for kind, said in read.items()])


def saved_files(image: Image) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in each layer of `docker save`'s tar."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(image.save()))) as outer:
        for member in outer:
            blob = outer.extractfile(member)
            if blob and member.size and not member.name.endswith(".json"):
                yield from _files(blob)


def _files(blob) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=blob) as layer:
            for member in layer:
                yield member.name, layer.extractfile(member).read() if member.isreg() else b""
    except tarfile.ReadError:  # a manifest or a configuration, not a layer
        return
