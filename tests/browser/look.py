"""Pictures of a chapter as a learner sees it, all cells run: `python -m tests.browser.look LANGUAGE CHAPTER FOLDER`.

CHAPTER is a number or a name. One PNG for each screenful, and one line for each thing that went wrong on the page.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from voldemo.chapters import chapters

from .jupyter import PROJECT, SCREEN, chromium, copy_notebooks, open_chapter, open_lab, run_all, serve

SHEET = "() => document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer')"
SCROLL = f"top => {{ const sheet = ({SHEET})(); sheet.scrollTop = top; return sheet.scrollTop; }}"
SIZE = f"""() => {{
  // below the last cell there is only room to scroll
  const sheet = ({SHEET})(), last = [...sheet.querySelectorAll('.jp-Cell')].at(-1);
  const end = last.getBoundingClientRect().bottom - sheet.getBoundingClientRect().top + sheet.scrollTop;
  return [sheet.clientHeight, end];
}}"""
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
OVERLAP = 60  # no line of text is cut by both pictures


def look(language: str, name: str, folder: Path) -> list[Path]:
    [chapter] = chapters(PROJECT, language, [name])
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        root, private = Path(scratch, "root"), Path(scratch, "jupyter")
        with serve(copy_notebooks(root), language, private) as lab, chromium(playwright) as browser:
            page = browser.new_page(viewport=SCREEN)
            page.on("pageerror", lambda error: print(f"page error: {error}", file=sys.stderr))
            open_lab(page, lab.url)
            open_chapter(page, chapter.language, chapter.name)
            for failed in run_all(page):
                print(f"failed: cell {failed}", file=sys.stderr)
            pictures = photograph(page, folder, chapter.name)
            page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    return pictures


def photograph(page: Page, folder: Path, name: str) -> list[Path]:
    """The notebook from top to bottom, a screenful at a time."""
    height, whole = page.evaluate(SIZE)
    pictures = []
    for number, top in enumerate(range(0, max(int(whole) - OVERLAP, 1), height - OVERLAP), start=1):
        page.evaluate(SCROLL, top)
        page.evaluate(DRAWN)
        pictures.append(folder / f"{name}-{number:02}.png")
        page.screenshot(path=pictures[-1])
    return pictures


if __name__ == "__main__":
    print(*look(sys.argv[1], sys.argv[2], Path(sys.argv[3])), sep="\n")
