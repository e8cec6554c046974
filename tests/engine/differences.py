"""What engines do differently from Docker: the suite's `differs` marks, read as they stand in its source."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ENGINES = ("docker", "embedded", "podman")
SUITE = Path(__file__).parent / "conformance"
BEGIN, END = "<!-- differences:begin -->", "<!-- differences:end -->"


@dataclass(frozen=True)
class Difference:
    engine: str
    reason: str
    run: bool = True  # False: not even tried, because it would hang


def differs(engine: str, reason: str, run: bool = True) -> pytest.MarkDecorator:
    """Marks a test that this engine is known to fail, and says why."""
    return pytest.mark.differs(engine, reason=reason, run=run)


def differences(marks: Iterable[pytest.Mark]) -> Iterator[Difference]:
    for mark in marks:
        difference = Difference(*mark.args, **mark.kwargs)
        if difference.engine not in ENGINES:
            raise pytest.UsageError(f"differs: no engine is called {difference.engine!r}")
        yield difference


def table(engine: str = "embedded") -> str:
    """A markdown table: what Docker does, and why `engine` does not."""
    rows = [(difference.reason, behaviour) for behaviour, difference in _in_source() if difference.engine == engine]
    lines = [f"| {behaviour} | {reason} |" for reason, behaviour in rows]
    return "\n".join(["| What Docker does | Why this engine does otherwise |", "|---|---|", *lines]) + "\n"


def renewed(text: str) -> str:
    """A page with the table between its markers as it is now."""
    if text.find(BEGIN) < 0 or text.find(END) < text.find(BEGIN):
        raise ValueError(f"the page lacks {BEGIN} and, after it, {END}")
    before, rest = text.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{rest.split(END, 1)[1]}"


def _in_source() -> Iterator[tuple[str, Difference]]:
    for path in sorted(SUITE.glob("test_*.py")):
        tree = ast.parse(path.read_text())
        constants = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield from ((_behaviour(node), _difference(call, constants)) for call in _marks(node))


def _constants(tree: ast.Module) -> dict[str, object]:
    """Reasons that several tests share."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            found |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
    return found


def _marks(test: ast.FunctionDef) -> Iterator[ast.Call]:
    for call in test.decorator_list:
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "differs":
            yield call


def _difference(call: ast.Call, constants: dict[str, object]) -> Difference:
    def value(node: ast.expr) -> object:
        return constants[node.id] if isinstance(node, ast.Name) else ast.literal_eval(node)

    named = {keyword.arg: value(keyword.value) for keyword in call.keywords}
    return Difference(*map(value, call.args), **named)


def _behaviour(test: ast.FunctionDef) -> str:
    return ast.get_docstring(test) or test.name.removeprefix("test_").replace("_", " ")
