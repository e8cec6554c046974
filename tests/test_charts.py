import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from voldemo import charts
from voldemo.predict import Guess, Question


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def _measured(**columns) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    frame.attrs["engine"] = "Docker Engine 0"
    return frame


def _engine(axes) -> str:
    return axes.figure.get_supxlabel()


def _boxes(axes) -> dict[tuple[float, float], Rectangle]:
    return {(round(box.get_x() + 0.46), round(box.get_y() + 0.42)): box for box in axes.patches}


def test_grid_shows_what_was_observed_and_marks_what_was_missed():
    question = Question("survived", (("kind", ("layer", "bind")), ("event", ("stop", "rm"))))
    seen = _measured(kind=["layer"] * 2 + ["bind"] * 2, event=["stop", "rm"] * 2, survived=[True, False, True, True])
    axes = charts.grid(Guess(question, {("layer", "rm"): True, ("bind", "rm"): True}).against(seen))
    assert [text.get_text() for text in axes.texts] == ["✓", "✗", "✓", "✓"]
    missed = {at for at, box in _boxes(axes).items() if to_hex(box.get_edgecolor()) == charts.MISSED}
    assert missed == {(1, 0)}
    assert _engine(axes) == "Docker Engine 0"


def test_grid_of_one_column_is_headed_by_the_value():
    axes = charts.grid(
        Guess(Question("kind", (("path", ("/a", "/b")),), ("A",))).against(_measured(path=["/a"], kind=["A"]))
    )
    assert [label.get_text() for label in axes.get_xticklabels()] == ["kind"]
    assert [text.get_text() for text in axes.texts] == ["A", "?"]


def test_steps_stand_in_their_order():
    axes = charts.steps(_measured(step=[1, 2], instruction=["ADD", "CMD"], bytes=[56_000_000, 0]))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ADD 1", "CMD 2"]
    assert [text.get_text() for text in axes.texts] == ["56 MB", "0 B"]
    assert _engine(axes)


def test_stacks_colour_what_is_shared():
    frame = _measured(image=["a", "b", "b"], layer=["x", "x", "y"], bytes=[5, 5, 2], images=[2, 2, 1])
    axes = charts.stacks(frame.assign(bytes=frame.bytes.astype("Int64")))
    colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colours == [charts.SERIES[0], charts.SERIES[0], charts.SERIES[1]]
    assert [bar.get_x() for bar in axes.patches] == [0, 0, 5]


def test_bill_sets_the_measured_beside_the_computed():
    axes = charts.bill(
        _measured(containers=[1, 100], shared_bytes=[100] * 2, writable_bytes=[1, 100], copied_bytes=[101, 10100])
    )
    assert [bar.get_height() for bar in axes.patches] == [101, 200, 101, 10100]


def test_copy_up_draws_a_line_for_each_place_and_append():
    rows = [
        (place, size, append)
        for place in ("layer", "volume")
        for size in (1 << 20, 1 << 24)
        for append in ("first", "second")
    ]
    frame = pd.DataFrame(rows, columns=["place", "file_bytes", "append"]).assign(seconds=0.001)
    axes = charts.copy_up(frame)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "layer, first append",
        "layer, second append",
        "volume, first append",
        "volume, second append",
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1 MiB", "16 MiB"]


def test_bars_write_their_bytes():
    axes = charts.bars(
        _measured(delete=["later step", "same step"], image_bytes_added=[1 << 24, 0]), "delete", "image_bytes_added"
    )
    assert [text.get_text() for text in axes.texts] == ["16 MiB", "0 B"]
