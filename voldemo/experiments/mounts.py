"""Who wins at a path: the image or what is mounted over it? And who may write there?"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd
from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container
from docker.types import Mount

from voldemo.errors import reason
from voldemo.experiments.layers import committed_after
from voldemo.images import BUSYBOX
from voldemo.sandbox import Sandbox

USER = 54321  # nobody on any machine, so no folder of the learner's happens to be theirs


def over(client: DockerClient) -> pd.DataFrame:
    """Mount empty and filled sources of each kind over a folder of the image that has a file.

    Columns: mount, source (empty or filled), sees_image_file, sees_source_file, copied (the image's file is in the
    source afterwards; None for tmpfs, which nothing but its container can see).
    """
    with Sandbox(client) as box:
        image = committed_after(box, "mkdir /data; echo image > /data/image", BUSYBOX)
        return box.frame([_over(box, image, *case) for case in _cases(box)])


def _cases(box: Sandbox) -> Iterator[tuple[str, str, Mount]]:
    for kind in ("volume", "nocopy", "bind"):
        for source in ("empty", "filled"):
            options = {"no_copy": True} if kind == "nocopy" else {}
            mount = box.mount("/data", "volume" if kind == "nocopy" else kind, **options)
            if source == "filled":
                box.run("echo source > /fill/source", mounts=[_again(mount, "/fill")])
            yield kind, source, mount
    yield "tmpfs", "empty", box.mount("/data", "tmpfs")


def _again(mount: Mount, target: str, **options) -> Mount:
    """The same source at another path, without a copy-up."""
    if mount["Type"] == "volume":
        options["no_copy"] = True
    return Mount(target, mount["Source"], type=mount["Type"], **options)


def _over(box: Sandbox, image: str, kind: str, source: str, mount: Mount) -> dict:
    sees = box.run("ls /data", image=image, mounts=[mount]).split()
    kept = None if kind == "tmpfs" else box.run("ls /look", mounts=[_again(mount, "/look")]).split()
    return {
        "mount": kind,
        "source": source,
        "sees_image_file": "image" in sees,
        "sees_source_file": "source" in sees,
        "copied": None if kept is None else "image" in kept,
    }


def readonly(client: DockerClient) -> pd.DataFrame:
    """Write to each path of a container with a read-only root, a read-only volume and a writable one inside that.

    Columns: path, mount (what is there), wrote (bool), error (the shell's).
    """
    with Sandbox(client) as box:
        outer = box.mount("/data", "volume")
        box.run("mkdir /data/cache", mounts=[outer])  # the inner mount's mount point: `nested` tells why
        mounts = [_read_only(outer), box.mount("/data/cache", "volume"), box.mount("/tmp", "tmpfs")]
        container = box.start(mounts=mounts, read_only=True)
        places = {"/etc": "layer, --read-only", "/data": "volume:ro", "/data/cache": "volume", "/tmp": "tmpfs"}
        return box.frame([{"path": path, "mount": kind, **_write(container, path)} for path, kind in places.items()])


def _read_only(mount: Mount) -> Mount:
    return Mount(mount["Target"], mount["Source"], type=mount["Type"], read_only=True)


def _write(container: Container, folder: str, user: int | str = "") -> dict:
    """Columns wrote and error: what became of creating a file in `folder`."""
    said = container.exec_run(["sh", "-c", 'echo x > "$1/file"', "sh", folder], user=str(user))
    error = said.output.decode().strip().rpartition(": ")[2]
    return {"wrote": said.exit_code == 0, "error": error}


def nested(client: DockerClient) -> pd.DataFrame:
    """Start a container with a mount inside a read-only volume, without and with a mount point for it there.

    Columns: mount_point (was there before), started (bool), error (the engine's).
    """
    with Sandbox(client) as box:
        return box.frame([_nested(box, there) for there in (False, True)])


def _nested(box: Sandbox, there: bool) -> dict:
    outer = box.mount("/data", "volume")
    if there:
        box.run("mkdir /data/cache", mounts=[outer])
    return {"mount_point": there, **_try(box, mounts=[_read_only(outer), box.mount("/data/cache", "volume")])}


def _try(box: Sandbox, **options) -> dict:
    """Columns started and error: what became of starting a container with `options`."""
    try:
        box.start(**options)
    except APIError as error:
        return {"started": False, "error": _gist(reason(error))}
    return {"started": True, "error": ""}


def _gist(message: str) -> str:
    """The last two clauses of an engine's message, each long path cut to its last name."""
    clauses = re.sub(r"/\S*/(?=\S{1,40}(?:$|[\s\":]))", "…/", message).split(": ")
    return ": ".join(clauses[-2:])


def missing(client: DockerClient) -> pd.DataFrame:
    """Bind a host path that does not exist: by -v, by --mount, and by --mount with CreateMountpoint.

    Columns: flag, started (bool), created (the engine made a folder at the path), error (the engine's).
    BindOptions.CreateMountpoint came with API 1.42: an engine before that does not know it.
    """
    with Sandbox(client) as box:
        return box.frame([_missing(box, flag) for flag in ("-v", "--mount", "--mount, CreateMountpoint")])


def _missing(box: Sandbox, flag: str) -> dict:
    path = box.folder() / "missing"
    mount = Mount("/data", str(path), type="bind")
    if flag.endswith("CreateMountpoint"):
        mount["BindOptions"] = {"CreateMountpoint": True}
    tried = _try(box, **({"volumes": [f"{path}:/data"]} if flag == "-v" else {"mounts": [mount]}))
    return {"flag": flag, "started": tried["started"], "created": path.is_dir(), "error": tried["error"]}


def rebuilt(client: DockerClient) -> pd.DataFrame:
    """Run a new version of an image with the volume the old version filled, and with others.

    Columns: mount, image (the version that runs), sees (the version of the file in the container).
    """
    with Sandbox(client) as box:
        images = {tag: committed_after(box, f"mkdir /app; echo {tag} > /app/version", BUSYBOX) for tag in ("v1", "v2")}
        kept = box.mount("/app", "volume")
        runs = [("volume", "v1", kept), ("same volume", "v2", kept), ("new volume", "v2", box.mount("/app", "volume"))]
        rows = [(mount, tag, box.run("cat /app/version", image=images[tag], mounts=[at])) for mount, tag, at in runs]
        rows.append(("no mount", "v2", box.run("cat /app/version", image=images["v2"])))
        return box.frame([{"mount": mount, "image": tag, "sees": seen.strip()} for mount, tag, seen in rows])


def ownership(client: DockerClient, user: int = USER) -> pd.DataFrame:
    """Let a process that runs as `user` write to mounts that belong to others, and to those made ready for it.

    Columns: mount, owner (uid as the container sees it), mode (octal), wrote (bool), error (the shell's).
    """
    with Sandbox(client) as box:
        theirs = committed_after(box, f"mkdir /data; chown {user} /data", BUSYBOX)
        chowned = box.mount("/data", "volume")
        box.run(f"chown {user} /data", mounts=[chowned])
        cases = [
            ("volume", BUSYBOX, box.mount("/data", "volume")),
            ("volume, image's folder is theirs", theirs, box.mount("/data", "volume")),
            ("volume, chowned before", BUSYBOX, chowned),
            ("bind", BUSYBOX, box.mount("/data", "bind")),
            ("tmpfs", BUSYBOX, box.mount("/data", "tmpfs")),
        ]
        return box.frame([_ownership(box, user, *case) for case in cases])


def _ownership(box: Sandbox, user: int, name: str, image: str, mount: Mount) -> dict:
    container = box.start(image=image, mounts=[mount], user=str(user))
    owner, mode = container.exec_run(["stat", "-c", "%u %a", "/data"]).output.decode().split()
    return {"mount": name, "owner": int(owner), "mode": mode, **_write(container, "/data")}


def full(client: DockerClient, size: int = 1 << 20) -> pd.DataFrame:
    """Write half of, all of and twice what a tmpfs of `size` bytes holds.

    Columns: asked_bytes, written_bytes, error (dd's).
    """
    if size < 8192 or size % 8192:
        raise ValueError(f"size must be a multiple of 8192, two memory pages, not {size}")
    with Sandbox(client) as box:
        container = box.start(mounts=[box.mount("/data", "tmpfs", tmpfs_size=size)])
        return box.frame([_fill(container, asked) for asked in (size // 2, size, 2 * size)])


def _fill(container: Container, asked: int) -> dict:
    script = 'rm -f /data/f; dd if=/dev/zero of=/data/f bs=4096 count="$1" 2>&1 >/dev/null; stat -c %s /data/f'
    *said, written = container.exec_run(["sh", "-c", script, "sh", str(asked // 4096)]).output.decode().splitlines()
    errors = [line.rpartition(": ")[2] for line in said if line.startswith("dd:")]
    return {"asked_bytes": asked, "written_bytes": int(written), "error": errors[0] if errors else ""}
