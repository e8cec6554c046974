"""Who may do what: owners are numbers, and a volume keeps them."""

import pytest

from engine.conformance.lab import DEBIAN, sh


@pytest.fixture(scope="module")
def box(module_lab):
    """A running container with a volume at /d, in which each test has a folder of its own."""
    return module_lab.start(volumes=[f"{module_lab.volume().name}:/d"])


@pytest.fixture
def folder(box, request):
    folder = f"/d/{request.node.name.replace('[', '-').rstrip(']')}"
    sh(box, f"mkdir {folder}")
    return folder


def test_a_new_volume_belongs_to_root(lab):
    assert lab.says("stat -c '%u:%g %a' /d", volumes=[f"{lab.volume().name}:/d"]) == "0:0 755"


def test_another_user_cannot_write_into_a_new_volume(lab):
    said = lab.run("touch /d/f; ls -A /d", user="1001", volumes=[f"{lab.volume().name}:/d"])
    assert said.said == "touch: /d/f: Permission denied\n"


def test_chown_lets_another_user_write(lab):
    volume = f"{lab.volume().name}:/d"
    lab.run("chown 1001 /d", volumes=[volume])
    assert lab.says("touch /d/f && stat -c %u:%g /d/f", user="1001:50", volumes=[volume]) == "1001:50"


def test_owners_outlive_containers(lab):
    volume = f"{lab.volume().name}:/d"
    lab.run("touch /d/f; chown 1234:5678 /d/f", volumes=[volume])
    assert lab.says("stat -c %u:%g /d/f", volumes=[volume]) == "1234:5678"


def test_files_of_the_container_itself_keep_owners(box):
    assert sh(box, "touch /own; chown 7:8 /own; stat -c %u:%g /own") == "7:8"


@pytest.mark.parametrize(
    ("mode", "may_read", "may_write"),
    [("600", False, False), ("644", True, False), ("666", True, True), ("622", False, True)],
)
def test_others_may_do_what_the_mode_says(box, folder, mode, may_read, may_write):
    sh(box, f"echo x > {folder}/f; chmod {mode} {folder}/f")
    said = sh(box, f"cat {folder}/f; echo y >> {folder}/f", user="1001").splitlines()
    assert ("x" in said) is may_read
    assert (f"sh: can't create {folder}/f: Permission denied" in said) is not may_write


def test_the_group_may_do_what_the_mode_says(box, folder):
    sh(box, f"echo x > {folder}/f; chmod 640 {folder}/f; chgrp 50 {folder}/f")
    assert sh(box, f"cat {folder}/f", user="1001:50") == "x"
    assert sh(box, f"cat {folder}/f", user="1001:51") == f"cat: can't open '{folder}/f': Permission denied"


def test_the_owner_is_judged_as_owner_even_when_others_may_more(box, folder):
    sh(box, f"echo x > {folder}/f; chown 1001 {folder}/f; chmod 044 {folder}/f")
    assert "Permission denied" in sh(box, f"cat {folder}/f", user="1001")
    assert sh(box, f"cat {folder}/f", user="1002") == "x"


def test_root_may_do_everything(box, folder):
    sh(box, f"echo x > {folder}/f; chown 1001 {folder}/f; chmod 000 {folder}/f")
    assert sh(box, f"cat {folder}/f; echo y >> {folder}/f; stat -c '%u %a' {folder}/f").splitlines() == ["x", "1001 0"]


def test_a_closed_folder_hides_what_is_in_it(box, folder):
    sh(box, f"mkdir -m 700 {folder}/closed; touch {folder}/closed/f")
    said = sh(box, f"ls {folder}/closed; cat {folder}/closed/f", user="1001")
    assert said.count("Permission denied") == 2


def test_a_folder_may_be_entered_but_not_listed(box, folder):
    sh(box, f"mkdir -m 711 {folder}/dim; echo x > {folder}/dim/f")
    said = sh(box, f"cat {folder}/dim/f; ls {folder}/dim", user="1001").splitlines()
    assert said == ["x", f"ls: can't open '{folder}/dim': Permission denied"]


def test_in_a_sticky_folder_only_the_owner_removes(box, folder):
    sh(box, f"mkdir -m 1777 {folder}/tmp")
    sh(box, f"touch {folder}/tmp/f", user="1001")
    assert sh(box, f"rm -f {folder}/tmp/f", user="1002").endswith("Operation not permitted")
    assert sh(box, f"rm -f {folder}/tmp/f", user="1001") == ""


def test_only_root_gives_files_away(box, folder):
    sh(box, f"chmod 777 {folder}")
    said = sh(box, f"touch {folder}/f; chown 1002 {folder}/f", user="1001")
    assert said == f"chown: {folder}/f: Operation not permitted"


def test_only_the_owner_changes_the_mode(box, folder):
    sh(box, f"touch {folder}/f")
    assert sh(box, f"chmod 777 {folder}/f", user="1001") == f"chmod: {folder}/f: Operation not permitted"


def test_the_umask_counts(box, folder):
    said = sh(box, f"cd {folder}; touch a; umask 077; touch b; mkdir c; stat -c %a a b c")
    assert said.split() == ["644", "600", "700"]


def test_a_group_folder_hands_its_group_on(box, folder):
    sh(box, f"chgrp 50 {folder}; chmod 2777 {folder}")
    said = sh(box, f"cd {folder}; touch f; mkdir d; stat -c '%g %a' f d", user="1001:1001")
    assert said.splitlines() == ["50 644", "50 2755"]


def test_set_uid_bits_are_kept_and_lost_on_chown(box, folder):
    said = sh(box, f"cd {folder}; touch f; chmod 4755 f; stat -c %a f; chown 1001 f; stat -c %a f")
    assert said.split() == ["4755", "755"]


def test_a_symlink_has_an_owner_of_its_own(box, folder):
    said = sh(box, f"cd {folder}; touch f; ln -s f l; chown -h 1001 l; stat -c %u f l; stat -Lc %u l")
    assert said.split() == ["0", "1001", "0"]


@pytest.mark.parametrize(
    ("user", "is_"),
    [
        ("33", "uid=33(www-data) gid=33(www-data) groups=33(www-data)"),
        ("www-data", "uid=33(www-data) gid=33(www-data) groups=33(www-data)"),
        ("1001", "uid=1001 gid=0(root) groups=0(root)"),
        ("1001:1002", "uid=1001 gid=1002 groups=1002"),
        ("33:users", "uid=33(www-data) gid=100(users) groups=100(users)"),
    ],
)
def test_a_user_is_a_name_or_a_number(box, user, is_):
    assert sh(box, "id", user=user) == is_


def test_groups_can_be_added(lab):
    assert lab.says("id", user="1001", group_add=["50"]) == "uid=1001 gid=0(root) groups=0(root),50"


def test_files_of_a_bind_show_their_real_owner(lab):
    (lab.folder / "f").touch()
    real = (lab.folder / "f").stat()
    assert lab.says("stat -c %u:%g /d/f", volumes=[f"{lab.folder}:/d"]) == f"{real.st_uid}:{real.st_gid}"


def test_root_can_become_another_user(lab):
    script = "setpriv --reuid=33 --regid=33 --clear-groups sh -c 'id -un; touch /f'"
    assert lab.says(script, image=DEBIAN).splitlines() == [
        "www-data",
        "touch: cannot touch '/f': Permission denied",
    ]
