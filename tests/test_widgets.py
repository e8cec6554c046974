import pandas as pd
import pytest

from voldemo import predict, track
from voldemo.words import words


@pytest.fixture
def asked():
    return predict("survived", kind=("layer", "bind"), event=("stop", "docker rm"))


def _button(asked, name):
    (button,) = [each for each in asked._buttons.values() if name in each._dom_classes]
    return button


def test_a_click_turns_and_is_compared(asked):
    button = _button(asked, "vd-layer-docker-rm")
    before = button.description
    button.click()
    assert (before, button.description) == ("?", "✓")
    frame = pd.DataFrame({"kind": ["layer"], "event": ["docker rm"], "survived": [False]})
    assert list(asked.against(frame).hit) == [None, False, None, None]
    assert (
        _button(
            predict("survived", kind=("layer", "bind"), event=("stop", "docker rm")), "vd-layer-docker-rm"
        ).description
        == "✓"
    )
    button.click()
    button.click()
    assert button.description == "?"


def test_a_page_without_a_kernel_shows_a_table(asked):
    bundle = asked._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "docker rm" in bundle["text/html"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_it_says_what_to_do_in_the_language_of_the_page(language, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", f"/x/notebooks/{language}/00_start.ipynb")
    how = predict("left", removal=("rm",)).children[0].value
    assert words()["predict.how"][language] in how


def test_track_passes_everything_on_and_goes_away(monkeypatch):
    bars = []
    monkeypatch.setattr("voldemo.widgets.display", bars.append)
    assert list(track(iter("abc"))) == ["a", "b", "c"]
    assert bars[0].value == 3
    assert bars[0].comm is None


def test_an_interrupted_track_goes_away_too(monkeypatch):
    bars = []
    monkeypatch.setattr("voldemo.widgets.display", bars.append)
    going = track("abc")
    next(going)
    with pytest.raises(KeyboardInterrupt):
        going.throw(KeyboardInterrupt)
    assert bars[0].comm is None
