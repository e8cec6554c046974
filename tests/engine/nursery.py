"""Runs a command and ends when the last of its descendants has: none gets away, for orphans come back to it.

python nursery.py PID_FD READY_FD COMMAND…: the command's pid is told at PID_FD, READY_FD is only the command's.
"""

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36
WALL = 0x40000000


def main(tell: int, ready: int, *command: str) -> None:
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit("nursery: no subreaper here")
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        os.execvp(command[0], command)
    os.close(ready)
    os.write(tell, f"{pid}\n".encode())
    os.close(tell)
    await_all()


def await_all() -> None:
    try:
        while True:
            os.waitpid(-1, WALL)
    except ChildProcessError:
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
