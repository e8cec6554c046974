"""What a learner does in a chapter: predict, run, see both drawn, do the exercise, watch the check change."""

import json

import pytest
from matplotlib.colors import to_rgb
from playwright.sync_api import expect

from voldemo import exercises
from voldemo.charts import MISSED
from voldemo.words import words

from .jupyter import PROJECT, cell, open_chapter, run_all, run_cell, write_cell

pytestmark = pytest.mark.browser
SOLUTION = """!docker volume create --label $LABEL done-in-a-browser
!docker run --rm --network none -v done-in-a-browser:/data busybox:1.37 sh -c 'echo hello > /data/note'"""


def id_of(language: str, name: str, text: str) -> str:
    """The id of the chapter's first code cell that has `text`, or that is an empty exercise."""
    cells = json.loads((PROJECT / "notebooks" / language / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [each for each in cells if each["cell_type"] == "code"]
    return next(c["id"] for c in code if text in ("".join(c["source"]) or "exercise"))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_prediction_is_clicked_and_drawn_beside_what_happened(workspace, language):
    page = workspace(language)
    open_chapter(page, language, "00_start")
    for text in ("client = connect()", "leftovers_guess ="):
        assert run_cell(page, id_of(language, "00_start", text))
    asked = cell(page, id_of(language, "00_start", "leftovers_guess ="))
    expect(asked).to_contain_text(words()["predict.how"][language])
    button = asked.locator(".vd-rm-v-anonymous")
    expect(button).to_have_text("?")
    button.click()
    expect(button).to_have_text("✓")  # a miss: `rm -v` takes it along
    assert run_cell(page, id_of(language, "00_start", "leftovers ="))
    drawn = id_of(language, "00_start", "charts.grid(leftovers_guess")
    assert run_cell(page, drawn)
    picture = cell(page, drawn).locator("img")
    expect(picture).to_be_visible()
    assert reds(picture) > 100
    assert run_cell(page, id_of(language, "00_start", "leftovers_guess ="))  # asked again, the answer is still there
    expect(button).to_have_text("✓")


def reds(picture) -> int:
    """How many pixels of a chart have the colour that frames a miss."""
    return picture.evaluate(
        """async (image, [red, green, blue]) => {
          const {naturalWidth: width, naturalHeight: height} = image;
          const context = Object.assign(document.createElement('canvas'), {width, height}).getContext('2d');
          context.drawImage(image, 0, 0);
          const {data} = context.getImageData(0, 0, width, height);
          let count = 0;
          for (let i = 0; i < data.length; i += 4)
            count += data[i] === red && data[i + 1] === green && data[i + 2] === blue;
          return count;
        }""",
        [round(255 * part) for part in to_rgb(MISSED)],
    )


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_exercise_is_done_and_the_check_changes(workspace, client, language):
    page = workspace(language)
    open_chapter(page, language, "00_start")
    check = id_of(language, "00_start", "checks.first_volume")
    for text in ("client = connect()", "checks.first_volume"):
        assert run_cell(page, id_of(language, "00_start", text))
    expect(cell(page, check).locator(".vd-check-open")).to_contain_text(words()["check.open"][language])
    exercise = id_of(language, "00_start", "exercise")
    write_cell(page, exercise, SOLUTION)
    assert run_cell(page, exercise)
    assert run_cell(page, check)
    expect(cell(page, check).locator(".vd-check-done")).to_contain_text(words()["check.done"][language])
    assert run_cell(page, id_of(language, "00_start", "exercises.clear"))
    assert exercises.volumes(client).empty


def test_a_chapter_begun_in_its_middle_gets_one_sentence(workspace):
    page = workspace("ko")
    open_chapter(page, "ko", "02_mounts")
    middle = id_of("ko", "02_mounts", "missing = ")
    assert not run_cell(page, middle)
    said = cell(page, middle).locator(".jp-OutputArea-output")
    expect(said).to_have_text(words()["cell.order"]["ko"].format(name="mounts"))


@pytest.mark.parametrize(("language", "name"), [("ko", "02_mounts"), ("en", "03_volumes")])
def test_a_chapter_runs_unsolved_from_top_to_bottom_and_nothing_overflows(workspace, language, name):
    page = workspace(language)
    open_chapter(page, language, name)
    assert run_all(page) == []
    too_wide = page.evaluate(
        """() => [...document.querySelectorAll('.jp-Notebook .jp-RenderedHTMLCommon, .jp-Notebook .vd-predict')]
          .filter(each => each.scrollWidth > each.clientWidth + 1).map(each => each.textContent.slice(0, 80))"""
    )
    assert too_wide == []
