"""Times as Docker writes and reads them: RFC 3339 with nanoseconds, Unix seconds with a fraction, Go's durations."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

from voldemo.engine.errors import BadParameter

SECOND = 1_000_000_000
ZERO = "0001-01-01T00:00:00Z"
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
UNITS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
UNIX = re.compile(r"(\d{1,11})(?:\.(\d{1,9})\d*)?", re.ASCII)
TERM = re.compile(r"(\d{1,11})(?:\.(\d{1,9})\d*)?(ns|us|µs|ms|s|m|h)", re.ASCII)
DURATION = re.compile(rf"(?:{TERM.pattern})+", re.ASCII)
RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def rfc3339(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, SECOND)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{rest:09}Z"


def now() -> str:
    return rfc3339(time.time_ns())


def fraction(digits: str | None) -> int:
    return int((digits or "0").ljust(9, "0"))


def unix_nanoseconds(text: str) -> int:
    """`since` and `until` of the API: seconds, with up to nine digits after the point."""
    match = UNIX.fullmatch(text)
    if match is None:
        raise BadParameter(f'strconv.ParseInt: parsing "{text[:100]}": invalid syntax')
    return int(match[1]) * SECOND + fraction(match[2])


def of_rfc3339(text: str) -> int | None:
    """Nanoseconds since 1970; 0 for what is before, such as Docker's "never"; None: no time at all."""
    match = RFC_3339.fullmatch(text)
    if match is None:
        return None
    date, clock, digits, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock or '00:00'}{'+00:00' if zone in (None, 'Z') else zone}")
    except ValueError:
        return None
    return max(0, (moment - EPOCH) // timedelta(seconds=1) * SECOND + fraction(digits))


def parse(text: str) -> int:
    nanoseconds = of_rfc3339(text)
    if nanoseconds is None:
        raise BadParameter(f'parsing time "{text[:100]}": cannot parse')
    return nanoseconds


def moment(text: str) -> int:
    """A filter's `until`: a Unix time, an RFC 3339 time, or how long ago. Nanoseconds."""
    if UNIX.fullmatch(text):
        return unix_nanoseconds(text)
    if DURATION.fullmatch(text):
        return time.time_ns() - duration(text)
    return parse(text)


def duration(text: str) -> int:
    terms = TERM.findall(text)
    return sum((int(whole) * SECOND + fraction(digits)) * UNITS[unit] // SECOND for whole, digits, unit in terms)
