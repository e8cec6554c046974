"""What keeps a container apart from its host and its neighbours, and how much of each it may use."""

import socket
import threading

import pytest
from docker.types import LogConfig, Ulimit

from engine.conformance.lab import DEBIAN, differs, sh, until

SHARED_NETWORK = "no network namespace without root: containers share the host's, each at an address of its own"
SHARED_PIDS = "no PID namespace without root: processes have the host's numbers"
NO_CGROUP = "no cgroups without root: only the memory limit is watched"
OTHER_ADDRESS = "127.0.0.9"  # of the host, as good as any; 127.0.0.1 is each container's own
NO_MOUNT = "no mount namespace without root: mounts are the engine's own, made when a container starts"


@pytest.fixture(scope="module")
def box(module_lab):
    return module_lab.start()


# processes


@differs("embedded", SHARED_PIDS)
def test_its_first_process_is_number_1(lab):
    assert lab.says("echo $$") == "1"


def test_it_sees_its_own_processes_only(box):
    assert int(sh(box, "ls -d /proc/[0-9]* | wc -l")) <= 4


def test_its_first_process_cannot_be_killed_from_within(box):
    assert sh(box, "kill -9 1; echo here") == "here"


def test_it_cannot_signal_a_process_of_another_container(lab, box):
    box.reload()
    assert "No such process" in lab.says(f"kill -0 {box.attrs['State']['Pid']}")


def test_system_v_memory_is_its_own(lab):
    first = lab.start(image=DEBIAN)
    assert sh(first, "perl -e 'print defined shmget(0x766f6c, 4096, 01666) ? 1 : 0'") == "1"
    assert sh(lab.start(image=DEBIAN), "perl -e 'print defined shmget(0x766f6c, 4096, 0666) ? 1 : 0'") == "0"


# the network


@differs("embedded", SHARED_NETWORK)
def test_without_a_network_it_reaches_nobody(lab):
    with socket.create_server((OTHER_ADDRESS, 0)) as server:
        threading.Thread(target=_answer, args=[server], daemon=True).start()
        port = server.getsockname()[1]
        assert lab.run(f"nc -w 1 {OTHER_ADDRESS} {port} < /dev/null").code != 0
        socket.create_connection((OTHER_ADDRESS, port)).close()


def _answer(server):
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


@differs("embedded", SHARED_NETWORK)
def test_without_a_network_it_has_one_interface(box):
    assert sh(box, "ls /sys/class/net") == "lo"


@differs("embedded", "the proxy in front of a container speaks TCP")
def test_a_udp_port_can_be_published(lab):
    lab.start(network_mode="bridge", ports={"5300/udp": ("127.0.0.1", None)})


# what a container may use


@differs("embedded", NO_CGROUP)
def test_a_limit_of_processes_holds(lab):
    script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 2 & done; wait"
    assert "can't fork" in lab.says(f"({script}) 2>&1 | head -n 1", pids_limit=5)


@differs("embedded", NO_CGROUP)
def test_a_limit_of_processor_time_holds(lab):
    slow, fast = (lab.start("sh", "-c", "while :; do :; done", nano_cpus=most) for most in (50_000_000, 0))
    until(lambda: _processor_time(fast) > 300_000_000)
    assert _processor_time(slow) < _processor_time(fast) / 2


def _processor_time(container):
    return container.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]


def test_a_limit_of_open_files_holds(lab):
    assert lab.says("ulimit -n", ulimits=[Ulimit(name="nofile", soft=100, hard=200)]) == "100"


def test_a_log_has_the_size_it_was_given(lab):
    config = LogConfig(type=LogConfig.types.JSON, config={"max-size": "10k", "max-file": "2"})
    container = lab.shell("seq 1 5000", log_config=config)
    assert 0 < len(container.logs()) < 15_000
    assert container.logs(tail=1) == b"5000\n"


# what its root may do


def test_its_root_may_not_mount(box):
    assert "permission denied" in sh(box, "mount -t tmpfs none /mnt").lower()


@differs("embedded", NO_MOUNT)
def test_privileged_it_may_mount(lab):
    assert lab.says("mkdir /m; mount -t tmpfs none /m && echo yes", privileged=True) == "yes"


@differs("embedded", "nobody but root makes device files")
def test_its_root_may_make_device_files(box):
    assert sh(box, "mknod /null c 1 3 && echo yes") == "yes"


@differs("embedded", "a second root in the container's own is not kept track of")
def test_its_root_may_change_its_root(box):
    assert sh(box, "chroot / /bin/busybox echo yes") == "yes"


def test_without_the_right_to_its_root_may_not_give_files_away(lab):
    assert "Operation not permitted" in lab.says("touch f; chown 7 f", cap_drop=["ALL"])


def test_without_the_right_to_its_root_minds_modes(lab):
    script = "touch f; chmod 0 f; cat f"
    assert lab.says(script, user="0") == ""
    assert "Permission denied" in lab.says(
        f"mkdir d; chown 7 d; chmod 700 d; ls d; {script}", cap_drop=["DAC_OVERRIDE"]
    )


def test_a_setuid_program_gains_nothing_when_told_so(lab):
    image = lab.image(script="cp /usr/bin/id /id; chmod 4755 /id", base=DEBIAN)
    assert lab.says("/id -u", image=image.id, user="7") == "0"
    assert lab.says("/id -u", image=image.id, user="7", security_opt=["no-new-privileges"]) == "7"
