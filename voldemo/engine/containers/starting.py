"""From created to running: everything between a record and a process."""

from __future__ import annotations

import asyncio
import posixpath

from voldemo.engine import bridge, clock, errors
from voldemo.engine.containers import health, hosts, links, logs, programs, security, users
from voldemo.engine.containers.container import Container
from voldemo.engine.runtime.launcher import ExecFailed
from voldemo.engine.runtime.spec import Mount, Program, Spec

BROKEN = 128


async def start(container: Container) -> None:
    async with container.lock:
        check(container)
        await launch(container)


def check(container: Container) -> None:
    if container.state.status == "paused":
        raise errors.Conflict("cannot start a paused container, try unpause instead")
    if container.state.status in ("running", "restarting"):
        raise errors.NotModified("container already started")
    if container.removing or container.state.status in ("removing", "dead"):
        raise errors.Conflict("container is marked for removal and cannot be started")
    if container.daemon.closing:
        raise errors.Failed("the engine is shutting down")


async def launch(container: Container) -> None:
    """The caller holds the lock. What fails leaves nothing behind but the reason."""
    state = container.state
    state.error, state.exit_code, state.oom_killed, state.stopped_by_hand = "", 0, False, False
    try:
        spec = await prepare(container)
        await run(container, spec)
    except (errors.EngineError, OSError) as error:
        # by no name of this frame's: with one it would keep itself, and every frame below, with what they hold open
        raise await failed(container, error) from None
    state.status, state.started_at, state.pid = "running", clock.now(), container.handle.pid
    health.begin(container)
    await container.save()
    container.tell("start")


async def failed(container: Container, error: Exception) -> errors.EngineError:
    error = error if isinstance(error, errors.EngineError) else errors.Failed(str(error))
    state = container.state
    state.error, state.exit_code = str(error), getattr(error, "code", BROKEN)
    state.status = "created" if state.started_at == clock.ZERO else "exited"
    await withdraw(container)
    container.log.end()
    container.streams.end()
    await container.save()
    container.ended()
    return error


async def withdraw(container: Container) -> None:
    """What a running container holds."""
    await container.ports.close()
    container.daemon.networks.down(container.id)
    container.mounts = ()
    await asyncio.to_thread(container.daemon.mounter.release, container.record)


async def prepare(container: Container) -> Spec:
    logs.limits(container.host["LogConfig"]["Config"])
    networks = container.daemon.networks
    join = joined(container)
    networks.up(container.id)
    address = networks.address(join.id if join else container.id)
    await asyncio.to_thread(write_files, container)
    container.mounts = await bridge.run(
        container.daemon.mounter.mounts, container.record, container.root(), container.folder
    )
    program = await asyncio.to_thread(program_of, container, container.mounts)
    await container.ports.open(address, container.config, container.host)
    return Spec(
        id=container.id,
        program=program,
        upper=str(container.daemon.store.containers.upper(container.id)),
        layers=tuple(map(str, container.layers)),
        mounts=container.mounts,
        read_only=container.host["ReadonlyRootfs"],
        hostname=container.config["Hostname"],
        address=address,
        memory=container.host["Memory"],
        init=bool(container.host.get("Init")),
        capabilities=security.capabilities(container.host),
        no_new_privileges=security.no_new_privileges(container.host),
        limits=security.ulimits(container.host),
    )


def joined(container: Container) -> Container | None:
    """--network container:NAME"""
    mode, _, name = container.host["NetworkMode"].partition(":")
    if mode != "container":
        return None
    try:
        other = container.daemon.containers.get(name)
    except errors.NotFound as error:
        raise errors.Failed(f"joining network namespace of container: {error}") from None
    if not other.running:
        text = f"cannot join network namespace of a non running container: container {other.id} is {other.state.status}"
        raise errors.Conflict(f"joining network namespace of container: {text}")
    return other


def write_files(container: Container) -> None:
    hosts.write(container.folder, "hostname", container.config["Hostname"] + "\n")
    hosts.write(container.folder, "resolv.conf", hosts.resolver(container.host))
    write_hosts(container)


def write_hosts(container: Container) -> None:
    networks = container.daemon.networks
    peers = [(networks.address(c.id), names) for c, names in links.names(container)]
    peers += [
        (where, names) for where, names in networks.hosts(container.id) if where != networks.address(container.id)
    ]
    own = next((names for where, names in networks.hosts(container.id) if where == networks.address(container.id)), [])
    config = container.config
    text = hosts.hosts(container.host, config["Hostname"], config["Domainname"], networks.address(container.id), peers)
    if own:
        text = text.rstrip("\n") + " " + hosts.words(name for name in own if name != config["Hostname"]) + "\n"
    hosts.write(container.folder, "hosts", text)


def program_of(container: Container, mounts: tuple[Mount, ...]) -> Program:
    config, root = container.config, container.root(mounts)
    identity = users.resolve(root, config["User"], container.host.get("GroupAdd") or ())
    cwd = posixpath.normpath(config["WorkingDir"] or "/")
    try:
        root.make_dirs(cwd)
    except errors.Forbidden:  # a read-only place: it is there, or the program's start tells
        pass
    except errors.BadParameter:
        raise errors.Failed(f"failed to create task for container: mkdir {cwd}: not a directory") from None
    return Program(
        argv=(*(config["Entrypoint"] or ()), *(config["Cmd"] or ())),
        env=programs.environment(config, identity.home, linked=links.environment(container)),
        cwd=cwd,
        user=identity.user,
        tty=config["Tty"],
    )


async def run(container: Container, spec: Spec) -> None:
    container.log.begin()  # before there is a process: it may not be possible
    stdio = container.streams.open()
    try:
        container.handle = await container.daemon.runtime.start(spec, stdio.child)
    except ExecFailed as error:
        stdio.close_ours()
        raise programs.explain(error, spec.program, programs.CREATE) from None
    except BaseException:
        stdio.close_ours()
        raise
    finally:
        stdio.close_child()
    container.streams.begin(stdio)
    container.tell_volumes("mount")
    container.ending = asyncio.create_task(container.daemon.containers.watch(container, container.handle))
