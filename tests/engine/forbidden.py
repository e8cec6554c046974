"""A command in a process that may not do some system calls, as where a container runtime or an administrator says no.

python forbidden.py CALL:ERROR… -- COMMAND…, in numbers.
"""

import ctypes
import os
import sys
from struct import pack

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x50000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
FILTER = 2


def forbid(calls: dict[int, int]) -> None:
    steps = [(LOAD, 0, 0, 0)]
    for number, error in calls.items():
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE | error)]
    steps.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    prctl = ctypes.PyDLL(None).prctl
    assert prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert prctl(PR_SET_SECCOMP, FILTER, program, 0, 0) == 0


def command(calls: dict[int, int], *words: object) -> list[str]:
    return [sys.executable, __file__, *(f"{call}:{error}" for call, error in calls.items()), "--", *map(str, words)]


if __name__ == "__main__":
    end = sys.argv.index("--")
    forbid(dict(tuple(map(int, word.split(":"))) for word in sys.argv[1:end]))
    os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])
