"""A container's processes as the kernel shows them: who they are, and what they use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)
_PSEUDO_TERMINALS = range(136, 144)  # major numbers


class ProcessRow(NamedTuple):
    pid: int
    ppid: int
    uid: int
    started: float  # seconds since the epoch
    tty: str  # "pts/3", or "?"
    cpu_seconds: float
    command: str


class Usage(NamedTuple):
    pids: int = 0  # threads counted, as a pids cgroup does
    memory_bytes: int = 0
    cpu_ns: int = 0
    read_bytes: int = 0
    write_bytes: int = 0


class _Stat(NamedTuple):
    comm: str
    ppid: int
    tty: int
    ticks: int  # its own
    ticks_of_ended: int  # of the children it has waited for
    threads: int
    start: int


def children(pid: int) -> list[int]:
    try:
        return [int(child) for task in _tasks(pid) for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return _children_by_search(pid) if _exists(pid) else []
    except ProcessLookupError:
        return []


def descendants(pid: int) -> list[int]:
    """All below `pid`, parents first, without `pid` itself."""
    found = children(pid)
    for each in found:
        found.extend(child for child in children(each) if child not in found)
    return found


def rows(tracer: int) -> list[ProcessRow]:
    return [row for row in map(_row, descendants(tracer)) if row]


def usage(tracer: int) -> Usage:
    stats = {pid: stat for pid in descendants(tracer) if (stat := _stat(pid))}
    pids = list(stats)
    own = _stat(tracer)
    ended = sum(stat.ticks_of_ended for stat in (*stats.values(), *([own] if own else [])))
    moved = [_moved(pid) for pid in pids]
    return Usage(
        pids=sum(stat.threads for stat in stats.values()),
        memory_bytes=sum(map(proportional, pids)),
        cpu_ns=sum(map(_cpu_ns, pids)) + ended * 1_000_000_000 // _TICKS,
        read_bytes=sum(read for read, _ in moved),
        write_bytes=sum(written for _, written in moved),
    )


def resident(pid: int) -> int:
    """Bytes of memory, pages shared with others counted in full: cheap, never too little."""
    text = _read(pid, "statm")
    return int(text.split()[1]) * _PAGE if text else 0


def proportional(pid: int) -> int:
    """Bytes of memory, a page shared by n processes counted as 1/n."""
    try:
        for line in _read(pid, "smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except PermissionError:
        return resident(pid)
    return 0


def _tasks(pid: int) -> Iterator[Path]:
    return (_PROC / str(pid) / "task").iterdir()


def _exists(pid: int) -> bool:
    return (_PROC / str(pid)).exists()


def _children_by_search(parent: int) -> list[int]:
    """For a kernel built without the list of children."""
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return [pid for pid in pids if (stat := _stat(pid)) and stat.ppid == parent]


def _read(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text(errors="backslashreplace")
    except _GONE:
        return ""


def _stat(pid: int) -> _Stat | None:
    text = _read(pid, "stat")
    if not text:
        return None
    comm = text[text.index("(") + 1 : text.rindex(")")]
    field = text[text.rindex(")") + 2 :].split()  # from the third field on; a name may hold spaces and brackets
    return _Stat(
        comm=comm,
        ppid=int(field[1]),
        tty=int(field[4]),
        ticks=int(field[11]) + int(field[12]),
        ticks_of_ended=int(field[13]) + int(field[14]),
        threads=int(field[17]),
        start=int(field[19]),
    )


def _row(pid: int) -> ProcessRow | None:
    stat = _stat(pid)
    status = _read(pid, "status")
    if not stat or not status:
        return None
    uid = next(int(line.split()[2]) for line in status.splitlines() if line.startswith("Uid:"))
    command = _read(pid, "cmdline").rstrip("\0").replace("\0", " ") or f"[{stat.comm}]"
    return ProcessRow(pid, stat.ppid, uid, _boot() + stat.start / _TICKS, _tty(stat.tty), stat.ticks / _TICKS, command)


def _cpu_ns(pid: int) -> int:
    """Of all its threads; finer than the clock ticks of `stat`, by which a short process used nothing."""
    texts = (_read(pid, f"task/{thread.name}/schedstat") for thread in _threads(pid))
    return sum(int(text.split()[0]) for text in texts if text)


def _threads(pid: int) -> list[Path]:
    try:
        return list(_tasks(pid))
    except _GONE:
        return []


def _tty(device: int) -> str:
    major, minor = os.major(device), os.minor(device)
    if major not in _PSEUDO_TERMINALS:
        return "?"
    return f"pts/{(major - _PSEUDO_TERMINALS.start) * 256 + minor}"


def _boot() -> float:
    text = (_PROC / "stat").read_text()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("btime"))


def _moved(pid: int) -> tuple[int, int]:
    try:
        pairs = dict(line.split(": ") for line in _read(pid, "io").splitlines())
    except PermissionError:
        return 0, 0
    return int(pairs.get("read_bytes", 0)), int(pairs.get("write_bytes", 0))
