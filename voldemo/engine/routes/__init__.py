"""Docker's API, one module for each kind of thing: JSON in and out, the rest is the daemon's."""

from importlib import import_module

from voldemo.engine.router import Routes

MODULES = (
    "system",
    "volumes",
    "networks",
    "images",
    "transfer",
    "pull",
    "build",
    "commit",
    "containers",
    "exec",
    "attach",
    "archive",
)


def collect() -> list[Routes]:
    """When the engine starts: the modules need what uses them."""
    return [import_module(f"{__name__}.{module}").routes for module in MODULES]
