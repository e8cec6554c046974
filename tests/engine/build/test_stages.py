import pytest

from voldemo.engine.build.dockerfile import parse
from voldemo.engine.build.stages import add_labels, arrange
from voldemo.engine.errors import BadParameter

F = "FROM busybox:1.37\n"


def arranged(text: str, target: str = ""):
    return arrange(parse(text.encode()), target)


def test_stages_and_their_names():
    found = arranged("ARG V\nFROM a AS One\nRUN x\nFROM b as two")
    assert [(stage.base, stage.name) for stage in found.stages] == [("a", "one"), ("b", "two")]
    assert found.steps == 4


@pytest.mark.parametrize("target", ["one", "ONE", "0"])
def test_a_target_ends_it(target):
    assert len(arranged("FROM a AS one\nFROM b", target).stages) == 1


def test_labels_are_one_more_step():
    found = arranged(F)
    add_labels(found, {"b": "x y", "a": '$"'})
    assert found.stages[-1].steps[-1].text == r'LABEL a="\$\"" b="x y"'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM", "line 1: FROM requires either one or three arguments"),
        ("FROM a as", "FROM requires either one or three arguments"),
        ("RUN x", "no build stage in current context"),
        ("FOO x\n" + F, r"line 1: unknown instruction: FOO \(did you mean FROM\?\)"),
        (F + "COPY f", "line 2: COPY requires at least two arguments, but only one was provided"),
        (F + "COPY --frm=x f /x", r"unknown flag: --frm \(did you mean from\?\)"),
        (F + "ENV a", "ENV must have two arguments"),
        (F + "ENV", "ENV requires at least one argument"),
        (F + "FROM x AS 1x", 'invalid name for build stage: "1x"'),
        (F + "HEALTHCHECK x", r'Unknown type "X" in HEALTHCHECK \(try CMD\)'),
        (F + "HEALTHCHECK --interval=x CMD x", 'time: invalid duration "x"'),
        (F + "ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        (F + "ONBUILD ONBUILD x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        (F + "SHELL x", "SHELL requires the arguments to be in JSON form"),
        (F + "USER", "USER requires exactly one argument"),
        (F + "VOLUME", "VOLUME requires at least one argument"),
        (F + "ARG", "ARG requires at least one argument"),
    ],
)
def test_refused_before_anything_is_built(text, said):
    with pytest.raises(BadParameter, match=said):
        arranged(text)


def test_a_target_that_is_not_there():
    with pytest.raises(BadParameter, match='target stage "nine" could not be found'):
        arranged(F, "nine")
