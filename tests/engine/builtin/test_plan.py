import os

import pytest

from voldemo.engine.builtin.plan import HARD_LINK, Plan


@pytest.fixture
def plan(host):
    plan = Plan(host)
    plan.layer("first")
    return plan


def items(plan):
    return plan.layers[-1].items


def test_files_come_with_their_directories(plan):
    plan.copy(["/bin/bash"])
    assert sorted(items(plan)) == ["/usr", "/usr/bin", "/usr/bin/bash"]


def test_documentation_is_left_out(plan):
    plan.copy(["/usr/share/doc/bash/README"])
    assert not items(plan)


def test_what_not_everybody_may_read_is_left_out(plan):
    plan.copy(["/etc/secret"])
    assert "/etc/secret" not in items(plan)


@pytest.mark.parametrize("path", ["/root/x", "/home/me/.ssh/id", "/tmp/x", "/var/lib/x", "/proc/self", "/dev/null"])
def test_people_s_own_places_are_left_out(plan, root, path):
    (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
    (root / path[1:]).write_text("mine")
    plan.copy([path])
    assert not items(plan)


def test_pipes_are_left_out(plan, root):
    os.mkfifo(root / "usr/pipe")
    plan.copy(["/usr/pipe"])
    assert not items(plan)


def test_an_alternative_becomes_what_was_chosen(plan):
    plan.copy(["/usr/bin/awk"])
    assert items(plan)["/usr/bin/awk"].target == "/usr/bin/mawk"


def test_other_links_stay_as_they_are(plan):
    plan.copy(["/usr/bin/sh"])
    assert items(plan)["/usr/bin/sh"].target == "bash"


def test_two_names_of_a_file_are_one(plan):
    plan.copy(["/usr/bin/tool", "/usr/bin/tool-too"])
    link = items(plan)["/usr/bin/tool-too"]
    assert (link.kind, link.target) == (HARD_LINK, "/usr/bin/tool")


def test_a_link_never_leads_into_another_layer(plan):
    plan.copy(["/usr/bin/tool"])
    plan.layer("second")
    plan.copy(["/usr/bin/tool-too"])
    assert items(plan)["/usr/bin/tool-too"].kind == "file"


def test_a_later_layer_has_only_what_is_new(plan):
    plan.copy(["/usr/bin/tool"])
    plan.layer("second")
    plan.copy(["/usr/bin/tool", "/usr/bin/mawk"])
    assert list(items(plan)) == ["/usr/bin/mawk"]


def test_directories_take_the_date_of_the_newest_file(plan, root):
    plan.copy(["/usr/bin/bash"])
    os.utime(root / "usr/bin", (5, 5))  # as when another package is installed
    (layer,) = plan.dated()
    assert layer.items["/usr/bin"].mtime == layer.date == layer.items["/usr/bin/bash"].mtime


def test_owners_are_the_system_s(plan, root):
    if os.geteuid() == 0:
        os.chown(root / "usr/bin/bash", 1234, 5)
    plan.copy(["/usr/bin/bash"])
    item = items(plan)["/usr/bin/bash"]
    assert item.uid == 0
    assert item.gid == (5 if os.geteuid() == 0 else 0)
