"""What voldemo asks of IPython: a failure is one line, and what Docker answered is readable in it."""

from __future__ import annotations

from types import TracebackType

from docker.errors import APIError
from IPython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from voldemo.errors import LESSON, explain, reason
from voldemo.words import say


def prepare() -> None:
    """Show Docker's failures in one line from now on, in this kernel. Does nothing outside IPython."""
    if shell := get_ipython():
        load_ipython_extension(shell)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`voldemo lab` loads this into each kernel, so that a chapter begun in its middle gets a sentence, too."""
    shell.set_custom_exc((*LESSON, OSError, KeyboardInterrupt, NameError), _show)


def _show(shell: InteractiveShell, kind: type, error: BaseException, trace, tb_offset=None) -> list[str]:
    if isinstance(error, NameError) and not _is_in_cell(shell, trace):
        lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)  # a mistake of ours
    else:
        lines = [one_line(error)]
    shell._showtraceback(kind, error, lines)  # what IPython itself calls with a finished traceback
    return lines


def _is_in_cell(shell: InteractiveShell, trace: TracebackType) -> bool:
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame.f_globals is shell.user_global_ns


def one_line(error: BaseException) -> str:
    """A failure as a learner should read it: our sentence, or Docker's own answer with its status."""
    if isinstance(error, KeyboardInterrupt):
        return say("interrupted")
    if isinstance(error, NameError):
        return say("cell.order", name=error.name)
    if sentence := explain(error):
        return str(sentence)
    if isinstance(error, APIError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}: {reason(error)}"
    return f"{type(error).__name__}: {error}"
