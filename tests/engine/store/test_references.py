"""Names of images, as Docker reads them."""

from __future__ import annotations

import pytest

from voldemo.engine.errors import BadParameter
from voldemo.engine.store import Reference

DIGEST = "sha256:" + "a" * 64
USUAL = Reference.parse("busybox").full.partition("/")[0]


@pytest.mark.parametrize(
    ("text", "said", "domain", "path"),
    [
        ("busybox", "busybox:latest", "", "library/busybox"),
        ("library/busybox:1", "busybox:1", "", "library/busybox"),
        (f"{USUAL}/library/busybox", "busybox:latest", "", "library/busybox"),
        (f"{USUAL}/me/app", "me/app:latest", "", "me/app"),
        ("localhost/app", "localhost/app:latest", "localhost", "app"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000", "a/b"),
        ("reg.example/app@" + DIGEST, f"reg.example/app@{DIGEST}", "reg.example", "app"),
        ("app:1@" + DIGEST, f"app@{DIGEST}", "", "library/app"),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000", "x"),
        ("a__b/c-d.e:V_1.2-3", "a__b/c-d.e:V_1.2-3", "", "a__b/c-d.e"),
    ],
)
def test_parsed(text, said, domain, path):
    found = Reference.parse(text)
    assert (str(found), found.domain, found.path) == (said, domain, path)


@pytest.mark.parametrize(
    "text",
    ["", ":", "a:", "a@", "a:b:c", "-a", "a/", "/a", "a//b", "a_", "a:-x", "a b", "a@sha256:1", "é", "a\n", "../x"],
)
def test_no_reference(text):
    with pytest.raises(BadParameter, match="^invalid reference format"):
        Reference.parse(text)


def test_words():
    with pytest.raises(BadParameter, match=r"repository name \(library/Bad\) must be lowercase$"):
        Reference.parse("Bad:x")
    with pytest.raises(BadParameter, match="cannot specify 64-byte hexadecimal strings"):
        Reference.parse("a" * 64)
    with pytest.raises(BadParameter, match="must not be more than 255 characters"):
        Reference.parse("a" * 300)


def test_tagless():
    assert str(Reference.parse("app", tagless=True)) == "app"
    assert Reference.parse("app", tagless=True).name == "app:latest"
