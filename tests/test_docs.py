"""README, command help, chapters, experiments and checks name the same things."""

from __future__ import annotations

import inspect
import re
import tomllib
from importlib import import_module

import pytest
from cells import ROOT, build

from voldemo import checks, exercises, images
from voldemo.words import LANGUAGES, say

READMES = ["README.md", "README.ko.md"]
SOURCES = {source.stem: source.read_text(encoding="utf-8") for source in build.sources()}
EXPERIMENTS = ("persistence", "layers", "mounts", "volumes")


@pytest.fixture(params=READMES)
def readme(request) -> str:
    return (ROOT / request.param).read_text(encoding="utf-8")


def test_the_two_commands_are_on_the_first_screen(readme):
    first_screen = readme.splitlines()[:14]
    assert "$ make lab" in "\n".join(first_screen)
    assert "$ make test" in "\n".join(first_screen)
    assert any(line.startswith("![") for line in first_screen)


def test_pictures_and_links_lead_somewhere(readme):
    for target in re.findall(r"\]\((?!https?://|#)([^)]+)\)", readme):
        assert (ROOT / target).exists(), target


def test_every_make_verb_is_named(readme):
    verbs = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"lab", "test"} < set(verbs)
    assert [verb for verb in verbs if f"`{verb}`" not in readme and f"make {verb}" not in readme] == []


def test_both_show_the_same_commands(monkeypatch):
    """tests/binder/check types those of README.md, and compares what is said."""
    shown = []
    for name, tongue in zip(READMES, LANGUAGES, strict=True):
        blocks = re.findall(r"^```console\n(.*?)^```$", (ROOT / name).read_text(encoding="utf-8"), flags=re.M | re.S)
        monkeypatch.setenv("VOLDEMO_LANG", tongue)
        assert blocks[-1].splitlines()[-1] == say("embedded.stopped", pid="…")
        shown.append("".join(blocks[1:]).splitlines()[:-1])
    assert shown[0] == shown[1]


def test_every_command_and_its_options_are_named(readme, capsys):
    from voldemo.__main__ import main

    named = set(re.findall(r"`voldemo ([a-z]+)", readme))
    for command in named | {"doctor", "lab", "run", "engine", "images", "clean"}:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0, command
        options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help", "--yes"}
        assert [option for option in options if option not in readme] == []
    assert named >= {"doctor", "lab", "run", "engine", "images", "clean"}


def test_every_chapter_is_named_and_no_other(readme):
    assert re.findall(r"^\| `(\d\d_\w+)`", readme, flags=re.MULTILINE) == list(SOURCES)


def test_every_image_is_named(readme):
    assert [image for image in images.PINNED if f"`{image}`" not in readme] == []


def test_every_dependency_has_its_reason(readme):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if not line.startswith("-r"):
                assert f"[{re.split('[<>=~]', line)[0]}](" in readme, line


def _public(module, first: str) -> list[str]:
    return [
        name
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == module.__name__
        and list(inspect.signature(function).parameters)[:1] == [first]
    ]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_run_in_a_chapter(name):
    module = import_module(f"voldemo.experiments.{name}")
    assert _public(module, "client")
    text = "".join(SOURCES.values())
    assert [each for each in _public(module, "client") if f"{name}.{each}(client" not in text] == []


def test_every_check_and_stage_is_used_in_a_chapter():
    text = "".join(SOURCES.values())
    assert [each for each in _public(checks, "client") if f"checks.{each}(client)" not in text] == []
    stages = [each for each in _public(exercises, "client") if each != "listing"]
    assert [each for each in stages if f"exercises.{each}(client)" not in text] == []


@pytest.mark.parametrize("name", SOURCES)
def test_every_section_asks_before_it_runs_and_every_exercise_is_checked(name):
    text = SOURCES[name]
    assert text.count("predict(") == text.count("_guess.against(") >= 2
    assert text.count('tags=["exercise"]') == text.count("checks.") - text.count("import checks") >= 1
    assert "Say it" in text
    assert "말해 보기" in text
    assert text.count("*They will go on with:*") == text.count("*이어지는 질문:*") == 3
