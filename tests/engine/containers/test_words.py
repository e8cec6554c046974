"""Ages, signals, names: small words in and out."""

import signal

import pytest

from voldemo.engine.containers import ages, names, signals
from voldemo.engine.errors import BadParameter
from voldemo.engine.ids import new_id


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "Less than a second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (180, "3 minutes"),
        (3600, "About an hour"),
        (5 * 3600, "5 hours"),
        (3 * 86400, "3 days"),
        (20 * 86400, "2 weeks"),
        (90 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_ages(seconds, said):
    assert ages.human(seconds) == said


@pytest.mark.parametrize(("text", "number"), [("KILL", 9), ("sigterm", 15), ("2", 2), ("RTMIN+1", signal.SIGRTMIN + 1)])
def test_signals(text, number):
    assert signals.parse(text) == number


@pytest.mark.parametrize("text", ["", "FOO", "0", "-1", "999", "RTMIN-1", "RTMAX+1", "²"])
def test_no_signals(text):
    with pytest.raises(BadParameter, match="^invalid signal: "):
        signals.parse(text)


@pytest.mark.parametrize("name", ["", "a", "a b", "-ab", "a/b", "//ab", "ab\n", "é" * 3])
def test_names_that_are_refused(name):
    with pytest.raises(BadParameter, match=r"only \[a-zA-Z0-9\]\[a-zA-Z0-9_.-\] are allowed"):
        names.check(name)


def test_a_slash_before_a_name_does_not_count():
    assert names.check("/box.1") == "box.1"


def test_ids_never_look_like_numbers():
    assert all(not new_id()[:12].isdigit() for _ in range(200))
