"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a container: files of the engine's, put over the image's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
LOCAL += "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
FILES = {"/etc/resolv.conf": "resolv.conf", "/etc/hostname": "hostname", "/etc/hosts": "hosts"}
RESOLVER = Path("/etc/resolv.conf")
HERE = "127.0.0.1"  # what "host-gateway" means: the host's network is the container's


def extra(entries: Iterable[str]) -> str:
    text = ""
    for entry in entries:
        name, _, address = entry.partition("=" if "=" in entry.partition(":")[0] else ":")
        address = address.strip("[]")
        text += f"{HERE if address == 'host-gateway' else address}\t{name}\n"
    return text


def words(names: Iterable[str]) -> str:
    """A name with a space or a line's end in it would be several names, or lines of its own."""
    return " ".join(name for name in names if name.split() == [name])


def hosts(host: dict[str, Any], hostname: str, domain: str, address: str, peers: list[tuple[str, list[str]]]) -> str:
    own = words([f"{hostname}.{domain}", hostname] if domain else [hostname])
    lines = "".join(f"{where}\t{words(names)}\n" for where, names in peers if words(names))
    return LOCAL + extra(host.get("ExtraHosts") or []) + lines + f"{address or HERE}\t{own}\n"


def resolver(host: dict[str, Any]) -> str:
    servers, search, options = (host.get(name) or [] for name in ("Dns", "DnsSearch", "DnsOptions"))
    if not (servers or search or options):
        try:
            return RESOLVER.read_text(errors="replace")
        except OSError:
            return ""
    text = "".join(f"nameserver {each}\n" for each in servers)
    text += f"search {' '.join(search)}\n" if search else ""
    return text + (f"options {' '.join(options)}\n" if options else "")


def write(folder: Path, name: str, text: str) -> None:
    """Into the file that is there: a container that runs has it mounted, and must see the new text."""
    path = folder / name
    data = text.encode(errors="replace")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.truncate()
