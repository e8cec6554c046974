"""A small host of its own: dpkg's files, a few programs, links of every kind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voldemo.engine.builtin.host import Host

DATE = 1_700_000_000
PACKAGES = {
    "bash": ("5.2.15-2+b13", "libc6 (>= 2.36), base | fallback", ["/bin", "/bin/bash", "/usr/share/doc/bash/README"]),
    "libc6": ("2.36-9", "", ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/etc/secret"]),
    "fallback": ("1:2.0-1", "", ["/usr/bin/tool", "/usr/bin/tool-too"]),
    "mawk": ("1.3.4", "", ["/usr/bin/mawk"]),
    "gone": ("1.0", "", ["/usr/bin/gone"]),
}
STANZA = (
    "Package: {}\nStatus: {} ok {}\nArchitecture: amd64\nVersion: {}\nDepends: {}\nDescription: d\n more: Status: x\n"
)


def write(root: Path, path: str, text: str = "", mode: int = 0o644) -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text or path)
    file.chmod(mode)
    os.utime(file, (DATE, DATE))
    return file


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "host"
    for path in ("/usr/bin/bash", "/usr/bin/tool", "/usr/bin/mawk"):
        write(root, path, mode=0o755)
    os.link(root / "usr/bin/tool", root / "usr/bin/tool-too")
    write(root, "/usr/lib/x86_64-linux-gnu/libc.so.6")
    write(root, "/usr/share/doc/bash/README")
    write(root, "/etc/secret", mode=0o640)
    write(root, "/etc/os-release", 'PRETTY_NAME="Test 1"\n')
    for name in ("bin", "lib"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "usr/bin/sh").symlink_to("bash")
    (root / "etc/alternatives").mkdir()
    (root / "etc/alternatives/awk").symlink_to("/usr/bin/mawk")
    (root / "usr/bin/awk").symlink_to("/etc/alternatives/awk")
    status = []
    for name, (version, depends, files) in PACKAGES.items():
        state = ("deinstall", "config-files") if name == "gone" else ("install", "installed")
        status.append(STANZA.format(name, *state, version, depends))
        write(root, f"/var/lib/dpkg/info/{name}.list", "/.\n" + "\n".join(files) + "\n")
    write(root, "/var/lib/dpkg/status", "\n".join(status))
    return root


@pytest.fixture
def host(root) -> Host:
    return Host(root)
