"""The chapters in a real kernel, exercises solved: from top to bottom, and then once more without a restart."""

from __future__ import annotations

import nbformat
import pytest
from cells import build
from nbclient import NotebookClient

from voldemo import sandbox

CHAPTERS = build.sources()


def solved(source) -> nbformat.NotebookNode:
    cells = [
        nbformat.v4.new_code_cell(code, metadata={"tags": [tag for tag in tags if tag == "raises-exception"]})
        for code, tags in build.solved_code(source)
    ]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("source", CHAPTERS, ids=[source.stem for source in CHAPTERS])
def test_runs_twice_in_one_kernel(client, source):
    notebook = solved(source)
    kernel = NotebookClient(notebook, kernel_name="python3", extra_arguments=["--Application.log_level=ERROR"])
    with kernel.setup_kernel():
        for _ in range(2):
            for index, cell in enumerate(notebook.cells):
                kernel.execute_cell(cell, index)
            pages = [output["data"].get("text/html", "") for output in _results(notebook)]
            checks = [page for page in pages if "vd-check" in page]
            assert checks
            assert all("vd-check-done" in page for page in checks), "\n".join(checks)
            assert any("image/png" in output["data"] for output in _results(notebook))
    assert not [thing for thing in sandbox.things(client) if thing.sandbox.startswith(sandbox.key())]


def _results(notebook) -> list:
    return [output for cell in notebook.cells for output in cell.outputs if "data" in output]
