"""The command line: what it says, where, and with which exit status."""

import io
import json
import os
import subprocess
import sys

import pytest
from docker.errors import NotFound

from voldemo import images, sandbox
from voldemo.__main__ import _parse, main
from voldemo.terminal import table
from voldemo.words import say

FOREIGN = "00000000-00000000"  # no home's key is all zeros but with a chance of 1 in 4 billion


@pytest.fixture(autouse=True)
def _as_typed_in_english(monkeypatch):
    monkeypatch.setenv("VOLDEMO_LANG", "en")
    monkeypatch.setenv("VOLDEMO_ENGINE", "")  # `--engine` sets it for good: a command is a process of its own


@pytest.fixture
def left(client):
    """A volume of each state that `clean` tells apart, by state."""
    labels = {"left": f"{sandbox.key()}-deadbeef", "exercise": sandbox.exercise(), "foreign": FOREIGN}
    with sandbox.Sandbox(client) as living:
        labels["in_use"] = living.id
        made = {state: client.volumes.create(labels={sandbox.LABEL: label}) for state, label in labels.items()}
        yield made
    for volume in made.values():
        try:
            volume.remove()
        except NotFound:
            continue


def there(client, volumes) -> set[str]:
    present = {volume.name for volume in client.volumes.list()}
    return {state for state, volume in volumes.items() if volume.name in present}


def answer(monkeypatch, text: str):
    """A terminal on which `text` is typed."""
    typed = io.StringIO(text)
    typed.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", typed)


@pytest.mark.parametrize("command", ["images", "clean"])
def test_no_engine_is_one_line_on_stderr(command, capsys):
    assert main([command, "--engine", "/nowhere/docker.sock"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "/nowhere/docker.sock" in said.err


def test_an_error_of_the_engine_is_one_line(client, capsys, monkeypatch):
    monkeypatch.setattr(images, "PINNED", ("No Such Name",))
    assert main(["images"]) == 1
    said = capsys.readouterr()
    assert "invalid reference format" in said.err
    assert "Traceback" not in said.err


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def pressed(client):
        raise KeyboardInterrupt

    monkeypatch.setattr("voldemo.clean.survey", pressed)
    assert main(["clean"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize("argv", [[], ["fly"], ["doctor", "--port", "1"], ["images", "--from", "a", "--to", "b"]])
def test_what_is_not_understood_is_argparses_own(argv):
    with pytest.raises(SystemExit, match="2"):
        main(argv)


@pytest.mark.parametrize(
    ("argv", "passed"),
    [
        (["--no-browser", "--port", "8899"], ["--no-browser", "--port", "8899"]),
        (["--engine", "podman", "--port=1", "a.ipynb"], ["--port=1", "a.ipynb"]),
        (["--no-browser", "--", "--engine", "x", "--help"], ["--no-browser", "--engine", "x", "--help"]),
    ],
)
def test_lab_passes_on_what_it_does_not_know(argv, passed):
    assert _parse(["lab", *argv]).jupyter == passed


def test_lab_hands_the_named_engine_on(monkeypatch):
    became = {}
    monkeypatch.setattr("os.execvpe", lambda file, argv, environment: became.update(environment))
    main(["lab", "--engine", "podman"])
    assert became["VOLDEMO_ENGINE"] == "podman"
    assert became["JUPYTER_CONFIG_PATH"]


def test_terminals_in_the_lab_follow_the_engine_and_know_the_label(client, monkeypatch, capsys):
    became = {}
    monkeypatch.setattr("os.execvpe", lambda file, argv, environment: became.update(environment))
    main(["lab"])
    assert became["DOCKER_HOST"] == os.environ["DOCKER_HOST"]
    assert became["LABEL"] == sandbox.exercise_label()
    assert client.version()["Version"] in capsys.readouterr().out


def test_without_an_engine_the_lab_opens_and_says_so(monkeypatch, capsys):
    became = []
    monkeypatch.setattr("os.execvpe", lambda *launched: became.append(launched))
    main(["lab", "--engine", "/nowhere/docker.sock"])
    assert became
    assert "/nowhere/docker.sock" in capsys.readouterr().out


def test_help_speaks_the_learners_language(monkeypatch, capsys):
    monkeypatch.setenv("VOLDEMO_LANG", "ko")
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "JupyterLab에서 워크북을 엽니다" in capsys.readouterr().out


def test_doctor_as_json(client, capsys):
    assert main(["doctor", "--json"]) == 0
    assert {check["name"]: check["state"] for check in json.loads(capsys.readouterr().out)}["engine"] == "ok"


def test_doctor_fails_without_an_engine(capsys):
    assert main(["doctor", "--engine", "/nowhere/docker.sock"]) == 1
    assert "→ unset VOLDEMO_ENGINE" in capsys.readouterr().out


def test_images_lists_what_is_there(client, capsys):
    assert main(["images"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(images.PINNED)
    assert all(line.endswith(" MB") for line in lines)


def test_images_says_what_could_not_be_had(client, capsys, monkeypatch):
    nothing = "127.0.0.1:1/nothing:1"
    monkeypatch.setattr(images, "PINNED", (images.BUSYBOX, nothing))
    assert main(["images"]) == 1
    said = capsys.readouterr()
    assert f"{nothing}  missing" in said.out
    assert said.err.startswith(f"Could not get {nothing}: ")
    assert said.err.count("\n") == 1


def test_images_by_way_of_a_folder(client, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(images, "PINNED", (images.BUSYBOX,))
    assert main(["images", "--to", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["busybox-1.37.tar"]
    monkeypatch.setattr(images, "PINNED", (images.BUSYBOX, "other:1"))
    assert main(["images", "--from", str(tmp_path)]) == 1
    assert "Could not get other:1: " in capsys.readouterr().err
    assert main(["images", "--from", str(tmp_path / "none")]) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_clean_lists_what_is_there_and_whose(client, left, capsys):
    assert main(["clean", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    states = {"left": "left behind", "exercise": "exercise", "in_use": "in use", "foreign": "another learner's"}
    for state, words in states.items():
        [line] = [line for line in lines if left[state].name in line]
        assert words in line
    assert there(client, left) == set(left)


def test_clean_removes_after_a_yes(client, left, capsys, monkeypatch):
    answer(monkeypatch, "예\n")
    assert main(["clean"]) == 0
    assert there(client, left) == {"in_use", "foreign"}
    assert "Removed: 2." in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["\n", "n\n", "", "yep\n"])
def test_clean_removes_nothing_without_one(client, left, monkeypatch, typed):
    answer(monkeypatch, typed)
    assert main(["clean"]) == 0
    assert there(client, left) == set(left)


def test_clean_without_a_terminal_wants_yes(client, left, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["clean"]) == 1
    assert "--yes" in capsys.readouterr().err
    assert there(client, left) == set(left)
    assert main(["clean", "--yes"]) == 0
    assert there(client, left) == {"in_use", "foreign"}


def test_clean_has_nothing_to_do(client, capsys):
    assert main(["clean"]) == 0
    assert "Nothing to remove." in capsys.readouterr().out


def test_a_table_lines_up_with_hangul():
    assert table([("볼륨", "a"), ("volume", "b")]).splitlines() == ["볼륨    a", "volume  b"]


@pytest.mark.parametrize("package", ["docker", "pandas", "ipywidgets"])
def test_a_missing_package_is_one_sentence(package):
    code = f"import sys; sys.modules[{package!r}] = None; from voldemo.__main__ import main; main(['doctor'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"{say('package.missing', name=package)}\n"
