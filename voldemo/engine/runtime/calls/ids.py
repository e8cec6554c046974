"""Who a process is: user, group, capabilities. All of it is what the container believes, none of it the kernel's."""

from __future__ import annotations

import errno
from collections.abc import Callable
from struct import pack, unpack

from voldemo.engine.runtime import memory
from voldemo.engine.runtime.calls import EPERM, call
from voldemo.engine.runtime.credentials import Credential, Ids
from voldemo.engine.runtime.descriptors import signed
from voldemo.engine.runtime.raw import fail
from voldemo.engine.runtime.task import Task

SAME = 0xFFFFFFFF
PR_SET_DUMPABLE, PR_GET_KEEPCAPS, PR_SET_KEEPCAPS = 4, 7, 8
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_GET_SECUREBITS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 23, 24, 27, 28, 47
_LAST_CAPABILITY = 40
CAPABILITY_VERSION = 0x20080522
MOST_GROUPS = 65536
CAP_SETGID, CAP_SETUID = 6, 7

Change = Callable[[Ids, tuple[int, int, int], bool], Ids]


def _set(old: Ids, wanted: tuple[int, int, int], root: bool) -> Ids:
    number = wanted[0]
    if number == SAME:
        raise fail(errno.EINVAL)
    if root:
        return Ids.all(number)
    if number not in (old.real, old.saved):
        raise fail(errno.EPERM)
    return Ids(old.real, number, old.saved, number)


def _set_res(old: Ids, wanted: tuple[int, int, int], root: bool) -> Ids:
    values = [was if new == SAME else new for was, new in zip(old, wanted, strict=False)]
    if not root and any(value not in old[:3] for value in values):
        raise fail(errno.EPERM)
    return Ids(*values, values[1])


def _set_re(old: Ids, wanted: tuple[int, int, int], root: bool) -> Ids:
    real = old.real if wanted[0] == SAME else wanted[0]
    effective = old.effective if wanted[1] == SAME else wanted[1]
    if not root and (real not in old[:2] or effective not in old[:3]):
        raise fail(errno.EPERM)
    new_saved = wanted[0] != SAME or (wanted[1] != SAME and effective != old.real)
    return Ids(real, effective, effective if new_saved else old.saved, effective)


def _has(task: Task, capability: int) -> bool:
    return bool(task.capabilities[0] >> capability & 1)


def _change_uids(task: Task, change: Change, wanted: tuple[int, int, int]) -> int:
    old = task.credential
    uids = change(old.uids, wanted, _has(task, CAP_SETUID))
    task.credential = Credential.of(uids, old.gids, old.groups)
    _capabilities_after(task, old.uids, uids)
    return 0


def _capabilities_after(task: Task, old: Ids, new: Ids) -> None:
    effective, permitted, inheritable = task.capabilities
    if 0 in old[:3] and 0 not in new[:3] and not task.keep_capabilities:
        permitted = 0
    if old.effective == 0 and new.effective != 0:
        effective = 0
    elif old.effective != 0 and new.effective == 0:
        effective = permitted = Credential.bounding
    task.capabilities = (effective & permitted, permitted, inheritable)


def _change_gids(task: Task, change: Change, wanted: tuple[int, int, int]) -> int:
    old = task.credential
    task.credential = Credential.of(old.uids, change(old.gids, wanted, _has(task, CAP_SETGID)), old.groups)
    return 0


def _three(*values: int) -> tuple[int, int, int]:
    first, second, third = (value & SAME for value in values)
    return first, second, third


for _name, _how in (("setuid", _set), ("setreuid", _set_re), ("setresuid", _set_res)):

    def _uids(task: Task, a: int, b: int, c: int, *_: int, how: Change = _how) -> int:
        return _change_uids(task, how, _three(a, b, c))

    call(_name)(_uids)

for _name, _how in (("setgid", _set), ("setregid", _set_re), ("setresgid", _set_res)):

    def _gids(task: Task, a: int, b: int, c: int, *_: int, how: Change = _how) -> int:
        return _change_gids(task, how, _three(a, b, c))

    call(_name)(_gids)


@call("setfsuid")
def setfsuid(task: Task, uid: int, *_: int) -> int:
    old, uid = task.credential, uid & SAME
    if uid != SAME and (_has(task, CAP_SETUID) or uid in old.uids):
        task.credential = Credential.of(old.uids._replace(file=uid), old.gids, old.groups)
    return old.uids.file


@call("setfsgid")
def setfsgid(task: Task, gid: int, *_: int) -> int:
    old, gid = task.credential, gid & SAME
    if gid != SAME and (_has(task, CAP_SETGID) or gid in old.gids):
        task.credential = Credential.of(old.uids, old.gids._replace(file=gid), old.groups)
    return old.gids.file


@call("getuid")
def getuid(task: Task, *_: int) -> int:
    return task.credential.uids.real


@call("geteuid")
def geteuid(task: Task, *_: int) -> int:
    return task.credential.uids.effective


@call("getgid")
def getgid(task: Task, *_: int) -> int:
    return task.credential.gids.real


@call("getegid")
def getegid(task: Task, *_: int) -> int:
    return task.credential.gids.effective


def _tell(task: Task, ids: Ids, addresses: tuple[int, int, int]) -> int:
    for address, value in zip(addresses, ids, strict=False):
        memory.write(task, address, pack("<I", value))
    return 0


@call("getresuid")
def getresuid(task: Task, a: int, b: int, c: int, *_: int) -> int:
    return _tell(task, task.credential.uids, (a, b, c))


@call("getresgid")
def getresgid(task: Task, a: int, b: int, c: int, *_: int) -> int:
    return _tell(task, task.credential.gids, (a, b, c))


@call("getgroups")
def getgroups(task: Task, size: int, address: int, *_: int) -> int:
    groups = task.credential.groups
    size = signed(size)
    if size < 0 or 0 < size < len(groups):
        return -errno.EINVAL
    if size and groups:
        memory.write(task, address, pack(f"<{len(groups)}I", *groups))
    return len(groups)


@call("setgroups")
def setgroups(task: Task, size: int, address: int, *_: int) -> int:
    old = task.credential
    size = signed(size)
    if not _has(task, CAP_SETGID):
        return EPERM
    if not 0 <= size <= MOST_GROUPS:
        return -errno.EINVAL
    groups = unpack(f"<{size}I", memory.read(task, address, 4 * size)) if size else ()
    task.credential = Credential.of(old.uids, old.gids, groups)
    return 0


# -- capabilities


@call("capget")
def capget(task: Task, header: int, data: int, *_: int) -> int:
    version, pid = unpack("<Ii", memory.read(task, header, 8))
    if version not in (CAPABILITY_VERSION, 0x20071026):
        memory.write(task, header, pack("<I", CAPABILITY_VERSION))
        return 0 if not data else -errno.EINVAL
    other = task.world.tasks.get(pid, task) if pid else task
    if data:
        low = [value & SAME for value in other.capabilities]
        high = [value >> 32 for value in other.capabilities]
        memory.write(task, data, pack("<6I", *low, *high))
    return 0


@call("capset")
def capset(task: Task, header: int, data: int, *_: int) -> int:
    version, pid = unpack("<Ii", memory.read(task, header, 8))
    if version not in (CAPABILITY_VERSION, 0x20071026):
        return -errno.EINVAL
    if pid not in (0, task.pid):
        return EPERM
    values = unpack("<6I", memory.read(task, data, 24))
    effective, permitted, inheritable = (values[index] | values[index + 3] << 32 for index in range(3))
    if permitted & ~task.capabilities[1] or effective & ~permitted:
        return EPERM
    task.capabilities = (effective, permitted, inheritable)
    return 0


def _bounding(option: int, number: int) -> int:
    if number > _LAST_CAPABILITY:
        return -errno.EINVAL
    return Credential.bounding >> number & 1 if option == PR_CAPBSET_READ else 0


@call("prctl")
def prctl(task: Task, option: int, value: int, *_: int) -> int:
    """Only what the filter stops for. Not dumpable would close its memory to the tracer, so it is believed."""
    option &= SAME
    if option in (PR_CAPBSET_READ, PR_CAPBSET_DROP):
        return _bounding(option, value)
    if option == PR_SET_KEEPCAPS:
        task.keep_capabilities = bool(value)
    elif option == PR_GET_KEEPCAPS:
        return int(task.keep_capabilities)
    return 0
