import pytest

from voldemo.engine.build.dockerfile import parse
from voldemo.engine.errors import BadParameter


def texts(text: str) -> list[str]:
    return [step.text for step in parse(text.encode()).instructions]


def test_comments_and_empty_lines_are_nothing():
    assert texts("# a\n\nFROM x\n  # b\n") == ["FROM x"]


def test_lines_that_go_on():
    assert texts("RUN a \\\n  b \\  \n# no\n  c\nRUN d") == ["RUN a   b   c", "RUN d"]


def test_a_comment_does_not_end_a_line_that_goes_on():
    assert texts("RUN a \\\n# b\n c") == ["RUN a  c"]


def test_two_backslashes_are_no_continuation():
    assert texts("RUN echo \\\\\nRUN b") == ["RUN echo \\\\", "RUN b"]


def test_an_empty_line_inside_is_warned_of():
    file = parse(b"RUN a \\\n\n b")
    assert file.warnings[0] == "[WARNING]: Empty continuation line found in: RUN a  b\n"


def test_another_escape():
    assert texts("# escape=`\nRUN a `\n b") == ["RUN a  b"]
    assert texts("# comment\n# escape=`\nRUN a `\nRUN b") == ["RUN a `", "RUN b"]


def test_windows_lines_and_a_byte_order_mark():
    assert texts("\ufeffFROM x\r\nRUN a \\\r\n b\r\n") == ["FROM x", "RUN a  b"]


def test_the_word_in_any_case_and_the_flags():
    (step,) = parse(b"copy --from=a --chown=b:c x /y").instructions
    assert (step.word, step.flags, step.rest) == ("COPY", ("from=a", "chown=b:c"), "x /y")


def test_a_flag_of_the_command_is_not_the_instruction_s():
    (step,) = parse(b"RUN ls --all").instructions
    assert (step.flags, step.rest) == ((), "ls --all")


@pytest.mark.parametrize(
    ("rest", "words"), [('["a", "b c"]', ["a", "b c"]), ("['a']", None), ('["a", 1]', None), ("[ -f x ]", None)]
)
def test_exec_form_or_shell_form(rest, words):
    assert parse(f"RUN {rest}".encode()).instructions[0].json == words


@pytest.mark.parametrize("line", ["RUN <<EOF", "RUN cat <<-'EOF' > /x", "COPY <<EOF /x"])
def test_here_documents_are_buildkit_s(line):
    with pytest.raises(BadParameter, match="line 1: a here-document .* requires BuildKit"):
        parse(line.encode())


@pytest.mark.parametrize("line", ["RUN echo $((1<<2))", 'RUN ["cat", "<<EOF"]', "RUN cat <<<word"])
def test_what_only_looks_like_one(line):
    assert parse(line.encode()).instructions


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"the Dockerfile \(Dockerfile\) cannot be empty"),
        (" \n", "cannot be empty"),
        ("# only", "file with no instructions"),
        ("# escape=x\nFROM a", "invalid escape token 'x'"),
        ("RUN " + "x" * (1 << 20), "longer than"),
    ],
)
def test_what_is_no_dockerfile(text, said):
    with pytest.raises(BadParameter, match=said):
        parse(text.encode())
