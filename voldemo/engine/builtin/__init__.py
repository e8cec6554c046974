"""Images made from the host's own programs, for a machine that reaches no registry."""

from voldemo.engine.builtin.provide import NAMES, Builtin

__all__ = ["NAMES", "Builtin"]
