"""Docker's failures as sentences a learner can act on. What is a lesson (409, 404 …) stays Docker's own word."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

import requests
from docker.errors import APIError, DockerException, ImageNotFound
from urllib3.exceptions import HTTPError

from voldemo.words import Sentence

FULL = "no space left on device"
LOST = (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError, HTTPError)
MISSING = re.compile(r"[Nn]o such image: *([^\s\"')]+)")


def explain(error: BaseException) -> Sentence | None:
    """The sentence for a failure that is not Docker's answer but the engine's trouble; None for all others."""
    text = str(error)
    if isinstance(error, ImageNotFound) and (image := MISSING.search(text)):
        return Sentence("image.missing", image=image[1])
    if isinstance(error, APIError):
        return Sentence("disk.full", error=reason(error)) if FULL in text.lower() else None
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Sentence("disk.full", error=error)
    if isinstance(error, LOST):
        # requests calls it a lost connection too when a stream comes to a halt
        slow = any(isinstance(cause, (TimeoutError, requests.Timeout)) for cause in causes(error))
        return Sentence("engine.slow" if slow else "engine.gone")
    return None


def reason(error: BaseException) -> str:
    """Why a call failed, in one line: Docker's own message, else the operating system's."""
    if isinstance(error, APIError):
        return str(error.explanation or error).strip()
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and all it came from; requests and urllib3 hide the cause among the arguments."""
    while error is not None:
        yield error
        for argument in getattr(error, "args", ()):
            if isinstance(argument, BaseException):
                yield from causes(argument)
        error = error.__cause__ or error.__context__


LESSON = (
    DockerException,
    requests.RequestException,
    HTTPError,
)  # what a notebook shows in one line, without a traceback
