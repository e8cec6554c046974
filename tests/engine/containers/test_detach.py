"""The keys that leave a terminal: as they are written, and as they are typed."""

import pytest

from voldemo.engine.containers.detach import DEFAULT, Escape, parse


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", DEFAULT),
        ("a", b"a"),
        ("ctrl-p,ctrl-q", DEFAULT),
        ("ctrl-@,ctrl-[,ctrl-z,DEL", b"\x00\x1b\x1a\x7f"),
    ],
)
def test_keys_are_read(text, keys):
    assert parse(text) == keys


@pytest.mark.parametrize("text", ["ab", "ctrl-", "CTRL-x", "a,,b", ",", "del", "ctrl-1", "\N{EURO SIGN}", "é"])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 (who calls it has the words)
        parse(text)


@pytest.mark.parametrize(
    ("typed", "read", "found"),
    [
        ([b"one", b"two"], b"onetwo", False),
        ([b"one\x10\x11two"], b"one", True),
        ([b"one\x10", b"\x11"], b"one", True),
        ([b"\x10"], b"", False),
        ([b"\x10", b"x"], b"\x10x", False),
        ([b"\x10", b"\x10\x11"], b"\x10", True),
        ([b"\x11\x10"], b"\x11", False),
    ],
)
def test_keys_are_found_however_they_come_apart(typed, read, found):
    escape = Escape(DEFAULT)
    assert b"".join(escape.pass_on(data) for data in typed) == read
    assert escape.found == found
