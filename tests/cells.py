"""Runs cells as a kernel does, without one: in this process, so that a test can look at what they made."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.core.interactiveshell import InteractiveShell

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("build_notebooks", ROOT / "tools" / "build_notebooks.py")
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)


class Shell(InteractiveShell):
    def enable_gui(self, gui=None):  # no event loop to put into
        pass


def new_shell() -> Shell:
    """The process's only shell, emptied: `get_ipython()` finds it, as in a kernel."""
    shell = Shell.instance()
    shell.reset(new_session=True)
    return shell


def run(shell: Shell, code: str):
    """The value of the last line. Raises what the cell raised."""
    result = shell.run_cell(code)
    plt.close("all")  # as a kernel does after each cell
    result.raise_error()
    return result.result
