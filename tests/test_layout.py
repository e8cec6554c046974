"""The arrows of the design: who must not know whom. Imports are read, not run, so those inside functions count too."""

import ast
import sys
from pathlib import Path

import pytest

import voldemo

PACKAGE = Path(voldemo.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
WIDGETS = ("ipywidgets",)
DRAWING = ("matplotlib", "voldemo.charts")
NOTEBOOK = ("IPython", *WIDGETS, "voldemo.widgets", "voldemo.notebook")

# Room -> what must not be imported in it. A room is a module or a folder of them, and must exist.
ARROWS: dict[str, tuple[str, ...]] = {
    "experiments": (*NOTEBOOK, *DRAWING, "voldemo.checks", "voldemo.predict", "voldemo.interview", "voldemo.engine"),
    "sandbox.py": (*NOTEBOOK, *DRAWING, "voldemo.experiments"),
    "frames.py": ("docker", "voldemo.sandbox", "voldemo.connect", *NOTEBOOK, *DRAWING),
    "charts.py": ("docker", "voldemo.sandbox", "voldemo.connect", "voldemo.experiments", *NOTEBOOK),
    "predict.py": ("docker", "voldemo.sandbox", "voldemo.connect", "voldemo.experiments", *NOTEBOOK),
    "checks.py": (*WIDGETS, "voldemo.widgets", *DRAWING),
    "words.py": ("docker", "voldemo.sandbox", *NOTEBOOK, *DRAWING),
    "errors.py": (*NOTEBOOK, *DRAWING),
    "connect.py": (*WIDGETS, *DRAWING, "voldemo.experiments"),
    "run.py": WIDGETS,
    "doctor.py": WIDGETS,
    "lab.py": ("docker", *WIDGETS),
    "__main__.py": WIDGETS,
    ".": ("tests", "jupytext", "pytest", "playwright"),
}
# Room of the engine -> what of the engine it may know, besides itself.
WITHIN = {
    "engine/store": ("voldemo.engine.errors", "voldemo.engine.nodes"),
    "engine/runtime": ("voldemo.engine.errors", "voldemo.engine.nodes"),
    "engine/registry": ("voldemo.engine.errors", "voldemo.engine.store"),
}
# What only one room may import.
ALONE = {"ipywidgets": "widgets.py"}
LONGEST = 300


def imported(source: str) -> set[str]:
    """The full names of what `source` imports: `from a import b` may mean a.b."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def broken(source: str, forbidden: tuple[str, ...]) -> list[str]:
    """The imports of `source` that lead where they must not; a relative one could lead anywhere."""
    return sorted(
        name
        for name in imported(source)
        if name.startswith(".") or any(name == each or name.startswith(f"{each}.") for each in forbidden)
    )


def files(room: str) -> list[Path]:
    path = PACKAGE / room
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@pytest.mark.parametrize("room", ARROWS)
def test_no_room_knows_whom_it_must_not(room):
    assert files(room)
    wrong = {path.name: broken(path.read_text(encoding="utf-8"), ARROWS[room]) for path in files(room)}
    assert {name: names for name, names in wrong.items() if names} == {}


def strange(source: str, known: tuple[str, ...]) -> list[str]:
    """The imports of `source` from elsewhere than the standard library and `known`."""
    rooms = (*sys.stdlib_module_names, *known)
    names = imported(source) - {"voldemo.engine"}
    return sorted(name for name in names if not any(name == room or name.startswith(f"{room}.") for room in rooms))


@pytest.mark.parametrize("path", files("engine"), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_engine_is_separable(path):
    assert strange(path.read_text(encoding="utf-8"), ("h11", "voldemo.engine")) == []


@pytest.mark.parametrize(("room", "known"), WITHIN.items())
def test_a_room_of_the_engine_knows_no_other(room, known):
    own = f"voldemo.{room.replace('/', '.')}"
    assert files(room)
    wrong = {path.name: strange(path.read_text(encoding="utf-8"), (own, *known)) for path in files(room)}
    assert {name: names for name, names in wrong.items() if names} == {}


@pytest.mark.parametrize(("library", "room"), ALONE.items())
def test_one_room_alone_knows_a_library(library, room):
    knows = [path for path in MODULES if broken(path.read_text(encoding="utf-8"), (library,))]
    assert knows == [PACKAGE / room]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_fits_in_a_head(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import docker", ["docker"]),
        ("import docker.types", ["docker.types"]),
        ("from docker import DockerClient", ["docker", "docker.DockerClient"]),
        ("from voldemo import charts", ["voldemo.charts"]),
        ("import voldemo.charts as c", ["voldemo.charts"]),
        ("def f():\n    import docker", ["docker"]),
        ("from . import charts", [".", "..charts"]),
        ("from ..charts import draw", ["..charts", "..charts.draw"]),
        ("import dockerfile, voldemo.chartsman\nfrom voldemo import frames", []),
        ("docker = 1  # import docker", []),
    ],
)
def test_the_check_sees_a_broken_arrow(source, found):
    assert broken(source, ("docker", "voldemo.charts")) == found
