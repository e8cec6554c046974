"""A frame drawn: what was observed, who pays for which bytes, what one write costs. Nothing here talks to Docker."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter

from voldemo.predict import shown

YES, NO, OTHER, MISSED = "#2e7d5b", "#d5dbe1", "#24648f", "#c0392b"
SERIES = ("#24648f", "#e08e2b", "#2e7d5b", "#8c5fa8")
FAINT = "#6b7680"
BYTES = EngFormatter("B", places=0, sep=" ")
SECONDS = EngFormatter("s", places=0, sep=" ")


def grid(frame: pd.DataFrame) -> Axes:
    """What was observed in each cell of a frame of `Guess.against`; a red frame marks a prediction that missed.

    The columns before `predicted` make the rows and, if there are two, the columns of the grid.
    """
    keys = list(frame.columns[: list(frame.columns).index("predicted")])
    down = list(dict.fromkeys(frame[keys[0]]))
    across = list(dict.fromkeys(frame[keys[1]])) if len(keys) > 1 else [frame.attrs["value"]]
    axes = _axes(frame, width=2.6 + 1.1 * len(across), height=0.9 + 0.4 * len(down))
    for cell in frame.itertuples(index=False):
        column = across.index(cell[1]) if len(keys) > 1 else 0
        _cell(axes, column, down.index(cell[0]), cell)
    axes.set(xlim=(-0.5, len(across) - 0.5), ylim=(len(down) - 0.5, -0.5))
    axes.set_xticks(range(len(across)), [str(each) for each in across])
    axes.set_yticks(range(len(down)), [str(each) for each in down])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def _cell(axes: Axes, column: int, row: int, cell: tuple) -> None:
    colour = OTHER if not isinstance(cell.observed, bool) else YES if cell.observed else NO
    missed = cell.hit is False
    box = Rectangle((column - 0.46, row - 0.42), 0.92, 0.84, facecolor=colour, edgecolor=MISSED if missed else "none")
    box.set_linewidth(2.5)
    axes.add_patch(box)
    ink = "#30373d" if colour == NO else "white"
    axes.text(column, row, shown(cell.observed), ha="center", va="center", color=ink)


def steps(frame: pd.DataFrame) -> Axes:
    """`layers.history`: the bytes each step added, lowest step at the bottom."""
    axes = _axes(frame, height=0.9 + 0.26 * len(frame))
    bars = axes.barh(frame.step, frame.bytes, color=SERIES[0])
    axes.bar_label(bars, [BYTES(size) for size in frame.bytes], padding=4, fontsize=8, color=FAINT)
    axes.set_yticks(frame.step, [f"{row.instruction} {row.step}" for row in frame.itertuples()], fontsize=8)
    axes.margins(x=0.15, y=0.02)
    return _in_bytes(axes, "x")


def stacks(frame: pd.DataFrame) -> Axes:
    """`layers.shared`: one bar an image, its layers from left to right; what several images share has one colour."""
    images = list(dict.fromkeys(frame.image))
    axes = _axes(frame, height=0.9 + 0.5 * len(images))
    for position, image in enumerate(images):
        left = 0
        for layer in frame[frame.image == image].itertuples():
            size = 0 if pd.isna(layer.bytes) else layer.bytes
            shared = layer.images > 1
            axes.barh(position, size, left=left, color=SERIES[0] if shared else SERIES[1], edgecolor="white")
            left += size
    axes.set_yticks(range(len(images)), images)
    axes.invert_yaxis()
    _legend(axes, {"shared layer": SERIES[0], "own layer": SERIES[1]})
    return _in_bytes(axes, "x")


def bill(frame: pd.DataFrame) -> Axes:
    """`layers.containers`: what the containers take, beside what copies of the image would; a logarithmic scale."""
    axes = _axes(frame)
    shared, copied = frame.shared_bytes + frame.writable_bytes, frame.copied_bytes
    for offset, (sizes, colour) in enumerate(((shared, SERIES[0]), (copied, NO))):
        places = [place + 0.4 * (offset - 0.5) for place in range(len(frame))]
        bars = axes.bar(places, sizes, width=0.36, color=colour)
        axes.bar_label(bars, [BYTES(size) for size in sizes], padding=2, fontsize=8, color=FAINT)
    axes.set_xticks(range(len(frame)), frame.containers)
    axes.set_xlabel("containers")
    axes.set_yscale("log")
    axes.margins(y=0.2)
    _legend(axes, {"shared + writable (measured)": SERIES[0], "copied (computed)": NO})
    return _in_bytes(axes, "y")


def copy_up(frame: pd.DataFrame) -> Axes:
    """`layers.copy_up`: seconds for one byte against the size of the file; both scales logarithmic."""
    axes = _axes(frame)
    for (place, append), part in frame.groupby(["place", "append"], sort=False):
        colour = SERIES[0] if place == "layer" else SERIES[1]
        style = {"first": "o-", "second": "s--"}[append]
        axes.plot(part.file_bytes, part.seconds, style, color=colour, label=f"{place}, {append} append")
    axes.set(xscale="log", yscale="log", xlabel="file", ylabel="append 1 B")
    axes.set_xticks(sorted(set(frame.file_bytes)), [_binary(size) for size in sorted(set(frame.file_bytes))])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(SECONDS)
    axes.legend(frameon=False, fontsize=8)
    return axes


def bars(frame: pd.DataFrame, label: str, size: str) -> Axes:
    """One bar a row: the column `size`, in bytes, named by the column `label`."""
    axes = _axes(frame, height=0.9 + 0.42 * len(frame))
    names = [_binary(each) if label.endswith("bytes") else str(each) for each in frame[label]]
    drawn = axes.barh(names, frame[size], color=SERIES[0])
    axes.bar_label(drawn, [_binary(each) for each in frame[size]], padding=4, fontsize=8, color=FAINT)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(xlabel=size, ylabel=label, xticks=[])
    return axes


def _axes(frame: pd.DataFrame, width: float = 6.4, height: float = 3.4) -> Axes:
    """New axes that say below them where the numbers come from."""
    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    figure.supxlabel(frame.attrs.get("engine", ""), fontsize=7, color=FAINT, x=0.99, ha="right")
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _in_bytes(axes: Axes, which: str) -> Axes:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(BYTES)
    return axes


def _legend(axes: Axes, colours: dict[str, str]) -> None:
    axes.legend(
        handles=[Rectangle((0, 0), 1, 1, color=colour) for colour in colours.values()],
        labels=list(colours),
        frameon=False,
        fontsize=8,
    )


def _binary(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.0f} GiB"
