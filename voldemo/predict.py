"""A learner's prediction of one column of an experiment's frame, and how it compares with what was measured."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import product

import pandas as pd

Key = tuple[Hashable, ...]


@dataclass(frozen=True)
class Question:
    """Which `value` will the frame have for each combination of `keys`?"""

    value: str  # the column asked for
    keys: tuple[tuple[str, tuple[Hashable, ...]], ...]  # one or two other columns, with the entries asked for
    choices: tuple[Hashable, ...] = (True, False)

    def __post_init__(self):
        if len(self.keys) not in (1, 2):
            raise ValueError(f"predict takes one or two columns to ask about, not {len(self.keys)}")

    @property
    def columns(self) -> list[str]:
        return [column for column, _ in self.keys]

    def grid(self) -> tuple[tuple[Hashable, ...], list[tuple[Hashable, list[Key]]]]:
        """The heads of the columns, and each row with its cells: one column, headed by `value`, for one key."""
        (_, rows), *more = self.keys
        if not more:
            return (self.value,), [(row, [(row,)]) for row in rows]
        columns = more[0][1]
        return columns, [(row, [(row, column) for column in columns]) for row in rows]

    def cells(self) -> list[Key]:
        return list(product(*(entries for _, entries in self.keys)))


@dataclass
class Guess:
    """What the learner answered so far."""

    question: Question
    answers: dict[Key, Hashable] = field(default_factory=dict)

    def turn(self, cell: Key) -> None:
        """The next choice for a cell: each in turn, then open again."""
        ring = [None, *self.question.choices]
        following = ring[(ring.index(self.answers.get(cell)) + 1) % len(ring)]
        self.answers.pop(cell, None)
        if following is not None:
            self.answers[cell] = following

    def against(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Columns: the question's, predicted (None while open), observed (None if not in `frame`), hit (or None)."""
        columns = self.question.columns
        seen = frame.set_index(columns)[self.question.value].to_dict()
        rows = []
        for cell in self.question.cells():
            predicted, observed = self.answers.get(cell), seen.get(cell if len(cell) > 1 else cell[0])
            open_ = predicted is None or observed is None
            rows.append([*cell, predicted, observed, None if open_ else predicted == observed])
        compared = pd.DataFrame(rows, columns=[*columns, "predicted", "observed", "hit"], dtype=object)
        compared.attrs = frame.attrs | {"value": self.question.value}
        return compared


# A cell that is run again must not lose what was answered: the question itself finds its guess.
_guesses: dict[Question, Guess] = {}


def guess(value: str, choices: Sequence[Hashable] = (True, False), **keys: Sequence[Hashable]) -> Guess:
    """The guess for a question: the same one each time it is asked in this kernel."""
    question = Question(value, tuple((column, tuple(entries)) for column, entries in keys.items()), tuple(choices))
    return _guesses.setdefault(question, Guess(question))


def shown(choice: Hashable) -> str:
    """How a choice is written on a button and in a chart: the same in every language."""
    if choice is None:
        return "?"
    if isinstance(choice, bool):  # 1 == True, but it is a number
        return "✓" if choice else "✗"
    return str(choice)
