"""The chapters as a learner meets them, exercises solved, on the real engine."""

from __future__ import annotations

import json

import pytest
from cells import build, new_shell, run
from docker.errors import DockerException

from voldemo import sandbox
from voldemo.checks import Check

CHAPTERS = build.sources()
BY_NAME = {"argvalues": CHAPTERS, "ids": [source.stem for source in CHAPTERS]}


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("source", **BY_NAME)
def test_solved_every_check_is_done_and_nothing_is_left(client, source):
    checks = [value for value in _values(new_shell(), source) if isinstance(value, Check)]
    assert checks
    assert all(check.done for check in checks), "\n".join(map(str, checks))
    assert not [thing for thing in sandbox.things(client) if thing.sandbox.startswith(sandbox.key())]


def _values(shell, source):
    for code, tags in build.solved_code(source):
        if "raises-exception" in tags:
            with pytest.raises(DockerException):
                run(shell, code)
        else:
            yield run(shell, code)


@pytest.mark.parametrize("source", **BY_NAME)
def test_both_languages_have_the_same_code_and_their_own_prose(source):
    english, korean = (json.loads(build.text_of(source, language))["cells"] for language in build.LANGUAGES)
    assert [cell["cell_type"] for cell in english] == [cell["cell_type"] for cell in korean]
    for one, other in zip(english, korean, strict=True):
        if one["cell_type"] == "code":
            assert one == other
        elif not one["id"].endswith("solution"):
            assert _hangul("".join(other["source"])) > 0.2 * len("".join(other["source"]).split())
            assert not _hangul("".join(one["source"]))


def _hangul(text: str) -> int:
    return sum("가" <= letter <= "힣" for letter in text)


@pytest.mark.parametrize("source", **BY_NAME)
def test_committed_notebooks_are_what_the_source_makes(source):
    for language in build.LANGUAGES:
        assert build.target(source, language).read_text(encoding="utf-8") == build.text_of(source, language)


@pytest.mark.parametrize("source", **BY_NAME)
def test_cells_are_short(source):
    sizes = sorted(sum(map(bool, code.splitlines())) for code, _ in build.solved_code(source))
    assert sizes[len(sizes) // 2] <= 2
    assert sizes[-1] <= 15
