"""What travels from the engine to the runtime: all a container is, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

DOCKER_CAPABILITIES = 0x00000000A80425FB  # what Docker leaves to root in a container
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Mount:
    target: str  # absolute and normalised, in the container
    source: str  # a directory or file of the host
    kind: str  # volume, bind, tmpfs, image
    read_only: bool = False
    size: int = 0  # bytes a tmpfs may hold; 0: no limit
    no_exec: bool = False
    within: str = ""  # the source has to be in there, whatever links say when it is mounted; "": no matter
    label: str = ""  # what `mount` and `df` show as its device, when not the usual for its kind


@dataclass(frozen=True)
class User:
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """A process to start: a container's first, or one that `exec` adds."""

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()  # NAME=value, complete: nothing is inherited
    cwd: str = "/"
    user: User = User()
    tty: bool = False


@dataclass(frozen=True)
class Limit:
    """A ulimit."""

    name: str  # as in RLIMIT_NAME, small
    soft: int
    hard: int


@dataclass(frozen=True)
class Spec:
    id: str
    program: Program
    upper: str  # the container's own tree: what it changed, and what it has looked at
    layers: tuple[str, ...] = ()  # the image's, topmost first; never written
    mounts: tuple[Mount, ...] = ()
    read_only: bool = False
    hostname: str = ""
    address: str = ""  # its own loopback address (127.x.y.z): what binding to "any" means for it; "": the host's
    memory: int = 0  # bytes; 0: no limit
    init: bool = False  # as `--init`: its first process has no protection from signals
    umask: int = 0o022
    capabilities: int = DOCKER_CAPABILITIES  # what its root may do, as a mask
    no_new_privileges: bool = False
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True)
class Exit:
    code: int  # as a shell sees it: 137 for SIGKILL
    oom_killed: bool = False


class ExecFailed(Exception):
    """The program could not be started; nothing of it runs. The text for a reader is the caller's to make."""

    def __init__(self, errno: int, what: str) -> None:
        super().__init__(errno, what)
        self.errno = errno
        self.what = what
