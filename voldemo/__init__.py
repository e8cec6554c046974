"""voldemo: Docker volumes and storage, learned by experiment."""

import sys
from importlib import import_module
from types import ModuleType

from voldemo.words import say

__all__ = ["connect", "emulated", "predict", "track"]
HOMES = {
    "connect": "voldemo.connect",
    "emulated": "voldemo.engines",
    "predict": "voldemo.widgets",
    "track": "voldemo.widgets",
}


class Package(ModuleType):
    """Loads what is asked for, when it is asked for: the embedded engine is in here too, and stays small."""

    def __getattr__(self, name: str):
        home = HOMES.get(name, f"voldemo.{name}")
        try:
            module = import_module(home)
        except ModuleNotFoundError as error:
            if error.name == home:
                raise AttributeError(f"voldemo has no {name}") from None
            # A half-made environment: one sentence, on the command line and in a cell.
            raise SystemExit(say("package.missing", name=error.name)) from error
        return getattr(module, name) if name in HOMES else module

    def __setattr__(self, name: str, value: object) -> None:
        if name not in HOMES:  # importing the module `connect` would hide the function of that name
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = Package
