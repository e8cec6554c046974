import pytest

from voldemo.engine.builtin import shells
from voldemo.engine.builtin.dpkg import Packages
from voldemo.engine.builtin.plan import HARD_LINK, Plan

BUSYBOX = """#!/bin/sh
case $1 in
  --list) printf 'ls\\nsh\\nbusybox\\n../up\\n' ;;
  --help) echo "BusyBox v9.9 (Test)" ;;
esac
"""


@pytest.fixture
def plan(host):
    return Plan(host)


def add_busybox(root):
    (root / "usr/bin/busybox").write_text(BUSYBOX)
    (root / "usr/bin/busybox").chmod(0o755)


def everything(plan):
    return {path: item for layer in plan.layers for path, item in layer.items.items()}


def test_busybox_has_a_name_for_each_of_its_programs(plan, host, root):
    add_busybox(root)
    assert shells.busybox(plan, host) == "busybox 9.9"
    items = everything(plan)
    links = {path: item.target for path, item in items.items() if item.kind == HARD_LINK}
    assert links == {"/usr/bin/ls": "/usr/bin/busybox", "/usr/bin/sh": "/usr/bin/busybox"}
    assert items["/bin"].target == "usr/bin"  # as on its host: it is not a static one here
    assert "/usr/bin/bash" in items  # what it needs to run


def test_without_busybox_the_host_s_programs_stand_in(plan, host):
    assert "no busybox" in shells.busybox(plan, host)
    assert {"/usr/bin/sh", "/usr/bin/bash", "/usr/bin/awk", "/usr/bin/mawk"} <= set(everything(plan))


def test_debian_s_layers_say_what_is_in_them(plan, host):
    assert shells.debian(plan, host, Packages(host)) == "4 packages of Test 1"
    assert "bash 5.2.15, mawk 1.3.4" in plan.layers[1].instruction


def test_alternatives_of_what_is_in_a_layer_are_in_it_too(plan, host):
    shells.debian(plan, host, Packages(host))
    assert plan.layers[1].items["/usr/bin/awk"].target == "/usr/bin/mawk"


def test_accounts_are_the_image_s_own_not_the_host_s(plan, host, root):
    (root / "etc/passwd").write_text("learner:x:1000:1000::/home/learner:/bin/bash\n")
    shells.debian(plan, host, Packages(host))
    passwd = everything(plan)["/etc/passwd"].source
    assert b"learner" not in passwd
    assert b"\nnobody:x:65534:" in passwd
