import pytest

from voldemo.engine.build.ignore import clean, is_ignored, matches, rules


@pytest.mark.parametrize(
    ("text", "path", "ignored"),
    [
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "b/a", False),
        ("/a/", "a", True),
        ("./a", "a", True),
        ("*/a", "b/a", True),
        ("*/a", "b/c/a", False),
        ("**/a", "b/c/a", True),
        ("**/a", "a", True),
        ("a/**", "a/b/c", True),
        ("a/**/z", "a/z", True),
        ("*.pyc", "x.pyc", True),
        ("*.pyc", "d/x.pyc", False),
        ("a?", "ab", True),
        ("[ab]", "b", True),
        ("a.c", "abc", False),
        (r"\*", "*", True),
        ("*\n!keep", "keep", False),
        ("*\n!keep\nkeep", "keep", True),
        ("d\n!d/a", "d/a", False),
        ("d\n!d/a", "d/b", True),
        ("# a\n\n", "a", False),
        ("../a", "a", True),
        ("**", "any/thing", True),
    ],
)
def test_is_ignored(text, path, ignored):
    assert is_ignored(path, rules(text)) is ignored


def test_clean():
    assert clean("a//b/../c/.") == "a/c"


def test_wildcards_of_copy_do_not_cross_directories():
    assert matches("*.txt", "a.txt")
    assert not matches("*", "a/b")
