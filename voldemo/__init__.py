"""voldemo: Docker volumes and storage, learned by experiment."""

from voldemo.words import say

try:
    from voldemo.connect import connect
    from voldemo.widgets import predict, track
except ModuleNotFoundError as error:  # a half-made environment: one sentence, on the command line and in a cell
    raise SystemExit(say("package.missing", name=error.name)) from error

__all__ = ["connect", "predict", "track"]
