"""Chapters without a browser: real kernels, tiny notebooks."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from voldemo import sandbox
from voldemo.chapters import Chapter, chapters, root
from voldemo.run import run
from voldemo.words import Sentence

MAY_FAIL = {"tags": ["raises-exception"]}
WIDGET = """
import ipywidgets
class Fallback(ipywidgets.Button):
    def _repr_mimebundle_(self, **options):
        return super()._repr_mimebundle_(**options) | {"text/html": "<b>said without a widget</b>"}
Fallback(description="click")"""


def write(project: Path, name: str, *cells, language: str = "ko") -> Chapter:
    path = project / "notebooks" / language / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), path)
    return Chapter(path)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One chapter that has everything, run once."""
    folder = tmp_path_factory.mktemp("run")
    chapter = write(
        folder,
        "00_all",
        new_markdown_cell("# 볼륨\n\n[다음](01_next.ipynb#볼륨)"),
        new_markdown_cell("<details><summary>풀이</summary>\n\n- folded\n</details>"),
        new_code_cell("import pandas; pandas.DataFrame({'survived': ['a table']})"),
        new_code_cell("import matplotlib.pyplot as plt; plt.plot([1, 2]);"),
        new_code_cell(WIDGET),
        new_code_cell("ipywidgets.IntProgress(3)"),
        new_code_cell("'tea' + 'pot' / 0", metadata=MAY_FAIL),
        new_code_cell("import os, sys; print(sys.executable, os.environ['JPY_SESSION_NAME'], os.getcwd(), sep='\\n')"),
    )
    decoy = folder / "data" / "kernels" / "python3" / "kernel.json"
    decoy.parent.mkdir(parents=True)
    decoy.write_text(json.dumps({"argv": ["false"], "display_name": "another Python", "language": "python"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(folder / "data"))
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
        return run(chapter, folder / "html")


@pytest.fixture(scope="module")
def page(done) -> str:
    return done.page.read_text(encoding="utf-8")


def test_a_cell_that_is_tagged_may_fail(done, page):
    assert done.failure is None
    assert "TypeError" in page


def test_the_page_lies_in_its_languages_folder(done):
    assert done.page.parts[-3:] == ("html", "ko", "00_all.html")


def test_tables_and_charts_are_in_the_page(page):
    assert "<td>a table</td>" in page
    assert "data:image/png;base64," in page


def test_what_is_folded_stays_folded(page):
    assert re.search(r"<details><summary>풀이</summary>\s*<ul>\s*<li>folded</li>\s*</ul>\s*</details>", page)


def test_the_page_asks_the_network_for_nothing(page):
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//|@import|url\(["']?(?:https?:)?//""", page)


def test_a_widget_shows_its_html_and_one_without_shows_nothing(page):
    assert "<b>said without a widget</b>" in page
    assert "IntProgress(value" not in page
    assert "widget-view" not in page


def test_links_lead_to_pages(page):
    assert 'href="01_next.html#' in page


def test_the_kernel_is_this_python_and_knows_its_notebook(done, page):
    for known in (sys.executable, str(done.chapter.path), str(done.chapter.path.parent)):
        assert f"{known}\n" in page


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("undefined", "NameError: name 'undefined' is not defined"),
        ("import os; os._exit(1)", "Kernel died"),
    ],
)
def test_another_failure_is_named_and_ends_the_chapter_but_not_the_page(tmp_path, source, why):
    chapter = write(
        tmp_path,
        "01_bad",
        new_markdown_cell("# 볼륨"),
        new_code_cell("'the cell ' + 'before'"),
        new_code_cell(source),
        new_code_cell("'the cell ' + 'after'"),
    )
    result = run(chapter, tmp_path / "html")
    assert (result.failure.cell, result.failure.why) == (3, why)
    page = result.page.read_text(encoding="utf-8")
    assert "the cell before" in page
    assert "the cell after" not in page


def test_ctrl_c_ends_the_kernel_and_what_its_experiment_had_made(client, tmp_path, monkeypatch):
    """The cell writes to a pipe when it is in the middle: nothing here waits longer than that."""
    monkeypatch.setenv("VOLDEMO_LANG", "en")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    middle = f"""
import os, time
from voldemo.connect import find
from voldemo.sandbox import Sandbox
with Sandbox(find().client) as box:
    box.volume()
    with open({str(pipe)!r}, "w") as pipe:
        pipe.write(f"{{os.getpid()}} {{box.id}}")
    time.sleep(600)"""
    write(tmp_path, "00_long", new_code_cell(middle), language="en")
    command = [sys.executable, "-m", "voldemo", "run"]
    with subprocess.Popen(command, cwd=tmp_path, text=True, stdout=-1, stderr=-1) as running:
        kernel, box = pipe.read_text().split()
        assert sandbox.things(client, box)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
    assert (running.returncode, said) == (130, "Interrupted.\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(kernel), 0)
    assert not sandbox.things(client, box)


def test_chapters_are_found_by_number_name_or_path(tmp_path):
    first, second = (write(tmp_path, name) for name in ("00_start", "01_layers"))
    write(tmp_path, "Untitled")
    assert chapters(tmp_path, "ko", []) == [first, second]
    assert chapters(tmp_path, "ko", ["1", "00"]) == [second, first]
    assert chapters(tmp_path, "en", [str(first.path)]) == [first]
    assert chapters(tmp_path, "ko", ["01_layers"]) == [second]
    with pytest.raises(Sentence, match="00_start, 01_layers"):
        chapters(tmp_path, "ko", ["2"])


def test_the_project_is_found_from_a_folder_inside_it(tmp_path, monkeypatch):
    inside = write(tmp_path, "00_start").path.parent
    monkeypatch.chdir(inside)
    assert root() == tmp_path
