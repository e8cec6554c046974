"""What voldemo asks of IPython: a failure is one line, and what Docker answered is readable in it."""

from __future__ import annotations

from html import escape
from types import TracebackType
from typing import TYPE_CHECKING

from docker.errors import APIError
from IPython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from voldemo.errors import LESSON, explain, reason
from voldemo.words import say

if TYPE_CHECKING:
    import pandas as pd

CAPTION = "color: gray; font-size: smaller; margin: 0.2em 0"


def prepare() -> None:
    """From now on, in this kernel: Docker's failures in one line, frames in full. Does nothing outside IPython."""
    if shell := get_ipython():
        import pandas as pd  # not in each kernel's start: it takes a second

        load_ipython_extension(shell)
        shell.display_formatter.formatters["text/html"].for_type(pd.DataFrame, table)


def table(frame: pd.DataFrame) -> str:
    """A frame as a page shows it: no text cut short, and below it the engine that its numbers came from."""
    import pandas as pd

    with pd.option_context("display.max_colwidth", None):
        page = frame._repr_html_()
    engine = frame.attrs.get("engine")
    return f'{page}<p style="{CAPTION}">{escape(engine)}</p>' if page and engine else page


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
