"""USER by name and number, from the container's own files."""

import pytest

from voldemo.engine.containers import users
from voldemo.engine.errors import Failed
from voldemo.engine.store import Union

PASSWD = "root:x:0:0:root:/root:/bin/sh\nbroken line\nnobody:x:65534:65534::/nowhere:\napp:x:1000:50::/home/app:\n"
GROUP = "root:x:0:\nstaff:x:50:\naudio:x:29:app,other\nvideo:x:44:app\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return Union(None, [tmp_path])


def ids(root, text, extra=()):
    identity = users.resolve(root, text, extra)
    return identity.user.uid, identity.user.gid, identity.user.groups, identity.home


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", (0, 0, (0,), "/root")),
        ("app", (1000, 50, (50, 29, 44), "/home/app")),
        ("1000", (1000, 50, (50, 29, 44), "/home/app")),
        ("1234", (1234, 0, (0,), "/")),
        ("app:staff", (1000, 50, (50,), "/home/app")),
        ("app:7", (1000, 7, (7,), "/home/app")),
        ("0:0", (0, 0, (0,), "/root")),
    ],
)
def test_users(root, text, wanted):
    assert ids(root, text) == wanted


def test_group_add(root):
    assert ids(root, "app:staff", ["video", "99"])[2] == (50, 44, 99)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nox", "unable to find user nox: no matching entries in passwd file"),
        ("0:nog", "unable to find group nog: no matching entries in group file"),
        ("99999999999", "uids and gids must be in range 0-2147483647"),
    ],
)
def test_unknown(root, text, said):
    with pytest.raises(Failed) as caught:
        users.resolve(root, text)
    assert str(caught.value) == said


def test_an_image_without_passwd(tmp_path):
    assert ids(Union(None, [tmp_path]), "") == (0, 0, (0,), "/root")
