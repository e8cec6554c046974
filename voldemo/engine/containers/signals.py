"""Signals by name or number, as `docker kill --signal` and STOPSIGNAL take them."""

from __future__ import annotations

import signal

from voldemo.engine.errors import BadParameter

NAMES = {each.name.removeprefix("SIG"): int(each) for each in signal.Signals}


def real_time(name: str) -> int:
    """RTMIN+n and RTMAX-n."""
    for base, sign, start in (("RTMIN", 1, signal.SIGRTMIN), ("RTMAX", -1, signal.SIGRTMAX)):
        rest = name.removeprefix(base)
        if rest != name and rest[1:].isascii() and rest[1:].isdigit() and rest[0] == "+-"[sign < 0]:
            number = int(start) + sign * int(rest[1:])
            if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
                return number
    return 0


def parse(text: str) -> int:
    name = text.upper().removeprefix("SIG")
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) < 4 else 0
    else:
        number = NAMES.get(name, 0) or real_time(name)
    if not 0 < number <= signal.SIGRTMAX:
        raise BadParameter(f"invalid signal: {text}")
    return number
