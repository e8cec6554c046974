"""A client of OCI registries: pull and push, with the standard library."""

from voldemo.engine.registry.address import Registries, Repository
from voldemo.engine.registry.pull import Pull
from voldemo.engine.registry.push import Push
from voldemo.engine.registry.transport import Credentials

__all__ = ["Credentials", "Pull", "Push", "Registries", "Repository"]
