import pytest

from voldemo.engine.build.words import expand, pairs, split
from voldemo.engine.errors import BadParameter

ENV = {"A": "1", "EMPTY": "", "PATH_": "/a b"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "1"),
        ("${A}2", "12"),
        ("$NO", ""),
        ("a$", "a$"),
        ("$A_", ""),
        ("'$A'", "$A"),
        ('"$A b"', "1 b"),
        (r"\$A", "$A"),
        (r'"\$A\"\n"', r'$A"\n'),
        ("${NO:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${A:+x}", "x"),
        ("${NO:+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${NO:-${A}/$PATH_}", "1//a b"),
        ("${A:?must}", "1"),
        ("한글$A", "한글1"),
    ],
)
def test_expand(text, value):
    assert expand(text, ENV) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("'a", "looking for matching single-quote"),
        ('"a', "looking for matching double-quote"),
        ("${", "bad substitution"),
        ("${A", "missing '}'"),
        ("${A:-x", "missing '}'"),
        ("${A#x}", r"unsupported modifier \(#\)"),
        ("${NO:?must be there}", "NO: must be there"),
        ("${NO:-" * 50 + "x" + "}" * 50, "too many substitutions"),
    ],
)
def test_what_cannot_be_expanded(text, why):
    with pytest.raises(BadParameter, match=why):
        expand(text, ENV)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ('a="b c" d', ['a="b c"', "d"]),
        (r"a\ b c", [r"a\ b", "c"]),
        ("'a b' \"c 'd\"", ["'a b'", '"c \'d"']),
        (r'"a\" b" c', [r'"a\" b"', "c"]),
        ("", []),
    ],
)
def test_split(text, words):
    assert split(text) == words


def test_pairs_in_both_forms():
    assert pairs('a=b c="d e"', "ENV") == [("a", "b"), ("c", '"d e"')]
    assert pairs("a b c=d", "ENV") == [("a", "b c=d")]


def test_pairs_that_are_none():
    with pytest.raises(BadParameter, match="ENV must have two arguments"):
        pairs("a", "ENV")
    with pytest.raises(BadParameter, match='can\'t find = in "c"'):
        pairs("a=b c", "ENV")
