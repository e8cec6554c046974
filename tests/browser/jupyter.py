"""JupyterLab as a learner starts it, and what a test does in it.

Clicks on menus are dropped while a notebook is still starting. These helpers drive JupyterLab's own commands, which
are promises: nothing here that happens in a page sleeps or polls.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, Playwright

PROJECT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"
QUIET = (  # in a container as root, and never asking the network for anything
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-dev-shm-usage"
)
SETTINGS = {  # what a test needs and no learner would mind
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},  # every cell is on the page
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
RUNNING = re.compile(r"https?://127\.0\.0\.1:\S+")
SCREEN = {"width": 1400, "height": 900}
PATIENCE = 60_000  # ms for what takes one or two: a busy machine is no failure
CELL_MINUTES = 5


@dataclass(frozen=True)
class Lab:
    url: str  # as printed for a learner: with the token, leading to the landing notebook

    def workspace(self, name: str) -> str:
        address = urlsplit(self.url)
        return f"{address.scheme}://{address.netloc}/lab/workspaces/{name}?{address.query}"


def copy_notebooks(folder: Path) -> Path:
    """A project root with the notebooks alone: nothing a page does changes the project's."""
    shutil.copytree(PROJECT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns("source", ".*"))
    return folder


@contextmanager
def serve(root: Path, language: str, private: Path, settings: dict = SETTINGS) -> Iterator[Lab]:
    """`voldemo lab --no-browser --port N`, typed in `root` by a learner who chose `settings`.

    Jupyter's own files stay in `private`.
    """
    command = [Path(sys.executable).with_name("voldemo"), "lab", "--no-browser", "--port", str(_free_port())]
    options = ["--ServerApp.port_retries=0", "--LabApp.expose_app_in_browser=True"]
    server = subprocess.Popen(
        command + options,
        cwd=root,
        env={**os.environ, **_private(private, settings), "VOLDEMO_LANG": language},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        url = _printed_url(server)
        _wait_for_port(server, urlsplit(url).port)
        yield Lab(url)
    finally:
        _stop(server)


def _stop(server: subprocess.Popen) -> None:
    server.terminate()
    try:
        server.wait(PATIENCE / 2000)
    except subprocess.TimeoutExpired:  # seen once: Jupyter was still starting a kernel, and waited for itself for good
        server.kill()
        server.wait()
    server.stdout.close()


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def _private(folder: Path, settings: dict) -> dict[str, str]:
    for plugin, values in settings.items():
        file = (folder / "settings" / plugin).with_suffix(".jupyterlab-settings")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    return {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "IPYTHONDIR": str(folder / "ipython"),
    }


def _printed_url(server: subprocess.Popen) -> str:
    said = []
    for line in server.stdout:
        said.append(line)
        if found := RUNNING.search(line):
            threading.Thread(target=server.stdout.read, daemon=True).start()  # or its pipe fills up
            return found[0]
    raise RuntimeError(f"JupyterLab ended: {''.join(said)}")


def _wait_for_port(server: subprocess.Popen, port: int) -> None:
    """Jupyter prints its address a moment before it listens there, and tells nobody when it does."""
    while server.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise RuntimeError(f"JupyterLab ended with status {server.returncode}")


def chromium(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())


# ---- in a page

NOTEBOOK = "const app = window.jupyterapp, panel = app.shell.currentWidget;"
OPEN = """async path => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = await app.commands.execute('docmanager:open', {path});
  await Promise.all([panel.context.ready, panel.revealed, panel.sessionContext.ready]);
  await panel.sessionContext.session.kernel.info;
  app.shell.activateById(panel.id);
}"""
# The command of JupyterLab 4.6 ends at the first failure, tagged or not, while the kernel still runs what follows.
RUN_ALL = f"""async () => {{ {NOTEBOOK}
  await app.commands.execute('notebook:run-all-cells');
  const ran = panel.content.widgets.filter(cell => cell.outputArea?.future);
  const replies = await Promise.all(ran.map(cell => cell.outputArea.future.done));
  const may_fail = cell => cell.model.getMetadata('tags')?.includes('raises-exception');
  const failed = (cell, index) => replies[index].content.status === 'error' && !may_fail(cell);
  return ran.filter(failed).map(cell => cell.model.id);
}}"""
FIND = "const index = panel.content.widgets.findIndex(cell => cell.model.id === id);"
INDEX = f"id => {{ {NOTEBOOK} {FIND} return index; }}"
RUN_CELL = f"""async id => {{ {NOTEBOOK} {FIND}
  panel.content.deselectAll();
  panel.content.activeCellIndex = index;
  return app.commands.execute('notebook:run-cell');
}}"""
WRITE = f"([id, source]) => {{ {NOTEBOOK} {FIND} panel.content.widgets[index].model.sharedModel.setSource(source); }}"
# JupyterLab keeps a promise of what it runs; a cell that never ends must fail the test instead of holding it up
LIMITED = "argument => Promise.race([(%s)(argument), new Promise((_, no) => setTimeout(no, %d, 'too slow'))])"


def open_lab(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_function("window.jupyterapp !== undefined")
    page.evaluate("window.jupyterapp.restored.then(() => null)")


def open_chapter(page: Page, language: str, name: str) -> None:
    """Open a chapter in the JupyterLab that `page` shows; its kernel answers when this returns."""
    _await(page, OPEN, f"notebooks/{language}/{name}.ipynb")


def run_all(page: Page) -> list[str]:
    """Run > Run All Cells. The ids of the cells that failed and are not tagged `raises-exception`: [] is right."""
    return _await(page, RUN_ALL)


def run_cell(page: Page, id: str) -> bool:
    """Run one cell. False: it failed."""
    return _await(page, RUN_CELL, id)


def write_cell(page: Page, id: str, source: str) -> None:
    """Replace what a cell says, as a learner does who solves an exercise."""
    page.evaluate(WRITE, [id, source])


def cell(page: Page, id: str) -> Locator:
    """A cell on the page, by the id the notebook's file gives it: `cell(page, "…").locator(".jp-OutputArea")`."""
    index = page.evaluate(INDEX, id)
    if index < 0:
        raise LookupError(f"no cell {id}")
    return page.locator(".jp-Notebook:visible .jp-Cell").nth(index)


def _await(page: Page, script: str, argument: str | None = None) -> Any:
    return page.evaluate(LIMITED % (script, CELL_MINUTES * 60_000), argument)
