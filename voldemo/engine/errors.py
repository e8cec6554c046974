"""What the engine refuses. The text is what a learner reads, so it is Docker's own wherever Docker has one.

No HTTP here: `server` maps each class to a status, in one place.
"""

from __future__ import annotations


class EngineError(Exception):
    """Anything the engine says no to, with one sentence."""

    @property
    def message(self) -> str:
        return str(self)


class BadParameter(EngineError):
    """The request itself is wrong."""


class Forbidden(EngineError):
    """Understood, and never done."""


class NotFound(EngineError):
    """No such container, image, volume, network, exec or path."""


class Conflict(EngineError):
    """The state something is in does not allow it: in use, running, name taken."""


class NotModified(EngineError):
    """It is so already."""


class Failed(EngineError):
    """It was tried and did not work: the program is not there, the disk is full."""


class Unsupported(EngineError):
    """Docker has it, this engine does not; the sentence says so."""
