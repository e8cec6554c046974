"""One JupyterLab for each language and one Chromium for all tests here; a page of its own for each test."""

from contextlib import ExitStack
from functools import cache

import pytest
from playwright.sync_api import expect, sync_playwright

from .jupyter import PATIENCE, PROJECT, SCREEN, chromium, copy_notebooks, open_lab, serve

FAILED = pytest.StashKey[bool]()
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def labs(tmp_path_factory):
    """`labs("ko")`: the server of that language, started when it is first asked for."""
    with ExitStack() as running:

        @cache
        def start(language: str):
            root, private = (tmp_path_factory.mktemp(name) for name in ("root", "jupyter"))
            return running.enter_context(serve(copy_notebooks(root), language, private))

        yield start


@pytest.fixture(scope="module")  # its loop keeps running in this thread, and tests of other modules have their own
def browser():
    with sync_playwright() as playwright, chromium(playwright) as opened:
        yield opened


@pytest.fixture
def page(browser, request):
    """A page with nothing remembered; a picture of it stays in build/screenshots when the test fails."""
    with browser.new_context(viewport=SCREEN) as context:
        context.set_default_timeout(PATIENCE)
        opened = context.new_page()
        yield opened
        if request.node.stash.get(FAILED, False):
            opened.screenshot(path=PROJECT / "build" / "screenshots" / f"{request.node.name}.png")
        opened.evaluate("window.jupyterapp?.serviceManager.sessions.shutdownAll()")


@pytest.fixture
def workspace(labs, page, request):
    """`workspace("ko")`: `page` shows JupyterLab in that language, with no notebook open."""

    def show(language: str):
        open_lab(page, labs(language).workspace(f"test-{abs(hash(request.node.nodeid))}"))
        return page

    return show


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and call.when == "call":
        item.stash[FAILED] = True
    return report
