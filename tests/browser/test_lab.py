"""What a learner meets first: `voldemo lab`, before any cell has run."""

import json

import pytest
from playwright.sync_api import expect

from .jupyter import (
    PROJECT,
    SETTINGS,
    cell,
    copy_notebooks,
    open_chapter,
    open_lab,
    run_all,
    run_cell,
    serve,
    write_cell,
)

pytestmark = pytest.mark.browser
LANGUAGES = ("en", "ko")
FILE_MENU = {"en": "File", "ko": "파일"}
HANGUL_FONTS = ("Nanum", "Noto Sans CJK", "Noto Sans KR", "Malgun", "Apple SD")


def landing_cells(language: str) -> list[dict]:
    return json.loads((PROJECT / "notebooks" / language / "00_start.ipynb").read_text(encoding="utf-8"))["cells"]


def title(language: str) -> str:
    """The landing notebook's first heading, as its file says it."""
    return "".join(landing_cells(language)[0]["source"]).splitlines()[0].removeprefix("# ")


def first_code_cell(language: str) -> str:
    return next(cell["id"] for cell in landing_cells(language) if cell["cell_type"] == "code")


@pytest.fixture
def landing(labs, page):
    """`landing("ko")`: what the printed address shows."""

    def show(language: str):
        open_lab(page, labs(language).url)
        return page

    return show


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_printed_address_opens_the_landing_notebook(landing, language):
    heading = landing(language).locator(".jp-Notebook h1").first
    expect(heading).to_contain_text(title(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_contents_are_open_at_the_left(landing, language):
    contents = landing(language).locator("#jp-left-stack .jp-TableOfContents")
    expect(contents).to_be_visible()
    expect(contents.locator(".jp-tocItem").first).to_contain_text(title(language))


def test_nothing_pops_up(landing):
    page = landing("en")
    open_chapter(page, "en", "00_start")  # JupyterLab's question about its news comes long before the kernel answers
    expect(page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)


def test_jupyterlab_does_not_look_for_a_build(labs, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    open_lab(page, labs("en").url)
    open_chapter(page, "en", "00_start")
    assert any("/api/kernels" in url for url in asked)
    assert not any("/lab/api/build" in url for url in asked)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_menus_speak_the_learners_language(landing, language):
    expect(landing(language).locator(".lm-MenuBar-itemLabel").first).to_have_text(FILE_MENU[language])


def test_what_a_learner_chose_in_jupyterlab_keeps_the_last_word(page, tmp_path):
    chosen = SETTINGS | {"@jupyterlab/translation-extension/plugin": {"locale": "en"}}
    with serve(copy_notebooks(tmp_path / "root"), "ko", tmp_path / "jupyter", chosen) as lab:
        open_lab(page, lab.url)
        expect(page.locator(".lm-MenuBar-itemLabel").first).to_have_text(FILE_MENU["en"])
        expect(page.locator(".jp-Notebook h1").first).to_contain_text(title("ko"))
        open_chapter(page, "ko", "00_start")  # a server is not to be stopped while it starts a kernel
        page.goto("about:blank")


@pytest.mark.parametrize("place", [".lm-MenuBar-itemLabel", ".jp-Notebook h1", ".jp-tocItem-content"])
def test_hangul_is_drawn_with_a_font_that_has_it(landing, place):
    page = landing("ko")
    expect(page.locator(place).first).to_be_visible()
    assert any(font.startswith(HANGUL_FONTS) for font in drawn_with(page, place))


def drawn_with(page, selector: str) -> list[str]:
    """The fonts the browser really took for the first element: a missing glyph is drawn with another one."""
    session = page.context.new_cdp_session(page)
    for domain in ("DOM", "CSS"):
        session.send(f"{domain}.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    node = session.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    return [font["familyName"] for font in session.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_landing_notebook_runs(workspace, language):
    page = workspace(language)
    open_chapter(page, language, "00_start")
    assert run_all(page) == []


def test_a_cell_can_be_changed_and_run(workspace):
    """What the tests of chapters rely on."""
    page = workspace("en")
    open_chapter(page, "en", "00_start")
    id = first_code_cell("en")
    write_cell(page, id, "'solved ' + 'by hand'")
    assert run_cell(page, id)
    expect(cell(page, id).locator(".jp-OutputArea-output")).to_have_text("'solved by hand'")
    write_cell(page, id, "undefined")
    assert not run_cell(page, id)
    assert run_all(page)[0] == id
