"""Docker's engine and the embedded one, side by side: medians, their ratio, and what the project promises.

    bench.py [--rounds 15] [--volumes 10000] [--only WORDS]

DOCKERD names a Docker engine, DOCKER_HOST a fresh embedded one (`make bench` starts both). Rounds alternate between
the engines, so that whatever else the machine does falls on both. All it makes carries one label and is removed.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.models.containers import Container

BUSYBOX, DEBIAN, POSTGRES = "busybox:1.37", "debian:13-slim", "postgres:17"
LABEL = "org.voldemo.bench"
PG_ROUNDS = 15
CHROOT = (
    *("unshare", "--mount", "bash", "-c"),
    'mount --rbind /dev "$0/dev" && exec chroot --userspec=postgres "$0" sh -c "$1"',
)
LABELS = {LABEL: "1"}
STAY = ["sh", "-c", "trap 'exit 0' TERM; sleep 86400 & wait"]
CREDENTIALS = struct.Struct("=iii")
# perl-base has no Time::HiRes: clock_gettime by its number.
STATS = r"""
sub now { my $b = "\0" x 16; syscall(228, 1, $b); my ($s, $n) = unpack "qq", $b; return $s + $n / 1e9 }
my $d = shift; mkdir $d; for (1..3000) { open my $f, ">", "$d/$_" or die; print $f $_ }
my $t = now; for (1..20000) { stat "$d/1" or die } printf "%.9f ", (now() - $t) / 20000;
$t = now; system "find $d -type f -size +0 > /dev/null"; printf "%.6f\n", now() - $t;
"""
PG = "export PATH=$(echo /usr/lib/postgresql/*/bin):$PATH PGHOST=%s PGPORT=5499 PGUSER=postgres; "
PG_START = """set -e; initdb -D /tmp/pg -A trust > /tmp/pg.log 2>&1
pg_ctl -D /tmp/pg -w -o "-c listen_addresses=127.0.0.1 -c unix_socket_directories=/tmp -p 5499" -l /tmp/pg.log start
pgbench -q -i -s 5 postgres 2>&1"""
PG_ROUND = "pgbench -S -c 2 -T 2 postgres 2>&1 | sed -n 's/^tps = \\([0-9.]*\\).*/\\1/p'"
PG_STOP = "[ ! -e /tmp/pg/postmaster.pid ] || pg_ctl -D /tmp/pg -m fast -w stop"


@dataclass(frozen=True)
class Engine:
    name: str
    url: str
    client: DockerClient

    @property
    def pid(self) -> int:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.url.removeprefix("unix://"))
            return CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))[0]

    def cli(self, *words: str) -> None:
        environment = {**os.environ, "DOCKER_HOST": self.url}
        subprocess.run(["docker", *words], env=environment, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--volumes", type=int, default=10_000)
    parser.add_argument("--only", default="", help="the benches whose name has this in it")
    options = parser.parse_args()
    engines = [opened("docker", os.environ["DOCKERD"]), opened("embedded", os.environ["DOCKER_HOST"])]
    print(f"{'':34}{'docker':>12}{'embedded':>12}{'ratio':>8}  promised")
    try:
        for bench in (calls, crowd, volumes, disk_usage, memory, path_calls, postgres):
            if options.only in bench.__name__:
                bench(engines, options)
    finally:
        for engine in engines:
            clear(engine.client)
    return 0


def opened(name: str, url: str) -> Engine:
    client = DockerClient(url, timeout=600)
    clear(client)
    return Engine(name, url, client)


def clear(client: DockerClient) -> None:
    asked = {"label": LABEL}
    for container in client.containers.list(all=True, filters=asked):
        container.remove(force=True, v=True)
    for volume in client.volumes.list(filters=asked):
        volume.remove(force=True)


# ---- what is shown


def show(what: str, theirs: float, ours: float, unit: str, promised: float | None = None, least: bool = False) -> None:
    """`promised`: the ratio ours / theirs is to be at most this, or at least."""
    ratio = ours / theirs if theirs else float("nan")
    verdict = ""
    if promised is not None:
        kept = ratio >= promised if least else ratio <= promised
        verdict = f"{'≥' if least else '≤'} {promised:g}  {'ok' if kept else 'NOT KEPT'}"
    print(f"{what:34}{theirs:>9.1f} {unit:2}{ours:>9.1f} {unit:2}{ratio:>8.2f}  {verdict}", flush=True)


def alternate(engines: list[Engine], rounds: int, work: Callable[[Engine], object]) -> tuple[float, float]:
    """The medians, in milliseconds. The first round of each is not counted."""
    taken: dict[str, list[float]] = {engine.name: [] for engine in engines}
    for _ in range(rounds + 1):
        for engine in engines:
            taken[engine.name].append(milliseconds(lambda engine=engine: work(engine)))
    theirs, ours = (statistics.median(taken[engine.name][1:]) for engine in engines)
    return theirs, ours


def milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


@contextmanager
def running(engine: Engine, image: str = BUSYBOX, **options) -> Iterator[Container]:
    container = engine.client.containers.run(image, STAY, detach=True, labels=LABELS, network_mode="none", **options)
    try:
        yield container
    finally:
        container.remove(force=True, v=True)


# ---- the benches


def calls(engines: list[Engine], options: argparse.Namespace) -> None:
    label = ("--label", f"{LABEL}=1", "--network", "none")

    def cli_run(engine: Engine) -> None:
        engine.cli("run", "--rm", *label, "-v", "bench:/data", BUSYBOX, "true")

    def sdk_run(engine: Engine) -> None:
        engine.client.containers.run(
            BUSYBOX, "true", remove=True, labels=LABELS, network_mode="none", volumes=["bench:/data"]
        )

    for engine in engines:
        engine.client.volumes.create("bench", labels=LABELS)
    show("docker run --rm -v vol:/data", *alternate(engines, options.rounds, cli_run), "ms", 0.25)
    show("SDK containers.run", *alternate(engines, options.rounds, sdk_run), "ms", 0.2)
    with running(engines[0]) as first, running(engines[1]) as second:
        there = {engines[0].name: first, engines[1].name: second}
        show(
            "docker exec",
            *alternate(engines, options.rounds, lambda e: e.cli("exec", there[e.name].id, "true")),
            "ms",
            0.6,
        )


def crowd(engines: list[Engine], options: argparse.Namespace) -> None:
    def thirty(engine: Engine) -> None:
        def one(_: int) -> None:
            engine.client.containers.run(BUSYBOX, "true", remove=True, labels=LABELS, network_mode="none")

        with ThreadPoolExecutor(10) as ten:
            list(ten.map(one, range(30)))

    show("30 runs, ten at a time", *alternate(engines, 3, thirty), "ms", 0.25)


def volumes(engines: list[Engine], options: argparse.Namespace) -> None:
    for count in (options.volumes // 10, options.volumes):
        taken = [volume_calls(engine, count) for engine in engines]
        for step in taken[0]:
            show(f"volume {step} ({count:,})", *(each[step] for each in taken), "ms", 1)


def volume_calls(engine: Engine, count: int) -> dict[str, float]:
    api, names = engine.client.api, [f"bench-{engine.name}-{number}" for number in range(count)]
    steps: dict[str, Callable[[], object]] = {
        "create": lambda: [api.create_volume(name, labels=LABELS) for name in names],
        "list": api.volumes,
        "inspect 200": lambda: [api.inspect_volume(name) for name in names[:: max(1, count // 200)]],
        "rm": lambda: [api.remove_volume(name) for name in names],
    }
    return {step: milliseconds(work) for step, work in steps.items()}


def disk_usage(engines: list[Engine], options: argparse.Namespace) -> None:
    """1,000 volumes of 100 files, ten containers filling a hundred each."""
    fill = 'for v in /v/*; do i=0; while [ $i -lt 100 ]; do echo $i > "$v/$i"; i=$((i+1)); done; done'
    for engine in engines:
        for first in range(0, 1000, 100):
            mounts = [f"bench-{engine.name}-{number}:/v/{number}" for number in range(first, first + 100)]
            for mount in mounts:
                engine.client.volumes.create(mount.partition(":")[0], labels=LABELS)
            options_ = {"remove": True, "labels": LABELS, "network_mode": "none", "volumes": mounts}
            engine.client.containers.run(BUSYBOX, ["sh", "-c", fill], **options_)
    show("docker system df -v, 1,000 x 100", *alternate(engines, 3, lambda e: e.cli("system", "df", "-v")), "ms", 1)
    for engine in engines:
        clear(engine.client)


def memory(engines: list[Engine], options: argparse.Namespace) -> None:
    """Proportional set size of the engine's process and all below it; Docker's shims are not below dockerd."""
    count = 20
    idle = {engine.name: pss(engine.pid) for engine in engines}
    show("memory, idle", idle["docker"], idle["embedded"], "MB")
    more = {}
    for engine in engines:
        made = [
            engine.client.containers.run(BUSYBOX, STAY, detach=True, labels=LABELS, network_mode="none")
            for _ in range(count)
        ]
        more[engine.name] = (pss(engine.pid) - idle[engine.name]) / count
        for container in made:
            container.remove(force=True)
    show("memory, each running container", more["docker"], more["embedded"], "MB")
    for what, value, most in (("idle", idle["embedded"], 40), ("per container", more["embedded"], 6)):
        print(f"    embedded, {what}: {value:.1f} MB, promised ≤ {most} MB  {'ok' if value <= most else 'NOT KEPT'}")


def pss(pid: int) -> float:
    """In MB."""
    found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    children = Path(f"/proc/{pid}/task").glob("*/children")
    own = int(found[1]) / 1024 if found else 0.0  # one that has just ended has none
    return own + sum(pss(int(child)) for file in children for child in file.read_text().split())


def path_calls(engines: list[Engine], options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        native = [float(word) for word in output("perl", "-e", STATS, f"{folder}/d").split()]
    for engine in engines:
        said = engine.client.containers.run(
            DEBIAN, ["perl", "-e", STATS, "/d"], remove=True, labels=LABELS, network_mode="none"
        )
        one, found = (float(word) for word in said.split())
        print(f"stat, {engine.name}: {one * 1e6:.1f} us ({one / native[0]:.1f} x native)", end="; ")
        print(f"find+stat of 3,000: {found * 1e3:.0f} ms ({found / native[1]:.1f} x native)", flush=True)


def postgres(engines: list[Engine], options: argparse.Namespace) -> None:
    """The image's own programs, both servers at once: in the engine and, below a chroot, without one."""
    ours = engines[1]
    if os.geteuid() != 0 or not ours.client.images.list(POSTGRES):
        print(f"pgbench: skipped, it needs root and {POSTGRES}")
        return
    with running(ours, POSTGRES, entrypoint=[], user="postgres") as inside, unpacked(inside) as root:

        def native(script: str, host: str = "/tmp") -> str:
            return output(*CHROOT, root, PG % host + script)

        def embedded(script: str, host: str = "/tmp") -> str:
            code, said = inside.exec_run(["sh", "-c", PG % host + script])
            assert code == 0, said
            return said.decode()

        both = (native, embedded)
        try:
            for run in both:
                run(PG_START)
            for host in ("/tmp", "127.0.0.1"):
                taken = [[float(run(PG_ROUND, host)) for run in both] for _ in range(PG_ROUNDS + 1)][1:]
                compared(f"pgbench -S, {host}", taken)
        finally:
            for run in both:
                run(PG_STOP)


def compared(what: str, taken: list[list[float]]) -> None:
    """The ratio is the median of each round's own: what else the machine does changes from one to the next."""
    native, embedded = (statistics.median(each) for each in zip(*taken, strict=True))
    ratio = statistics.median(inside / outside for outside, inside in taken)
    verdict = "ok" if ratio >= 0.8 else "NOT KEPT"
    print(f"{what}: embedded {embedded:,.0f} tps, native {native:,.0f} tps, ratio {ratio:.2f}  ≥ 0.8  {verdict}")


@contextmanager
def unpacked(container: Container) -> Iterator[str]:
    """What the container has, as a folder of the machine's."""
    with tempfile.TemporaryDirectory(prefix="voldemo-bench-", dir="/var/tmp") as root:
        with subprocess.Popen(["tar", "-C", root, "-xp"], stdin=subprocess.PIPE) as unpacker:
            for chunk in container.export():
                unpacker.stdin.write(chunk)
            unpacker.stdin.close()
        if unpacker.returncode:
            raise subprocess.CalledProcessError(unpacker.returncode, unpacker.args)
        Path(root).chmod(0o755)
        Path(root, "tmp").chmod(0o1777)
        yield root


def output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
