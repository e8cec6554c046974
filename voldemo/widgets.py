"""What a learner clicks and watches. The only file here that knows ipywidgets."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from html import escape

import ipywidgets as ipw
import pandas as pd
from IPython.display import display

from voldemo.predict import Guess, Key, guess, shown
from voldemo.words import say

COLOURS = {True: "#cfe8d5", False: "#f6d5d2"}
CELL = "7.5rem"


class Predict(ipw.VBox):
    """A grid of buttons, one for each cell of the question; a click turns to the next choice."""

    def __init__(self, guess: Guess):
        self.guess = guess
        self._buttons = {cell: self._button(cell) for cell in guess.question.cells()}
        super().__init__([ipw.HTML(escape(say("predict.how"))), self._grid()])
        self.add_class("vd-predict")

    def against(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What was predicted beside what `frame` shows: columns …, predicted, observed, hit."""
        return self.guess.against(frame)

    def _grid(self) -> ipw.GridBox:
        columns, rows = self.guess.question.grid()
        heads = [ipw.HTML(f"<b>{escape(str(name))}</b>") for name in columns]
        children = [ipw.HTML(""), *heads]
        for row, cells in rows:
            children += [ipw.HTML(f"<code>{escape(str(row))}</code>"), *(self._buttons[cell] for cell in cells)]
        layout = ipw.Layout(grid_template_columns=f"max-content repeat({len(heads)}, {CELL})", grid_gap="4px 12px")
        return ipw.GridBox(children, layout=layout)

    def _button(self, cell: Key) -> ipw.Button:
        button = ipw.Button(layout=ipw.Layout(width=CELL))
        button.add_class("vd-" + "-".join(re.sub(r"\W+", "-", str(part)).strip("-") for part in cell))
        button.on_click(lambda _: self._turn(cell))
        self._write(button, self.guess.answers.get(cell))
        return button

    def _turn(self, cell: Key) -> None:
        self.guess.turn(cell)
        self._write(self._buttons[cell], self.guess.answers.get(cell))

    @staticmethod
    def _write(button: ipw.Button, choice: Hashable) -> None:
        button.description = shown(choice)
        button.style.button_color = COLOURS.get(choice) if isinstance(choice, bool) else None

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """A page without a kernel cannot click: it shows what was answered."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/html": _table(self.guess)} if bundle else bundle


def _table(guess: Guess) -> str:
    columns, rows = guess.question.grid()
    frame = pd.DataFrame(
        [[shown(guess.answers.get(cell)) for cell in cells] for _, cells in rows],
        index=[str(row) for row, _ in rows],
        columns=[str(column) for column in columns],
    )
    return frame.to_html()


def predict(value: str, choices: Sequence[Hashable] = (True, False), **keys: Sequence[Hashable]) -> Predict:
    """Ask what a column of a frame will hold: `predict("survived", kind=KINDS, event=EVENTS)`."""
    return Predict(guess(value, choices, **keys))


def track(items: Iterable) -> Iterator:
    """Go through `items` under a progress bar, which is taken away at the end."""
    items = list(items)
    bar = ipw.IntProgress(max=len(items), description=f"0/{len(items)}")
    bar.add_class("vd-track")
    display(bar)
    try:
        for number, item in enumerate(items, 1):
            yield item
            bar.value, bar.description = number, f"{number}/{len(items)}"
    finally:
        bar.close()
