"""What `voldemo lab` hands to JupyterLab. What comes of it in a browser: browser/test_lab.py."""

import json
import os
from pathlib import Path

import pytest

from voldemo import lab

PAGE = "--LabApp.default_url=/lab/workspaces/voldemo-ko/tree/notebooks/ko/"


def test_the_landing_notebook_opens_in_the_projects_folder(tmp_path):
    command = lab.argv(tmp_path, "ko", [])
    assert f"{PAGE}00_start.ipynb" in command
    assert f"--ServerApp.root_dir={tmp_path}" in command


def test_options_go_to_jupyterlab_in_their_order(tmp_path):
    assert lab.argv(tmp_path, "ko", ["--no-browser", "--port", "8899"])[-3:] == ["--no-browser", "--port", "8899"]


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        (["--LabApp.default_url=/lab"], "--LabApp.default_url"),
        (["--LabApp.default_url", "/lab"], "--LabApp.default_url"),
        (["--ServerApp.root_dir=/srv"], "--ServerApp.root_dir"),
        (["--notebook-dir=/srv"], "--ServerApp.root_dir"),
    ],
)
def test_what_the_learner_says_wins(tmp_path, said, ours):
    """Jupyter refuses an option that comes twice."""
    command = lab.argv(tmp_path, "ko", said)
    assert [option for option in command if option.startswith(ours)] == [each for each in said if each.startswith(ours)]


def test_a_chapter_can_be_opened_instead(tmp_path, monkeypatch):
    chapter = tmp_path / "notebooks" / "ko" / "01_layers.ipynb"
    chapter.parent.mkdir(parents=True)
    chapter.touch()
    monkeypatch.chdir(tmp_path)
    command = lab.argv(tmp_path, "ko", ["notebooks/ko/01_layers.ipynb", "--no-browser"])
    assert f"{PAGE}01_layers.ipynb" in command
    assert command[-1] == "--no-browser"
    assert "notebooks/ko/01_layers.ipynb" not in command


def test_a_notebook_elsewhere_is_left_to_jupyter(tmp_path):
    other = tmp_path / "other.ipynb"
    other.touch()
    command = lab.argv(tmp_path / "project", "ko", [str(other)])
    assert command[-1] == str(other)
    assert f"{PAGE}00_start.ipynb" in command


def test_a_learners_own_config_path_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/etc/theirs")
    ours, theirs = lab.environment(tmp_path, "ko")["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert Path(ours).is_relative_to(tmp_path)
    assert theirs == "/etc/theirs"


def test_the_layout_is_the_learners_from_the_second_start_on(tmp_path):
    lab.prepare(tmp_path, "ko")
    [layout] = tmp_path.rglob("*.jupyterlab-workspace")
    layout.write_text("moved")
    lab.prepare(tmp_path, "ko")
    assert layout.read_text() == "moved"


def test_jupyterlab_finds_the_layout_and_the_defaults(tmp_path, monkeypatch):
    """Both have names that are JupyterLab's; its own code is asked."""
    from jupyterlab_server.settings_utils import _get_overrides
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    lab.prepare(tmp_path, "ko")
    for name, value in lab.environment(tmp_path, "ko").items():
        monkeypatch.setenv(name, value)
    layout = WorkspacesManager(os.environ["JUPYTERLAB_WORKSPACES_DIR"]).load("voldemo-ko")
    assert layout["data"]["layout-restorer:data"]["left"]["current"] == "@jupyterlab/toc:plugin"
    defaults, error = _get_overrides(str(tmp_path / "no-app-settings"))
    assert not error
    assert defaults["@jupyterlab/translation-extension:plugin"] == {"locale": "ko_KR"}


def test_jupyter_has_no_other_name_for_what_is_ours():
    from jupyter_server.serverapp import aliases

    ours = {"ServerApp.root_dir", "LabApp.default_url"}
    names = {f"--{name}": f"--{meaning}" for name, meaning in aliases.items() if meaning in ours}
    assert names == lab.ALIASES


def test_every_language_has_its_own_defaults(tmp_path):
    for language, locale in (("en", "en"), ("ko", "ko_KR")):
        lab.prepare(tmp_path, language)
        [file] = (tmp_path / "jupyter" / language).rglob("default_setting_overrides.json")
        assert json.loads(file.read_text())["@jupyterlab/translation-extension:plugin"]["locale"] == locale
