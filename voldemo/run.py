"""Chapters run from top to bottom without a browser, each written as one page that needs no network."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from voldemo.chapters import Chapter

WIDGET = "application/vnd.jupyter.widget-view+json"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
LINK = re.compile(r"(\]\([^)\s]+)\.ipynb\b")
# JupyterLab's look without the scripts that it would fetch from elsewhere
PAGE = "{% extends 'index.html.j2' %}" + "".join(
    f"{{% block {name} %}}{{% endblock %}}"
    for name in ("html_head_js", "html_head_js_mathjax", "html_head_js_mermaidjs", "jupyter_widgets")
)


@dataclass(frozen=True)
class Failure:
    cell: int  # counted from 1, prose included
    why: str


@dataclass(frozen=True)
class Run:
    chapter: Chapter
    page: Path
    seconds: float
    failure: Failure | None


def run(chapter: Chapter, folder: Path) -> Run:
    """Execute one chapter and write `folder`/LANGUAGE/NAME.html, as far as the chapter got."""
    started = time.monotonic()
    page = folder / chapter.language / f"{chapter.name}.html"
    page.parent.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    notebook = nbformat.read(chapter.path, as_version=4)
    failure = execute(notebook, chapter)
    page.write_text(render(notebook, chapter), encoding="utf-8")
    return Run(chapter, page, time.monotonic() - started, failure)


def execute(notebook: NotebookNode, chapter: Chapter) -> Failure | None:
    """Fill in the outputs of `notebook`, up to the first cell that may not fail but does."""
    # Without this, a "python3" kernel that the learner once installed hides the one with voldemo.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(chapter.path.parent)}},
        extra_arguments=["--Application.log_level=ERROR"],  # ipykernel 7 warns of each kernel's local ports
    )
    with client.setup_kernel(env={**os.environ, "JPY_SESSION_NAME": str(chapter.path)}), _stopping(client) as pressed:
        for index, cell in enumerate(notebook.cells):
            why = _execute(client, cell, index)
            if pressed.is_set():
                raise KeyboardInterrupt
            if why:
                return Failure(index + 1, why)
    return None


@contextmanager
def _stopping(client: NotebookClient) -> Iterator[Event]:
    """Ctrl-C stops the cell, as Jupyter's stop button does: its experiment removes what it made. A second one us."""
    pressed = Event()

    def stop_cell(*_) -> None:
        signal.signal(signal.SIGINT, before)
        pressed.set()
        os.killpg(client.km.provisioner.pgid, signal.SIGINT)

    before = signal.signal(signal.SIGINT, stop_cell)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _execute(client: NotebookClient, cell: NotebookNode, index: int) -> str | None:
    """Why the cell failed although it may not, or nothing."""
    try:
        client.execute_cell(cell, index)
    except CellExecutionError:
        return _last_line(cell)
    except DeadKernelError as error:
        return str(error)
    return None


def _last_line(cell: NotebookNode) -> str:
    """What a learner would see of the failure: IPython ends each traceback with it."""
    traceback = next(output.traceback for output in cell.outputs if output.output_type == "error")
    return ANSI.sub("", traceback[-1]).strip().splitlines()[0]


def render(notebook: NotebookNode, chapter: Chapter) -> str:
    """The notebook as one HTML page, charts and tables inside it, leading to the other chapters' pages."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1.html", cell.source)
        else:
            cell.outputs = [output for output in cell.get("outputs", []) if _readable(output)]
    # No embed_images: it closes each piece of HTML by itself, and a folded answer would stand open.
    exporter = HTMLExporter(raw_template=PAGE, language_code=chapter.language)
    metadata = {"name": chapter.name, "path": str(chapter.path.parent)}
    return exporter.from_notebook_node(notebook, resources={"metadata": metadata})[0]


def _readable(output: NotebookNode) -> bool:
    """Without its kernel a widget is only the text/html it brings along, which nbconvert then shows, or nothing."""
    data = output.get("data", {})
    return WIDGET not in data or "text/html" in data
