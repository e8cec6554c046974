"""JupyterLab as a learner meets it: the landing notebook and its contents open, in their language, nothing popping up.

Nothing of ours is written outside voldemo's own home, and the learner's own JupyterLab settings keep the last word.
"""

from __future__ import annotations

import json
import os
import sys
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from voldemo.home import home

LOCALES = {"en": "en", "ko": "ko_KR"}  # "en" by name: JupyterLab would otherwise follow the computer's language
LANDING = "00_start.ipynb"
ALIASES = {"--notebook-dir": "--ServerApp.root_dir"}  # Jupyter's own other name for an option of ours


def launch(root: Path, language: str, extra: list[str]) -> None:
    """Become JupyterLab: the same process, so that Ctrl-C and signals reach it."""
    prepare(home(), language)
    sys.stdout.flush()
    command = argv(root, language, extra)
    os.execvpe(command[0], command, {**os.environ, **environment(home(), language)})


def argv(root: Path, language: str, extra: list[str]) -> list[str]:
    """The command; what `extra` says wins."""
    root = root.resolve()
    notebook = next((option for option in extra if _is_notebook(option, root)), None)
    opened = Path(notebook).resolve().relative_to(root) if notebook else Path("notebooks", language, LANDING)
    page = f"/lab/workspaces/{_workspace(language)}/tree/{quote(opened.as_posix())}"
    ours = {"--ServerApp.root_dir": root, "--LabApp.default_url": page}  # terminals start in the root too
    given = {ALIASES.get(name, name) for name in (option.partition("=")[0] for option in extra)}
    return [
        sys.executable,
        "-m",
        "jupyterlab",
        *(f"{option}={value}" for option, value in ours.items() if option not in given),  # Jupyter refuses a second one
        # Where a contributor has jupytext, it would put its own idea of a notebook file in place of Jupyter's.
        "--ServerApp.jpserver_extensions=jupyterlab_jupytext=False",
        *(["--allow-root"] if os.geteuid() == 0 else []),
        *(option for option in extra if option != notebook),  # it would open beside our layout, without the contents
    ]


def _is_notebook(option: str, root: Path) -> bool:
    path = Path(option).resolve()
    return path.suffix == ".ipynb" and path.is_file() and path.is_relative_to(root)


def environment(home: Path, language: str) -> dict[str, str]:
    """The variables that make Jupyter look at what `prepare` wrote."""
    return {
        "JUPYTER_CONFIG_PATH": _before("JUPYTER_CONFIG_PATH", _config(home, language)),
        "JUPYTER_PATH": _before("JUPYTER_PATH", _data_path(home)),
        "JUPYTERLAB_WORKSPACES_DIR": str(_workspaces(home)),
    }


def _before(variable: str, folder: Path) -> str:
    theirs = os.environ.get(variable)
    return os.pathsep.join([str(folder), *([theirs] if theirs else [])])


def prepare(home: Path, language: str) -> None:
    """Write JupyterLab's defaults anew, and the opening layout once: from then on it is the learner's."""
    # JupyterLab reads this file from every configuration folder, below the settings a learner chose by hand.
    # An overrides.json, which does the same, could only replace the one an administrator put into JupyterLab.
    defaults = _config(home, language) / "labconfig" / "default_setting_overrides.json"
    defaults.parent.mkdir(parents=True, exist_ok=True)
    defaults.write_text(json.dumps(_defaults(language), indent=2), encoding="utf-8")
    # Else each page starts node to see whether to advise a rebuild: a second that the first kernel waits for.
    defaults.with_name("page_config.json").write_text(json.dumps({"buildCheck": False}), encoding="utf-8")
    _offer_kernel(_data_path(home))
    _lay_out(_workspaces(home), language)


def _offer_kernel(data: Path) -> None:
    """The kernel that chapters ask for as python3: this Python, in which a failure is one line from the start."""
    spec = data / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True, exist_ok=True)
    extension = "--InteractiveShellApp.extra_extensions=voldemo.notebook"
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", extension]
    spec.write_text(json.dumps({"argv": argv, "display_name": "voldemo", "language": "python"}), encoding="utf-8")


def _defaults(language: str) -> dict:
    locale = {"@jupyterlab/translation-extension:plugin": {"locale": LOCALES[language]}}
    return _data("overrides.json") | locale


def _lay_out(workspaces: Path, language: str) -> None:
    name = _workspace(language)
    # Jupyter's own name for the file. Its function needs an import of two seconds; a test holds the two together.
    layout = workspaces / f"{name}-{sha256(name.encode()).hexdigest()[:4]}.jupyterlab-workspace"
    if not layout.exists():
        workspaces.mkdir(parents=True, exist_ok=True)
        layout.write_text(json.dumps({"data": _data("workspace.json"), "metadata": {"id": name}}), encoding="utf-8")


def _data(name: str) -> dict:
    return json.loads(files("voldemo.data").joinpath(name).read_text(encoding="utf-8"))


def _workspace(language: str) -> str:
    return f"voldemo-{language}"


def _config(home: Path, language: str) -> Path:
    return home / "jupyter" / language


def _data_path(home: Path) -> Path:
    return home / "jupyter" / "data"


def _workspaces(home: Path) -> Path:
    return home / "jupyter" / "workspaces"
