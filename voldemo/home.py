"""Where voldemo keeps what must outlive a kernel: `$VOLDEMO_HOME`, or `~/.voldemo`."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from voldemo.words import Sentence


def home() -> Path:
    """The learner's folder, made (mode 0700) at first use."""
    folder = Path(os.environ.get("VOLDEMO_HOME") or Path.home() / ".voldemo").expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Sentence("home.unusable", folder=folder, why=error.strerror) from error
    return folder


def key() -> str:
    """Eight hex digits that name this home for good.

    They start every sandbox's id, so that two learners who share one engine never sweep each other's things.
    """
    path = home() / "id"
    if not path.exists():
        draft = path.with_suffix(f".{secrets.token_hex(4)}")
        draft.write_text(secrets.token_hex(4))
        try:
            path.hardlink_to(draft)  # of two kernels that start at once, one wins and both read the winner's
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
