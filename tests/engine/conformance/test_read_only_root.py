"""A container whose own files cannot change, and the places that still can."""

import pytest
from docker.types import Mount

from engine.conformance.lab import sh


@pytest.fixture(scope="module")
def box(module_lab):
    volume = f"{module_lab.volume().name}:/d"
    return module_lab.start(read_only=True, volumes=[volume], tmpfs={"/t": "size=1m,mode=1777"})


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("touch /f", "touch: /f: Read-only file system"),
        ("mkdir /f", "mkdir: can't create directory '/f': Read-only file system"),
        ("echo x > /etc/passwd", "sh: can't create /etc/passwd: Read-only file system"),
        ("rm /etc/passwd", "rm: can't remove '/etc/passwd': Read-only file system"),
        ("chmod 600 /etc/passwd", "chmod: /etc/passwd: Read-only file system"),
        ("chown 1 /etc/passwd", "chown: /etc/passwd: Read-only file system"),
        ("mv /etc/passwd /etc/p", "mv: can't rename '/etc/passwd': Read-only file system"),
        ("ln -s x /f", "ln: /f: Read-only file system"),
    ],
)
def test_the_root_refuses(box, script, said):
    assert sh(box, script) == said


def test_it_can_still_be_read(box):
    assert sh(box, "head -n 1 /etc/passwd").startswith("root:x:0:0:")


def test_volumes_can_be_written(box):
    assert sh(box, "echo x > /d/f && cat /d/f") == "x"


def test_a_tmpfs_can_be_written(box):
    assert sh(box, "echo x > /t/f && cat /t/f; rm /t/f") == "x"


def test_devices_can_be_written(box):
    assert sh(box, "echo x > /dev/null && echo fine") == "fine"


def test_nothing_of_it_shows_as_changed(lab):
    container = lab.shell("touch /f", read_only=True)
    assert container.logs() == b"touch: /f: Read-only file system\n"
    assert not container.diff()


def test_a_tmpfs_is_full_at_its_size(box):
    said = sh(box, "dd if=/dev/zero of=/t/f bs=3000; wc -c < /t/f; rm /t/f").splitlines()
    assert said[0] == "dd: error writing '/t/f': No space left on device"
    assert said[-1] == "1048576"


def test_a_full_tmpfs_takes_more_once_something_is_gone(box):
    script = "cd /t; head -c 1048576 /dev/zero > a; echo x > b; rm a; echo y > b && cat b; rm b"
    assert sh(box, script).splitlines() == ["sh: write error: No space left on device", "y"]


def test_a_file_that_is_removed_takes_room_until_it_is_closed(box):
    fill = "dd if=/dev/zero bs=4096 of={0} 2> /dev/null; wc -c < {0}; rm {0}"
    script = f"cd /t; exec 3> a; head -c 524288 /dev/zero >&3; rm a; {fill.format('b')}; exec 3>&-; {fill.format('c')}"
    assert sh(box, script).split() == ["524288", "1048576"]


def test_df_knows_a_tmpfs_and_its_size(box):
    assert sh(box, "df -k /t | tail -n 1").split() == ["tmpfs", "1024", "0", "1024", "0%", "/t"]


def test_a_tmpfs_has_the_mode_it_was_given(box):
    assert sh(box, "stat -c %a /t") == "1777"


def test_a_tmpfs_by_mount(lab):
    mount = Mount("/t", None, type="tmpfs", tmpfs_size=65536, tmpfs_mode=0o700)
    said = lab.says("stat -c %a /t; head -c 100000 /dev/zero > /t/f; wc -c < /t/f", mounts=[mount])
    assert (said.splitlines()[0], said.splitlines()[-1]) == ("700", "65536")


def test_a_tmpfs_does_not_run_programs(lab):
    said = lab.says("cp /bin/busybox /t/echo; /t/echo x", tmpfs={"/t": ""})
    assert said == "sh: /t/echo: Permission denied"


def test_a_tmpfs_may_run_programs_when_told(lab):
    assert lab.says("cp /bin/busybox /t/echo; /t/echo x", tmpfs={"/t": "exec"}) == "x"


def test_a_tmpfs_is_empty_after_a_restart(lab):
    container = lab.start("sh", "-c", "ls -A /t; touch /t/f", tmpfs={"/t": ""})
    container.wait()
    container.start()
    container.wait()
    assert container.logs() == b""
