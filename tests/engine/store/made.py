"""Tars written entry by entry, and what else the tests of the store make."""

from __future__ import annotations

import io
import tarfile


def entry(name: str, data: bytes | None = None, **about) -> tuple[tarfile.TarInfo, bytes | None]:
    """`entry("a", b"text")`, `entry("d", type=tarfile.DIRTYPE, mode=0o700)`, …"""
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    for key, value in about.items():
        setattr(info, key, value)
    if data is not None:
        info.size = len(data)
    return info, data


def directory(name: str, mode: int = 0o755, **about):
    return entry(name, type=tarfile.DIRTYPE, mode=mode, **about)


def symlink(name: str, target: str, **about):
    return entry(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777, **about)


def hardlink(name: str, target: str):
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def tar(*entries, format: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format, errors="surrogateescape") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data) if data is not None else None)
    return made.getvalue()


def stream(*entries, **how) -> io.BytesIO:
    return io.BytesIO(tar(*entries, **how))


def joined(pieces) -> bytes:
    return b"".join(pieces)


def config(*layers, **more) -> dict:
    """An image's configuration over `layers`, bottom first."""
    rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}
    return {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": rootfs, "history": []} | more
