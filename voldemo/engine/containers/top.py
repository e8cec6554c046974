"""`docker top`: the container's processes as `ps` would list them."""

from __future__ import annotations

import time
from typing import Any

from voldemo.engine.containers.container import Container
from voldemo.engine.containers.users import passwd
from voldemo.engine.errors import Failed
from voldemo.engine.runtime.launcher import ProcessRow

TITLES = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
COLUMNS = {
    "user": "USER",
    "uid": "UID",
    "pid": "PID",
    "ppid": "PPID",
    "tty": "TT",
    "time": "TIME",
    "cmd": "CMD",
    "args": "COMMAND",
    "command": "COMMAND",
    "comm": "COMMAND",
    "stime": "STIME",
    "c": "C",
}
AUX = ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"]


def columns(arguments: str) -> list[str]:
    """Names of what `ps_args` asks for: -ef, aux, or -o with a list."""
    words = arguments.split()
    if words[:1] == ["-o"] or words[:1] == ["-eo"]:
        names = [name for word in words[1:] for name in word.split(",") if name]
        for name in names:
            if name not in COLUMNS:
                raise Failed(f'ps: error: unknown user-defined format specifier "{name}"')
        if "pid" not in names:
            raise Failed("Couldn't find PID field in ps output")
        return [COLUMNS[name] for name in names]
    return AUX if words and "u" in words[0] and not words[0].startswith("-e") else TITLES


def clock_time(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def cells(row: ProcessRow, user: str, uid: int) -> dict[str, str]:
    started = time.strftime("%H:%M", time.localtime(row.started))
    ran = max(1.0, time.time() - row.started)
    share = row.cpu_seconds * 100 / ran
    return {
        "UID": user,
        "USER": user,
        "PID": str(row.pid),
        "PPID": str(row.ppid),
        "C": str(int(share)),
        "%CPU": f"{share:.1f}",
        "STIME": started,
        "START": started,
        "TTY": row.tty,
        "TT": row.tty,
        "TIME": clock_time(row.cpu_seconds),
        "CMD": row.command,
        "COMMAND": row.command,
    }


async def top(container: Container, arguments: str) -> dict[str, Any]:
    wanted = columns(arguments)
    handle = container.must_run()
    ids = await handle.users()
    names = {entry.uid: entry.name for entry in passwd(container.root(container.mounts))}
    names.setdefault(0, "root")
    rows = []
    for row in handle.processes():
        uid = ids.get(row.pid, (0, 0))[0]
        known = cells(row, names.get(uid, str(uid)), uid)
        rows.append([known.get(title, "-") for title in wanted])
    return {"Titles": wanted, "Processes": rows}
