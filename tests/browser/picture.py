"""Takes the picture that README shows, from a real run: `python -m browser.picture` in tests/."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from .jupyter import PROJECT, cell, chromium, copy_notebooks, open_chapter, open_lab, run_cell, serve
from .test_chapters import id_of

NAME = "00_start"
CELLS = ("client = connect()", "leftovers_guess =", "leftovers =", "charts.grid(leftovers_guess")
SCREEN = {"width": 1280, "height": 1060}
# One click says yes, two say no. The first is the one that most people get wrong.
CLICKS = {
    "rm-anonymous": 2,
    "rm-named": 1,
    "rm-v-anonymous": 2,
    "rm-v-named": 1,
    "run-rm-anonymous": 2,
    "run-rm-named": 1,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        root, private = Path(scratch, "root"), Path(scratch, "jupyter")
        with serve(copy_notebooks(root), "en", private) as lab, chromium(playwright) as browser:
            page = browser.new_page(viewport=SCREEN)
            open_lab(page, lab.url)
            open_chapter(page, "en", NAME)
            for text in CELLS:
                run_cell(page, id_of("en", NAME, text))
                if text == "leftovers_guess =":
                    _predict(page)
            last = cell(page, id_of("en", NAME, CELLS[-1]))
            last.evaluate("cell => cell.scrollIntoView({block: 'end'})")
            last.locator("img").wait_for()
            page.screenshot(path=PROJECT / "docs" / "voldemo.png")
            page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")


def _predict(page) -> None:
    for name, clicks in CLICKS.items():
        for _ in range(clicks):
            page.locator(f".vd-{name}").click()


if __name__ == "__main__":
    main()
