"""Times, filters, fields and routes, by themselves."""

from __future__ import annotations

import time

import pytest

from voldemo.engine import clock, fields, filters
from voldemo.engine.errors import BadParameter
from voldemo.engine.http import parse_object
from voldemo.engine.router import Router, Routes
from voldemo.engine.unsupported import sentence_for


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1700000000", 1_700_000_000 * clock.SECOND),
        ("1700000000.5", 1_700_000_000 * clock.SECOND + 500_000_000),
        ("1700000000.123456789", 1_700_000_000 * clock.SECOND + 123_456_789),
        ("2023-11-14T22:13:20Z", 1_700_000_000 * clock.SECOND),
        ("2023-11-14T23:13:20.25+01:00", 1_700_000_000 * clock.SECOND + 250_000_000),
        ("2023-11-14", 1_699_920_000 * clock.SECOND),
        ("0001-01-01T00:00:00Z", 0),
    ],
)
def test_moments(text: str, nanoseconds: int) -> None:
    assert clock.moment(text) == nanoseconds


def test_how_long_ago() -> None:
    wanted = time.time_ns() - (90 * 60 + 1) * clock.SECOND
    assert abs(clock.moment("1h30m1000ms") - wanted) < clock.SECOND


@pytest.mark.parametrize("text", ["", "a", "-1", "1h1", "9" * 30, "2023-13-45", "2023-11-14T25:00:00Z", "٣"])
def test_no_moments(text: str) -> None:
    with pytest.raises(BadParameter):
        clock.moment(text)


def test_a_time_is_written_and_read() -> None:
    moment = 1_700_000_000_123_456_789
    assert clock.rfc3339(moment) == "2023-11-14T22:13:20.123456789Z"
    assert clock.parse(clock.rfc3339(moment)) == moment


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("data", "my-data-1", True),
        ("^data", "my-data", False),
        ("^my.*1$", "my-data-1", True),
        ("a|b", "xbx", True),
        ("[", "a[b", False),
        ("(a+)+$", "a" * 40 + "!", False),
        ("a*a*a*a*a*a*b", "a" * 200, False),
        ("x" * 10_000, "x", False),
    ],
)
def test_names_match_as_docker_does_and_in_no_time(pattern: str, name: str, found: bool) -> None:
    begin = time.perf_counter()
    assert filters.matches(pattern, name) is found
    assert time.perf_counter() - begin < 0.5


def test_label_filters() -> None:
    wanted = filters.parse('{"label": ["a=1", "b"], "label!": {"c": true}}')
    assert wanted.labels({"a": "1", "b": ""})
    assert not wanted.labels({"a": "2", "b": ""})
    assert not wanted.labels({"a": "1", "b": "", "c": "x"})
    assert not wanted.labels(None)


@pytest.mark.parametrize(
    "text", ['{"a": [1]}', '{"a": 1}', "[]", "1", "{", '{"a": {"b": {}}, "c": null}', '{"a": {"b": 1}}', '{"a": null}']
)
def test_filters_of_a_wrong_shape(text: str) -> None:
    with pytest.raises(BadParameter, match="invalid filter"):
        filters.parse(text)


def test_a_value_that_is_false_is_not_asked_for() -> None:
    assert filters.parse('{"a": {"b": false, "c": true}}') == {"a": ["c"]}


def test_fields_have_the_type_docker_wants() -> None:
    body = {"s": "x", "i": 3, "b": True, "l": ["a"], "m": {"k": "v"}, "n": None, "o": {"x": 1}}
    assert fields.text(body, "s") == "x"
    assert fields.integer(body, "i") == 3
    assert fields.boolean(body, "b")
    assert fields.texts(body, "l") == ["a"]
    assert fields.mapping(body, "m") == {"k": "v"}
    assert fields.obj(body, "o") == {"x": 1}
    assert fields.text(body, "n", "default") == "default"
    assert fields.texts(body, "missing") is None


@pytest.mark.parametrize(
    ("getter", "value"),
    [
        (fields.text, 3),
        (fields.integer, "3"),
        (fields.integer, True),
        (fields.integer, 2**70),
        (fields.boolean, "yes"),
        (fields.texts, "a"),
        (fields.texts, [1]),
        (fields.mapping, ["a"]),
        (fields.mapping, {"a": 1}),
        (fields.obj, []),
    ],
)
def test_fields_of_another_type_are_refused(getter, value: object) -> None:
    with pytest.raises(BadParameter, match="json: cannot unmarshal .* into Go struct field F of type"):
        getter({"F": value}, "F")


def test_routes() -> None:
    routes = Routes()
    for path in ("/i/{name:path}/json", "/i/get", "/i/{name:path}"):
        routes.add("GET", path)(path)
    routes.add("POST", "/c/{id}")("/c/{id}")
    router = Router([routes])
    assert router.find("GET", "/i/get") == ("/i/get", {})
    assert router.find("GET", "/i/a/b:1/json") == ("/i/{name:path}/json", {"name": "a/b:1"})
    assert router.find("GET", "/i/json") == ("/i/{name:path}", {"name": "json"})
    assert router.find("POST", "/c/a") == ("/c/{id}", {"id": "a"})
    assert router.find("POST", "/c/a/b") is None
    assert router.find("POST", "/c/") is None
    assert router.find("GET", "/c/a") is None


def test_sentences() -> None:
    assert sentence_for("GET", "/nodes/x") == "Swarm (nodes) is not part of this engine: it is one machine."
    assert sentence_for("PUT", "/volumes/a") == sentence_for("PUT", "/volumes/b")
    assert sentence_for("GET", "/containers/x/nothing") is None
    assert sentence_for("GET", "/") is None


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'{"a": "x\udcff"}', "x\ufffd"),
        (rb'{"a": "\ud83d\ude00"}', "\U0001f600"),
        (b'{"a": "\xff"}', "\ufffd"),
        (rb'{"a": "\\ud800"}', "\\ud800"),
    ],
)
def test_what_no_text_can_hold_is_replaced(data: bytes, value: str) -> None:
    assert parse_object(data) == {"a": value}
