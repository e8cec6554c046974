"""How long ago, in the words of `docker ps`."""

from __future__ import annotations


def human(seconds: float) -> str:
    """As in `docker ps`: "2 minutes", "About an hour"."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    if whole // 60 == 1:
        return "About a minute"
    if whole // 60 < 60:
        return f"{whole // 60} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for limit, divisor, unit in ((48, 1, "hours"), (24 * 14, 24, "days"), (24 * 60, 24 * 7, "weeks")):
        if hours < limit:
            return f"{hours // divisor} {unit}"
    return f"{hours // (24 * 30)} months" if hours < 24 * 365 * 2 else f"{int(hours / 24 / 365)} years"
