#!/usr/bin/env python3
"""Builds notebooks/{en,ko}/*.ipynb from notebooks/source/*.py.

    build_notebooks.py            writes what is stale
    build_notebooks.py --check    fails where a notebook is stale or a translation was left behind
    build_notebooks.py --stamp    says: every translation fits what it translates, as it stands now

A source is a percent script. Prose comes in pairs, first lang="en", then lang="ko" with of=<digest of the English>:
when the English changes, the Korean has to be looked at, and stamped. Code is written once. A code cell tagged
`exercise` holds the solution: learners get it empty, the solution folded below it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "notebooks" / "source"
LANGUAGES = ("en", "ko")
SOLUTION = {"en": "Solution", "ko": "풀이"}
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only say what is stale")
    what.add_argument("--stamp", action="store_true", help="every translation fits its English, as it stands now")
    options = parser.parse_args()
    if options.stamp:
        for source in sources():
            source.write_text(stamped(source.read_text(encoding="utf-8")), encoding="utf-8")
    problems = [problem for source in sources() for problem in _bring_up_to_date(source, options.check)]
    print("\n".join(problems), file=sys.stderr)
    raise SystemExit(1 if problems and options.check else 0)


def sources() -> list[Path]:
    return sorted(SOURCE.glob("[0-9][0-9]_*.py"))


def target(source: Path, language: str) -> Path:
    return ROOT / "notebooks" / language / f"{source.stem}.ipynb"


def _bring_up_to_date(source: Path, only_check: bool) -> list[str]:
    problems = []
    for language in LANGUAGES:
        path = target(source, language)
        if is_fresh(path, source) and not only_check:
            continue
        if _changed_by_hand(path):
            problems.append(
                f"{path.relative_to(ROOT)} was changed by hand and is kept; move it away to have a new one."
            )
        elif only_check and (not path.exists() or path.read_text(encoding="utf-8") != text_of(source, language)):
            problems.append(f"{path.relative_to(ROOT)} is stale: run `make notebooks`.")
        elif not only_check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text_of(source, language), encoding="utf-8")
            print(f"built {path.relative_to(ROOT)}")
    return problems


def is_fresh(path: Path, source: Path) -> bool:
    return path.exists() and _marks(path).get("source") == _made_of(source)


def _marks(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))["metadata"].get("voldemo", {})


def _made_of(source: Path) -> str:
    """Names the source and this program: a notebook is stale when either changes."""
    return _digest(source.read_text(encoding="utf-8") + Path(__file__).read_text(encoding="utf-8"))


def _changed_by_hand(path: Path) -> bool:
    """A learner works in these files: answers, outputs aside, are never overwritten."""
    if not path.exists():
        return False
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return _marks(path).get("cells") != _digest_of_cells(notebook["cells"])


def text_of(source: Path, language: str) -> str:
    """A notebook as `json`, the way Jupyter writes it."""
    cells = learner_cells(source, language)
    marks = {"source": _made_of(source), "cells": _digest_of_cells(cells), "language": language}
    notebook = {"cells": cells, "metadata": {**KERNEL, "voldemo": marks}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def learner_cells(source: Path, language: str) -> list[dict]:
    """The notebook's cells: exercises empty, their solutions folded."""
    made = []
    for number, cell in enumerate(_read(source)):
        if cell["cell_type"] == "markdown":
            if cell["metadata"]["lang"] == language:
                made.append(_markdown(f"{number:03}", cell["source"]))
        elif "exercise" in cell["metadata"].get("tags", []):
            made.append(_code(f"{number:03}", "", cell["metadata"]))
            made.append(_markdown(f"{number:03}-solution", _folded(cell["source"], language)))
        else:
            made.append(_code(f"{number:03}", cell["source"], cell["metadata"]))
    return made


def solved_code(source: Path) -> list[tuple[str, list[str]]]:
    """Source and tags of each code cell, exercises solved: what the tests run."""
    return [(c["source"], c["metadata"].get("tags", [])) for c in _read(source) if c["cell_type"] == "code"]


def _markdown(name: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}


def _code(name: str, text: str, metadata: dict) -> dict:
    kept = {key: value for key, value in metadata.items() if key == "tags"}
    lines = text.splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "id": name, "metadata": kept, "outputs": [], "source": lines}


def _folded(code: str, language: str) -> str:
    return f"<details><summary>{SOLUTION[language]}</summary>\n\n```python\n{code}\n```\n\n</details>"


def _read(source: Path) -> list[dict]:
    """The source's cells, prose checked to come in pairs whose Korean was written for this English."""
    import jupytext  # only contributors have it, and only they change a source

    cells = jupytext.read(source, fmt="py:percent").cells
    following = [*cells[1:], None]
    for cell, after in zip(cells, following, strict=True):
        if cell["cell_type"] == "markdown" and cell["metadata"].get("lang") != "ko":
            _check_pair(source, cell, after)
    if sum(each["cell_type"] == "markdown" for each in cells) % 2:
        raise SystemExit(f"{source.name}: there is Korean that belongs to no English.")
    return cells


def _check_pair(source: Path, english: dict, korean: dict | None) -> None:
    first = next(iter(english["source"].splitlines()), "")
    languages = [(cell or {}).get("metadata", {}).get("lang") for cell in (english, korean)]
    if languages != ["en", "ko"]:
        raise SystemExit(f'{source.name}: prose comes in pairs, lang="en" then lang="ko": see “{first}”.')
    if korean["metadata"].get("of") != _digest(english["source"]):
        raise SystemExit(f"{source.name}: the English of “{first}” changed after its Korean; look at it, then --stamp.")


def stamped(text: str) -> str:
    """The source with each Korean cell's `of` set to the digest of the English before it."""
    parts = re.split(r"(?m)^(?=# %%)", text)
    for position, part in enumerate(parts):
        if part.startswith('# %% [markdown] lang="ko"'):
            lines = [line.removeprefix("#").removeprefix(" ") for line in parts[position - 1].splitlines()[1:]]
            head, _, body = part.partition("\n")
            parts[position] = f'# %% [markdown] lang="ko" of="{_digest(chr(10).join(lines).strip())}"\n{body}'
    return "".join(parts)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _digest_of_cells(cells: list[dict]) -> str:
    return _digest(json.dumps([["".join(cell["source"]), cell["cell_type"]] for cell in cells]))


if __name__ == "__main__":
    main()
