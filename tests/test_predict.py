import pandas as pd
import pytest

from voldemo.predict import Guess, Question, guess, shown

QUESTION = Question("survived", (("kind", ("layer", "bind")), ("event", ("stop", "rm"))))
SEEN = pd.DataFrame(
    [("layer", "stop", True), ("layer", "rm", False), ("bind", "stop", True), ("bind", "rm", True)],
    columns=["kind", "event", "survived"],
)


def test_a_cell_turns_through_the_choices_and_back_to_open():
    one = Guess(QUESTION)
    turned = []
    for _ in range(3):
        one.turn(("layer", "rm"))
        turned.append(one.answers.get(("layer", "rm")))
    assert turned == [True, False, None]


def test_against_what_was_seen():
    one = Guess(QUESTION, {("layer", "stop"): True, ("layer", "rm"): True})
    compared = one.against(SEEN)
    assert list(compared.columns) == ["kind", "event", "predicted", "observed", "hit"]
    assert compared.hit.to_list() == [True, False, None, None]
    assert compared.observed.to_list() == [True, False, True, True]


def test_what_the_frame_does_not_have_stays_open():
    one = Guess(QUESTION, {("bind", "rm"): True})
    assert one.against(SEEN.head(2)).hit.to_list() == [None, None, None, None]


def test_one_column_and_other_choices():
    one = Guess(Question("kind", (("path", ("/a", "/b")),), ("A", "D")), {("/a",): "D", ("/b",): "D"})
    compared = one.against(pd.DataFrame({"path": ["/a", "/b"], "kind": ["A", "D"]}))
    assert compared.hit.to_list() == [False, True]


def test_the_frame_keeps_its_engine():
    SEEN.attrs["engine"] = "Docker Engine 0"
    assert Guess(QUESTION).against(SEEN).attrs["engine"] == "Docker Engine 0"


def test_asking_again_keeps_the_answers():
    guess("copied", mount=("volume", "bind")).turn(("bind",))
    assert guess("copied", mount=("volume", "bind")).answers == {("bind",): True}
    assert guess("copied", mount=("volume",)).answers == {}


@pytest.mark.parametrize("keys", [(), (("a", ()), ("b", ()), ("c", ()))])
def test_one_or_two_columns_are_asked_about(keys):
    with pytest.raises(ValueError, match="one or two columns"):
        Question("x", keys)


def test_choices_are_shown_without_language():
    assert [shown(choice) for choice in (None, True, False, "A", 1, 0)] == ["?", "✓", "✗", "A", "1", "0"]
