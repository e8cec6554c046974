"""Every sentence is there in both languages, says the same, is used, and is said in the learner's language."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import voldemo
from voldemo.words import LANGUAGES, Sentence, language, say, words

PACKAGE = Path(voldemo.__file__).parent
SOURCES = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "notebooks" / "source").glob("*.py")]
SAYING = ("say", "Sentence")


def blanks(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def trees() -> list[ast.Module]:
    assert len(SOURCES) > 10
    return [ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in SOURCES]


def said() -> list[ast.Call]:
    """Each say(…) and Sentence(…) in the package."""
    calls = [node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", None)) in SAYING]
    assert len(found) > 10
    return found


def patterns() -> list[re.Pattern]:
    """What the keys that are said look like: each string in the package, and each say(f"…") with words in its holes."""
    nodes = [node for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    holed = [call.args[0] for call in said() if call.args and isinstance(call.args[0], ast.JoinedStr)]
    strings = [re.escape(node.value) for node in nodes if isinstance(node.value, str)]
    return [re.compile(each) for each in [*strings, *map(as_pattern, holed)]]


def as_pattern(node: ast.JoinedStr) -> str:
    return "".join(re.escape(part.value) if isinstance(part, ast.Constant) else "[a-z_]+" for part in node.values)


@pytest.mark.parametrize("key", words())
def test_a_sentence_is_there_in_both_languages_with_the_same_blanks(key):
    assert set(words()[key]) == set(LANGUAGES)
    assert all(words()[key][tongue].strip() for tongue in LANGUAGES)
    assert blanks(words()[key]["en"]) == blanks(words()[key]["ko"])


@pytest.mark.parametrize("key", words())
def test_korean_is_korean_and_english_is_not(key):
    hangul = {tongue: bool(re.search("[가-힣]", words()[key][tongue])) for tongue in LANGUAGES}
    assert hangul == {"en": False, "ko": True}


def test_every_sentence_is_used():
    used = patterns()
    assert [key for key in words() if not any(pattern.fullmatch(key) for pattern in used)] == []


def test_every_sentence_that_is_said_exists_and_its_blanks_are_filled():
    literal = [call for call in said() if call.args and isinstance(call.args[0], ast.Constant)]
    assert len(literal) > 10
    for call in literal:
        key, given = call.args[0].value, {keyword.arg for keyword in call.keywords}
        assert key in words(), ast.unparse(call)
        assert None in given or blanks(words()[key]["en"]) <= given, ast.unparse(call)


def test_no_sentence_names_this_or_any_machine():
    assert [key for key, each in words().items() if re.search(r"/(root|home|work|tmp)/", str(each))] == []


# ---- the learner's language


@pytest.fixture
def environment(monkeypatch):
    for name in ("JPY_SESSION_NAME", "VOLDEMO_LANG", "LC_ALL", "LANG"):
        monkeypatch.delenv(name, raising=False)
    return lambda **variables: [monkeypatch.setenv(*each) for each in variables.items()]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "VOLDEMO_LANG": "en"}, "en"),
        ({"LANG": "C", "VOLDEMO_LANG": "KO"}, "ko"),
        ({"VOLDEMO_LANG": "en", "JPY_SESSION_NAME": "/work/notebooks/ko/01_layers.ipynb"}, "ko"),
        ({"VOLDEMO_LANG": "ko", "JPY_SESSION_NAME": "notebooks/en/01_layers.ipynb"}, "en"),
        ({"VOLDEMO_LANG": "ko", "JPY_SESSION_NAME": "/en/mine/scratch.ipynb"}, "ko"),
        ({"VOLDEMO_LANG": "ko", "JPY_SESSION_NAME": "en.ipynb"}, "ko"),
    ],
)
def test_the_notebook_decides_then_the_learner_then_the_computer(environment, variables, expected):
    environment(**variables)
    assert language() == expected


def test_a_sentence_is_said_in_that_language(environment):
    environment(VOLDEMO_LANG="ko")
    assert say("engine.absent", url="X") == words()["engine.absent"]["ko"].format(url="X")
    assert str(Sentence("engine.absent", url="X")) == say("engine.absent", url="X")
    assert Sentence("engine.absent", url="X").key == "engine.absent"
