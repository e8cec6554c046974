"""postgres and redis of the host, on top of the debian-like image, with the contract of the official images."""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib.resources import files
from typing import Any

from voldemo.engine.builtin import base
from voldemo.engine.builtin.dpkg import Package, Packages
from voldemo.engine.builtin.host import Host
from voldemo.engine.builtin.plan import Plan
from voldemo.engine.builtin.shells import LEFT_OUT, add_packages
from voldemo.engine.errors import NotFound
from voldemo.engine.runtime.spec import ROOT_PATH

SERVER_ID = 999  # as in the official images
ENTRYPOINT = "/usr/local/bin/docker-entrypoint.sh"
# For set-up and JIT only; with them the images double.
SERVERS_LEAVE_OUT = [
    *LEFT_OUT, "locales", "locales-all", "logrotate", "lsb-base", "perl", "postgresql-client-common",
    "postgresql-common", "python3", "ssl-cert", "systemd",
]  # fmt: skip
JIT = r"libllvm\d+.*"


def entrypoint(name: str) -> bytes:
    return files(__package__).joinpath("entrypoints", name).read_bytes()


def newest_postgres(host: Host, packages: Packages) -> tuple[Package, int]:
    found = []
    for package in packages.named(r"postgresql-\d+"):
        major = int(package.name.rpartition("-")[2])
        if host.which("bash") and host.is_file(f"/usr/lib/postgresql/{major}/bin/postgres"):
            found.append((major, package))
    if not found:
        raise NotFound(
            "The postgres image is made from this machine's own PostgreSQL, and there is none: "
            "install it (apt-get install postgresql)."
        )
    major, package = max(found, key=lambda each: each[0])
    return package, major


def missing_redis() -> NotFound:
    return NotFound(
        "The redis image is made from this machine's own Redis, and there is none: "
        "install it (apt-get install redis-server)."
    )


def on_top(plan: Plan, host: Host, packages: Packages, names: Collection[str]) -> None:
    jit = [package.name for package in packages.named(JIT)]
    chosen = packages.closure(names, [*SERVERS_LEAVE_OUT, *jit])
    add_packages(plan, host, packages, chosen, names)


def account(plan: Plan, name: str, home: str, shell: str) -> None:
    plan.layer(f"RUN useradd --system --uid {SERVER_ID} --home-dir {home} {name} # and the directories it owns")
    line = f"{name}:x:{SERVER_ID}:{SERVER_ID}::{home}:{shell}\n"
    plan.file("/etc/passwd", base.accounts("/bin/bash", line))
    plan.file("/etc/group", base.groups(f"{name}:x:{SERVER_ID}:\n"))


def postgres(plan: Plan, host: Host, packages: Packages) -> tuple[str, dict[str, Any]]:
    package, major = newest_postgres(host, packages)
    on_top(plan, host, packages, [package.name, "xz-utils", "zstd"])
    account(plan, "postgres", "/var/lib/postgresql", "/bin/bash")
    plan.directory("/docker-entrypoint-initdb.d")
    # A new named volume takes over the owner and mode of the directory it is mounted on.
    for path, mode in (
        ("/var/lib/postgresql", 0o755),
        ("/var/lib/postgresql/data", 0o1777),
        ("/run/postgresql", 0o3777),
    ):
        plan.directory(path, mode, SERVER_ID, SERVER_ID)
    sample = f"/usr/share/postgresql/{major}/postgresql.conf.sample"
    plan.layer(f"RUN sed -i \"s/^#listen_addresses = .*/listen_addresses = '*'/\" {sample}")
    plan.file(sample, listening_everywhere(host.read(sample)))
    plan.layer(f"COPY docker-entrypoint.sh {ENTRYPOINT}")
    plan.file(ENTRYPOINT, entrypoint("postgres.sh"), 0o755)
    return f"{package.name} {package.version}", {
        "Env": [
            f"PATH=/usr/lib/postgresql/{major}/bin:{ROOT_PATH}",
            "LANG=C.UTF-8",
            f"PG_MAJOR={major}",
            f"PG_VERSION={package.version}",
            "PGDATA=/var/lib/postgresql/data",
        ],
        "Volumes": {"/var/lib/postgresql/data": {}},
        "Entrypoint": ["docker-entrypoint.sh"],
        "StopSignal": "SIGINT",  # the fast shutdown: SIGTERM would wait for every client to leave
        "ExposedPorts": {"5432/tcp": {}},
        "Cmd": ["postgres"],
    }


def listening_everywhere(sample: bytes) -> bytes:
    """Debian's default listens on the container's loopback only, where no other container gets in."""
    return re.sub(rb"(?m)^#listen_addresses = .*$", b"listen_addresses = '*'", sample)


def redis(plan: Plan, host: Host, packages: Packages) -> tuple[str, dict[str, Any]]:
    package = packages.get("redis-server")
    if package is None or host.which("redis-server") is None:
        raise missing_redis()
    on_top(plan, host, packages, ["redis-server", "redis-tools"])
    account(plan, "redis", "/data", "/bin/sh")
    plan.directory("/data", 0o755, SERVER_ID, SERVER_ID)
    plan.layer(f"COPY docker-entrypoint.sh {ENTRYPOINT}")
    plan.file(ENTRYPOINT, entrypoint("redis.sh"), 0o755)
    return f"redis-server {package.version}", {
        "Env": [f"PATH={ROOT_PATH}", f"REDIS_VERSION={package.upstream}"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
        "Entrypoint": ["docker-entrypoint.sh"],
        "ExposedPorts": {"6379/tcp": {}},
        # Protected mode would turn away every other container.
        "Cmd": ["redis-server", "--protected-mode", "no"],
    }
