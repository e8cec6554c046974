import ctypes
import errno
import os
import platform
import subprocess
import sys
from struct import pack

import pytest

from voldemo.engine.runtime import prctl, probe
from voldemo.engine.runtime.probe import Refused

PTRACE = 101


def test_this_machine_will_do(tmp_path):
    probe.machine()
    probe.folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_tracing_is_tried_for_real():
    assert in_a_process("pass") == ""


def test_tracing_that_is_filtered_out():
    answer = in_a_process("forbid_ptrace()")
    assert answer.startswith("this machine lets no program trace another (ptrace: Operation not permitted)")
    assert answer.endswith("or use Docker or Podman instead")


def test_tracing_that_changes_nothing():
    assert "do not come through" in in_a_process("probe.ptrace.set_registers = lambda pid: None")


def in_a_process(before: str) -> str:
    code = f"from {__name__} import *; {before}; print(probe.tracing())"
    path = os.pathsep.join(each for each in sys.path if each)
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True, timeout=10
    ).stdout.strip()


def forbid_ptrace() -> None:
    """As an old container runtime does."""
    steps = ((0x20, 0, 0, 0), (0x15, 0, 1, PTRACE), (0x06, 0, 0, 0x50000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(pack("HBBI", *step) for step in steps))
    prctl.no_new_privileges()
    program = ctypes.create_string_buffer(pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    assert ctypes.PyDLL(None).prctl(22, 2, program, 0, 0) == 0


def test_yama_is_named(monkeypatch, tmp_path):
    scope = tmp_path / "ptrace_scope"
    scope.write_text("3\n")
    monkeypatch.setattr(probe, "_YAMA", scope)
    assert "kernel.yama.ptrace_scope" in probe._refusal("Operation not permitted")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EOPNOTSUPP, "keeps no extended attributes for users"), (errno.ENOSPC, "No space left on device")],
)
def test_a_folder_without_attributes(monkeypatch, tmp_path, number, words):
    def setxattr(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "setxattr", setxattr)
    with pytest.raises(Refused, match=words):
        probe.folder(tmp_path)


def test_a_folder_nothing_may_run_from(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Refused, match="noexec"):
        probe.folder(tmp_path)


@pytest.mark.parametrize(("machine", "release"), [("aarch64", "6.1.0"), ("x86_64", "3.10.0-1160.el7")])
def test_a_machine_that_will_not_do(monkeypatch, machine, release):
    there = os.uname_result(("Linux", "host", release, "#1", machine))
    monkeypatch.setattr(os, "uname", lambda: there)
    with pytest.raises(Refused, match="use Docker or Podman"):
        probe.machine()
    assert platform.system() == "Linux"
