"""What a container's root is left of root's rights, and what its processes may use: CapAdd, CapDrop, SecurityOpt,
Ulimits."""

from __future__ import annotations

import resource
from typing import Any

from voldemo.engine import fields
from voldemo.engine.errors import BadParameter
from voldemo.engine.runtime.spec import DOCKER_CAPABILITIES, Limit

NAMES_TEXT = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
BITS = {name: 1 << number for number, name in enumerate(NAMES_TEXT.split())}
EVERYTHING = sum(BITS.values())
NO_NEW_PRIVILEGES = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")
LIMITS_TEXT = "core cpu data fsize memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
LIMITS = LIMITS_TEXT.split()
SHARED = "nproc"  # counted over all processes of one user of the host: ours is shared with everything else


def check(host: dict[str, Any]) -> None:
    for key in ("CapAdd", "CapDrop"):
        bits(fields.texts(host, key) or [], key)
    fields.texts(host, "SecurityOpt")
    ulimits(host)


def bits(names: list[str], key: str) -> int:
    found = 0
    for name in names:
        known = name.upper().removeprefix("CAP_")
        if known != "ALL" and known not in BITS:
            raise BadParameter(f'invalid {key}: unknown capability: "CAP_{known}"')
        found |= EVERYTHING if known == "ALL" else BITS[known]
    return found


def capabilities(host: dict[str, Any]) -> int:
    """Docker's rule: ALL counts first, and what is named stands against it."""
    if host["Privileged"]:
        return EVERYTHING
    added, dropped = bits(host["CapAdd"] or [], "CapAdd"), bits(host["CapDrop"] or [], "CapDrop")
    if added == EVERYTHING:
        return EVERYTHING & ~dropped
    if dropped == EVERYTHING:
        return added
    return DOCKER_CAPABILITIES & ~dropped | added


def no_new_privileges(host: dict[str, Any]) -> bool:
    return any(option in NO_NEW_PRIVILEGES for option in host["SecurityOpt"] or [])


def ulimits(host: dict[str, Any]) -> tuple[Limit, ...]:
    return tuple(limit for limit in map(ulimit, host.get("Ulimits") or []) if limit.name != SHARED)


def ulimit(entry: Any) -> Limit:
    if not isinstance(entry, dict):
        raise fields.refuse(entry, "Ulimits", "units.Ulimit")
    name, soft, hard = fields.text(entry, "Name"), fields.integer(entry, "Soft"), fields.integer(entry, "Hard")
    if name not in LIMITS:
        raise BadParameter(f"invalid ulimit type: {name}")
    if -1 < hard < soft or soft < 0 <= hard:
        raise BadParameter(f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}")
    return Limit(name, *(resource.RLIM_INFINITY if each < 0 else each for each in (soft, hard)))
