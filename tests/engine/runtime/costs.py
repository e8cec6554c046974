"""What a call costs in a container, against the same call outside. Run it: python tests/engine/runtime/costs.py"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.runtime.boxed import PYTHON, Box  # noqa: E402

WORK = r"""
import json, os, sys, time
where = sys.argv[1] if len(sys.argv) > 1 else "/data"
os.makedirs(where + "/a/b/c/d", exist_ok=True)
open(where + "/f", "w").close()
open(where + "/a/b/c/d/f", "w").close()
def each(count, work):
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            work()
        rounds.append((time.perf_counter() - start) / count * 1e6)
    return round(sorted(rounds)[2], 1)
def missing():
    try: os.stat(where + "/none")
    except OSError: pass
def opened():
    os.close(os.open(where + "/f", os.O_RDONLY))
def forked():
    pid = os.fork()
    if not pid: os._exit(0)
    os.waitpid(pid, 0)
def run():
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
def created():
    os.close(os.open(where + "/n", os.O_CREAT | os.O_WRONLY)); os.unlink(where + "/n")
def made():
    os.mkdir(where + "/m"); os.rmdir(where + "/m")
for i in range(3000):
    if i % 100 == 0: os.makedirs(f"{where}/many/{i // 100}", exist_ok=True)
    open(f"{where}/many/{i // 100}/{i}", "w").close()
def found():
    os.waitpid(os.posix_spawn("/usr/bin/find", ["find", where + "/many", "-size", "+1000"], {}), 0)
fd = os.open(where + "/f", os.O_RDONLY)
print(json.dumps({
    "stat": each(3000, lambda: os.stat(where + "/f")),
    "stat deep": each(3000, lambda: os.stat(where + "/a/b/c/d/f")),
    "stat missing": each(3000, missing),
    "fstat": each(3000, lambda: os.fstat(fd)),
    "access": each(3000, lambda: os.access(where + "/f", os.R_OK)),
    "open+close": each(2000, opened),
    "create+unlink": each(1000, created),
    "mkdir+rmdir": each(1000, made),
    "chmod": each(1000, lambda: os.chmod(where + "/f", 0o644)),
    "getppid": each(20000, os.getppid),
    "fork+exit": each(100, forked),
    "spawn true": each(60, run),
    "find+stat 3000": each(2, found),
}))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "native").mkdir()
        native = subprocess.run(
            [PYTHON, "-IS", "-c", WORK, str(folder / "native")], capture_output=True, text=True, check=True
        )
        outside = json.loads(native.stdout)
        box = Box(folder)
        box.mount("/data")
        on_volume = json.loads(box.python(WORK))
        box.more = {}
        on_root = json.loads(box.run(PYTHON, "-IS", "-c", WORK, "/root-tree").out)
    print(f"{'microseconds':16}{'native':>10}{'volume':>10}{'root':>10}")
    for what, cost in outside.items():
        print(f"{what:16}{cost:10.1f}{on_volume[what]:10.1f}{on_root[what]:10.1f}")


if __name__ == "__main__":
    main()
