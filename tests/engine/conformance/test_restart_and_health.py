"""Restart policies and health checks."""

import pytest

from engine.conformance.lab import FOREVER, sh, until

SECOND = 1_000_000_000


def attrs(container):
    container.reload()
    return container.attrs


def health(container):
    return attrs(container)["State"].get("Health", {}).get("Status")


def test_on_failure_tries_again_as_often_as_told(lab):
    container = lab.start("sh", "-c", "echo try; exit 1", restart_policy={"Name": "on-failure", "MaximumRetryCount": 2})
    until(lambda: attrs(container)["RestartCount"] == 2 and not attrs(container)["State"]["Running"])
    until(lambda: attrs(container)["State"]["Status"] == "exited")
    assert container.logs() == b"try\n" * 3


def test_on_failure_leaves_success_alone(lab):
    container = lab.start("true", restart_policy={"Name": "on-failure"})
    container.wait()
    assert (attrs(container)["RestartCount"], attrs(container)["State"]["Status"]) == (0, "exited")


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_always_starts_again(lab, policy):
    container = lab.start("sh", "-c", "echo up; test -e /f && sleep 1000; touch /f", restart_policy={"Name": policy})
    until(lambda: container.logs() == b"up\nup\n")
    assert attrs(container)["RestartCount"] == 1
    container.stop(timeout=0)
    assert attrs(container)["State"]["Status"] == "exited"


def test_kill_by_hand_is_not_started_again(lab):
    container = lab.start(restart_policy={"Name": "always"})
    container.kill()
    container.wait()
    assert attrs(container)["State"]["Status"] == "exited"


def test_a_volume_stays_with_a_restarting_container(lab):
    volume = lab.volume()
    script = "echo x >> /d/f; test $(wc -l < /d/f) -ge 3 && sleep 1000; exit 1"
    container = lab.start("sh", "-c", script, restart_policy={"Name": "always"}, volumes=[f"{volume.name}:/d"])
    until(lambda: attrs(container)["RestartCount"] == 2)
    container.kill()


def check(script, **options):
    return {"test": ["CMD-SHELL", script], "interval": SECOND // 10, "timeout": 2 * SECOND, "retries": 2} | options


def test_without_a_check_there_is_no_health(lab):
    assert "Health" not in attrs(lab.start())["State"]


def test_healthy(lab):
    container = lab.start(healthcheck=check("echo fine"))
    until(lambda: health(container) == "healthy")
    last = attrs(container)["State"]["Health"]["Log"][-1]
    assert (last["ExitCode"], last["Output"]) == (0, "fine\n")


def test_starting_until_the_first_check(lab):
    container = lab.start(healthcheck=check("true", interval=100 * SECOND))
    assert health(container) == "starting"


def test_unhealthy_after_so_many_failures(lab):
    container = lab.start(healthcheck=check("echo bad; exit 1"))
    until(lambda: health(container) == "unhealthy")
    state = attrs(container)["State"]["Health"]
    assert state["FailingStreak"] >= 2
    assert state["Log"][-1]["Output"] == "bad\n"


def test_healthy_again(lab):
    container = lab.start(healthcheck=check("test -e /f"))
    until(lambda: health(container) == "unhealthy")
    sh(container, "touch /f")
    until(lambda: health(container) == "healthy")


def test_failures_while_it_starts_do_not_count(lab):
    flags = ("--health-cmd=exit 1", "--health-start-period=100s", "--health-start-interval=100ms", "--health-retries=1")
    name = lab.name()
    lab.docker("run", "--detach", "--network=none", "--name", name, *flags, "busybox:1.37", *FOREVER)
    container = lab.client.containers.get(name)
    until(lambda: len(attrs(container)["State"]["Health"]["Log"]) >= 2)
    assert health(container) == "starting"


def test_a_check_that_takes_too_long(lab):
    container = lab.start(healthcheck=check("sleep 100", timeout=SECOND // 10, retries=1))
    until(lambda: health(container) == "unhealthy")
    last = attrs(container)["State"]["Health"]["Log"][-1]
    assert (last["ExitCode"], last["Output"]) == (-1, "Health check exceeded timeout (100ms)")


def test_an_image_brings_its_check(lab):
    image = lab.image('HEALTHCHECK --interval=100ms CMD ["true"]')
    container = lab.start(*FOREVER, image=image.id)
    until(lambda: health(container) == "healthy")


def test_a_container_can_turn_it_off(lab):
    image = lab.image('HEALTHCHECK --interval=100ms CMD ["true"]')
    assert health(lab.start(image=image.id, healthcheck={"test": ["NONE"]})) in (None, "none")


def test_ps_says_how_it_is(lab):
    container = lab.start(healthcheck=check("true"))
    until(lambda: health(container) == "healthy")
    assert lab.docker("ps", "--filter", f"id={container.id}", "--format", "{{.Status}}").endswith("(healthy)")
    (row,) = lab.client.api.containers(filters={"health": "healthy", "id": container.id})
    assert row["Id"] == container.id
