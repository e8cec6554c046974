"""Where the notebooks are, and which of them a name means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voldemo.words import LANGUAGES, Sentence


@dataclass(frozen=True)
class Chapter:
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def language(self) -> str:
        return self.path.parent.name


def root() -> Path:
    """The project's folder: the current directory or one above it, else where this package came from."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).parents[1]):
        if any(_all(folder, language) for language in LANGUAGES):
            return folder
    raise Sentence("chapters.no_project", folder=here)


def chapters(root: Path, language: str, names: list[str]) -> list[Chapter]:
    """The chapters that `names` mean (numbers, names or paths), in that order; all of them without names."""
    present = _all(root, language)
    return [_one(present, name) for name in names] or present


def _one(present: list[Chapter], name: str) -> Chapter:
    if (path := Path(name)).suffix == ".ipynb" and path.exists():
        return Chapter(path.resolve())
    for chapter in present:
        if name == chapter.name or (name.isdigit() and int(name) == int(chapter.name[:2])):
            return chapter
    raise Sentence("chapters.unknown", name=name, those=", ".join(chapter.name for chapter in present))


def _all(root: Path, language: str) -> list[Chapter]:
    return [Chapter(path) for path in sorted((root / "notebooks" / language).glob("[0-9][0-9]_*.ipynb"))]
