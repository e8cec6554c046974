"""The table of differences that README shows is the one the suite's marks give."""

from pathlib import Path

import pytest

from engine.differences import BEGIN, END, Difference, differences, differs, renewed, table

README = Path(__file__).parents[2] / "README.md"


def test_readme_shows_the_marks_as_they_are():
    text = README.read_text()
    assert text == renewed(text), "run tools/engine_differences.py --write"


def test_a_mark_is_a_row(tmp_path, monkeypatch):
    suite = "@differs('embedded', reason='it has no such thing')\ndef test_a_thing_is_there(lab): ...\n"
    (tmp_path / "test_things.py").write_text(suite)
    monkeypatch.setattr("engine.differences.SUITE", tmp_path)
    assert table().splitlines()[-1] == "| a thing is there | it has no such thing |"
    assert "a thing" not in table("podman")


def test_only_what_is_between_the_markers_is_renewed():
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert renewed(text) == f"before\n{BEGIN}\n\n{table()}\n{END}\nafter\n"


def test_a_readme_without_markers_is_refused():
    with pytest.raises(ValueError, match="differences:begin"):
        renewed("nothing")


def test_an_engine_that_is_none_is_refused():
    marks = [differs("embeded", reason="").mark]
    with pytest.raises(pytest.UsageError, match="embeded"):
        list(differences(marks))
    assert list(differences([differs("podman", reason="so").mark])) == [Difference("podman", "so")]
