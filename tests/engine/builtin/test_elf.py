import subprocess
import sys

from voldemo.engine.builtin.elf import Libraries, needs
from voldemo.engine.builtin.host import Host


def test_the_libraries_are_those_that_ldd_lists():
    host = Host()
    python = host.follow(sys.executable)
    listed = subprocess.run(["ldd", python], capture_output=True, text=True, check=True).stdout
    wanted = {host.follow(word) for word in listed.split() if word.startswith("/")}
    assert {host.follow(path) for path in Libraries(host).of(python)} >= wanted


def test_a_script_needs_its_interpreter(host, root):
    (root / "usr/bin/script").write_text("#!/bin/bash -e\n")
    assert list(Libraries(host).of("/usr/bin/script")) == ["/bin/bash"]


def test_what_is_no_program_needs_nothing():
    assert needs(b"text") is None
    assert needs(b"\x7fELF\x02\x01" + bytes(10)) is None
    assert needs(b"\x7fELF\x02\x01" + b"\xff" * 100) is None


def test_each_file_is_named_once():
    libraries = Libraries(Host())
    shell = Host().which("sh")
    first = list(libraries.of(shell))
    assert first
    assert list(libraries.of(shell)) == []
