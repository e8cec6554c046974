"""What voldemo asks of IPython: a failure is one line, and what Docker answered is readable in it."""

from __future__ import annotations

from docker.errors import APIError
from IPython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from voldemo.errors import LESSON, explain, reason
from voldemo.words import say


def prepare() -> None:
    """Show Docker's failures in one line from now on, in this kernel. Does nothing outside IPython."""
    if shell := get_ipython():
        shell.set_custom_exc((*LESSON, OSError, KeyboardInterrupt), _show)


def _show(shell: InteractiveShell, kind: type, error: BaseException, trace, tb_offset=None) -> list[str]:
    line = one_line(error)
    shell._showtraceback(kind, error, [line])  # what IPython itself calls with a finished traceback
    return [line]


def one_line(error: BaseException) -> str:
    """A failure as a learner should read it: our sentence, or Docker's own answer with its status."""
    if isinstance(error, KeyboardInterrupt):
        return say("interrupted")
    if sentence := explain(error):
        return str(sentence)
    if isinstance(error, APIError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}: {reason(error)}"
    return f"{type(error).__name__}: {error}"
