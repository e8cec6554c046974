"""The root of a container: an upper tree over layers that nobody ever changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.runtime.boxed import Box
from voldemo.engine import nodes


@pytest.fixture
def box(tmp_path: Path) -> Box:
    tmp_path.chmod(0o755)
    return Box(tmp_path)


def test_files_of_all_layers_show_and_the_topmost_wins(box: Box) -> None:
    box.layer({"etc/a": "low", "etc/b": "low", "etc/d/x": "1"})
    box.layer({"etc/b": "high", "etc/d/y": "2"})
    assert box.sh("cat /etc/a /etc/b /etc/d/x /etc/d/y; ls /etc /etc/d") == "lowhigh12/etc:\na\nb\nd\n\n/etc/d:\nx\ny\n"


def test_a_whiteout_hides_a_name_of_the_layers_below(box: Box) -> None:
    box.layer({"etc/a": "low", "etc/b": "low", "d/x": "1"})
    box.layer({"etc/.wh.a": "", ".wh.d": ""})
    out = box.sh("cat /etc/a; ls -a /etc; ls /d; cat /etc/.wh.a")
    assert out.count("No such file") == 3
    assert "\nb\n" in out
    assert ".wh" not in out.replace("/etc/.wh.a", "")


def test_an_opaque_directory_hides_all_below(box: Box) -> None:
    box.layer({"d/x": "1", "d/sub/z": "1"})
    box.layer({"d/.wh..wh..opq": "", "d/y": "2"})
    assert box.sh("ls -a /d; cat /d/x /d/sub/z 2>/dev/null; echo $?") == ".\n..\ny\n1\n"


def test_writing_copies_up_and_the_layer_stays(box: Box) -> None:
    layer = box.layer({"etc/a": "low"})
    assert box.sh("echo more >> /etc/a; cat /etc/a") == "lowmore\n"
    assert (layer / "etc/a").read_text() == "low"
    assert box.sh("cat /etc/a") == "lowmore\n"


@pytest.mark.parametrize(
    "change",
    [
        "chmod 600 /etc/a",
        "chown 7:8 /etc/a",
        "touch -d @1 /etc/a",
        "truncate -s 1 /etc/a",
        "echo x > /etc/a",
        "ln /etc/a /b; echo x > /b",
    ],
)
def test_no_change_reaches_the_layer_once_listed(box: Box, change: str) -> None:
    layer = box.layer({"etc/a": "content"})
    before = ((layer / "etc/a").read_bytes(), (layer / "etc/a").stat()[:9], nodes.read(os.fsencode(layer / "etc/a")))
    box.sh(f"ls /etc > /dev/null; {change}")
    after = ((layer / "etc/a").read_bytes(), (layer / "etc/a").stat()[:9], nodes.read(os.fsencode(layer / "etc/a")))
    assert after[0] == before[0]
    assert after[2] == before[2]
    assert (after[1][0], after[1][6], after[1][8]) == (before[1][0], before[1][6], before[1][8])


def test_removed_stays_removed_and_can_come_back(box: Box) -> None:
    box.layer({"etc/a": "low", "etc/b": "low"})
    box.sh("rm /etc/a")
    assert box.sh("ls /etc; cat /etc/a 2>/dev/null; echo new > /etc/a; cat /etc/a") == "b\nnew\n"
    assert not list(box.upper.rglob(".wh*"))


def test_a_removed_directory_made_anew_is_empty(box: Box) -> None:
    box.layer({"d/x": "1", "d/s/y": "1"})
    assert box.sh("rm -r /d; mkdir /d; ls -a /d; mkdir /d/s; ls /d/s") == ".\n..\n"
    assert box.sh("ls -R /d") == "/d:\ns\n\n/d/s:\n"


def test_a_renamed_directory_takes_its_layers_along(box: Box) -> None:
    box.layer({"d/x": "1", "d/s/y": "2", "d/s/t/z": "3"})
    assert box.sh("mv /d /e && cat /e/x /e/s/y /e/s/t/z; ls /d 2>/dev/null; ls /e/s") == "123t\ny\n"
    assert box.sh("mkdir -p /d/s; ls /d /d/s; cat /e/s/t/z") == "/d:\ns\n\n/d/s:\n3"


def test_rmdir_of_a_directory_full_in_a_layer_only(box: Box) -> None:
    box.layer({"d/x": "1"})
    assert "Directory not empty" in box.sh("rmdir /d")


def test_links_and_modes_of_a_layer(box: Box) -> None:
    box.layer({"a": "1", "l": ">a", "d": None}, owners={"a": (7, 8, 0o640), "d": (9, 9, 0o2770)})
    assert box.sh("cat /l; stat -c '%u:%g %a %h' /a; stat -c '%u:%g %a' /d; ls / >/dev/null; stat -c '%h' /a") == (
        "17:8 640 1\n9:9 2770\n1\n"
    )


def test_looking_changes_no_time_of_a_directory(box: Box) -> None:
    layer = box.layer({"d/s/x": "1", "d/f": "1"})
    for path in (layer / "d/s", layer / "d"):
        os.utime(path, (1000, 1000))
    assert box.sh("stat -c %Y /d/s /d; ls /d /d/s > /dev/null; stat -c %Y /d/s /d; echo x >> /d/f; stat -c %Y /d") == (
        "1000\n1000\n1000\n1000\n1000\n"
    )


def test_a_cwd_and_its_inode_stay_when_a_directory_is_filled(box: Box) -> None:
    box.layer({"d/s/x": "1"})
    assert (
        box.sh("cd /d/s; a=$(stat -c %i .); ls > /dev/null; b=$(stat -c %i /d/s); [ $a = $b ] && echo same; cat x")
        == "same\n1"
    )


def test_mountpoints_are_made_and_mounts_nest(box: Box) -> None:
    box.layer({"var/run": ">/run", "run/x": "1"})
    outer, inner = box.mount("/data/deep"), box.mount("/data/deep/er")
    box.mount("/var/run/sock")
    assert (
        box.sh("echo 1 > /data/deep/a; echo 2 > /data/deep/er/b; cat /run/x; mountpoint /run/sock")
        == "1/run/sock is a mountpoint\n"
    )
    assert (outer / "a").read_text() == "1\n"
    assert (inner / "b").read_text() == "2\n"
    assert (box.upper / "run/sock").is_dir()


def test_a_name_for_the_engine_alone_cannot_be_made(box: Box) -> None:
    assert "Operation not permitted" in box.sh("touch /.wh.x")
    assert box.sh("mkdir /d; touch /d/.wh.x 2>/dev/null; ls -a /d") == ".\n..\n"


def test_a_layer_program_runs_and_is_not_linked_visibly(box: Box) -> None:
    tree = box.layer({"bin2/say": "#!/bin/sh\necho said $0 $1\n"}, owners={"bin2/say": (0, 0, 0o755)})
    assert box.sh("/bin2/say a; cd /bin2; ./say b; stat -c %h say") == "said /bin2/say a\nsaid ./say b\n1\n"
    assert (tree / "bin2/say").stat().st_nlink == 1
