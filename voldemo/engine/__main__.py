"""python -m voldemo.engine --socket PATH --root DIR: serve Docker's API until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from voldemo.engine.errors import EngineError
from voldemo.engine.router import Router
from voldemo.engine.server import Server

THREADS = 16
MOST_FILES = 1 << 16
MALLOC = {-8: 1, -1: 128 << 10, -3: 64 << 10}  # M_ARENA_MAX, M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> int:
    options = parse(sys.argv[1:])
    give_memory_back()
    try:
        return asyncio.run(serve(options))
    except EngineError as error:
        print(f"voldemo.engine: {error}", file=sys.stderr)
    except OSError as error:
        print(f"voldemo.engine: {error.strerror or error}: {error.filename or options.root}", file=sys.stderr)
    return 1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m voldemo.engine", description="Docker's API on a unix socket, no root.")
    parser.add_argument("--socket", type=absolute, required=True, help="where to listen")
    parser.add_argument("--root", type=absolute, required=True, help="where images, volumes and containers are kept")
    mirror = "the registry that a name without a host means, as https://HOST (or VOLDEMO_REGISTRY_MIRROR)"
    parser.add_argument("--registry-mirror", default="", metavar="URL", help=mirror)
    parser.add_argument("--ready-fd", type=int, metavar="FD", help="a descriptor that is told one line when all is up")
    return parser.parse_args(arguments)


def absolute(text: str) -> Path:
    return Path(text).absolute()


async def serve(options: argparse.Namespace) -> int:
    from voldemo.engine.daemon import Daemon
    from voldemo.engine.registry import Registries
    from voldemo.engine.routes import collect

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="work"))
    allow_many_files()
    stop = asyncio.Event()
    for number in STOP:
        loop.add_signal_handler(number, stop.set)
    socket = options.socket
    daemon = Daemon(options.root, Registries.from_environment(options.registry_mirror))
    server = Server(daemon, Router(collect()))
    server.bind(socket)  # first: two engines at one address would start each other's containers
    try:
        await daemon.open()
    except BaseException:
        server.unbind()
        raise
    await run(server, daemon, stop, f"listening at unix://{socket}", options.ready_fd)
    return 0


async def run(server: Server, daemon: Any, stop: asyncio.Event, text: str, ready: int | None) -> None:
    try:
        await server.open()
        gc.freeze()  # what is there now stays: no collection need look at it again
        tell(ready, text)
        await stop.wait()
    finally:
        await server.close()
        await daemon.close()


def tell(ready: int | None, text: str) -> None:
    print(f"voldemo.engine: {text}", flush=True)
    if ready is not None:
        os.write(ready, f"{text}\n".encode())
        os.close(ready)


def give_memory_back() -> None:
    """Threads that load an image would else leave their arenas behind: 3 MB of an engine that does nothing."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc's
        for setting, value in MALLOC.items():
            libc.mallopt(setting, value)


def allow_many_files() -> None:
    """Every client and every container's stream is a descriptor; the usual 1024 are for programs of another kind."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MOST_FILES), hard))


if __name__ == "__main__":
    sys.exit(main())
