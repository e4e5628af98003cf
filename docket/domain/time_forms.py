"""Times as other programs write them: Kibana, Splunk, Zeek, Suricata, Apache, syslog, mail. Pure; for `timewindow`.

    read_foreign_us("24/Nov/2026:15:02:00 +0100", now_us)        Apache
    read_foreign_us("14:02:33", now_us)                          the last such time of day

A time without a zone is UTC. What names no year, or no day, is the last such time before the moment of asking.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_US_PER_S = 1_000_000
_US_PER_DAY = 86_400 * _US_PER_S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CENTURY = 2000
_LATER_US = 60 * _US_PER_S
"""A clock that is a little ahead of ours does not make a time of today one of yesterday, or of last year."""

_MONTH = r"(?P<name>[a-z]{3})[a-z]*"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?(?: ?(?P<half>[ap]m))?"
_ZONE = r"(?: ?(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2}))?"
_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        # Kibana: Nov 24, 2026 @ 14:02:33.123
        rf"{_MONTH} (?P<day>\d{{1,2}}), (?P<year>\d{{4}})(?: @| at|,)? {_CLOCK}{_ZONE}",
        # Apache: 24/Nov/2026:14:02:33 +0000, also in its brackets
        rf"\[?(?P<day>\d{{1,2}})/{_MONTH}/(?P<year>\d{{4}})[: ]{_CLOCK}{_ZONE}\]?",
        # Splunk: 11/24/2026:14:02:33, 11/24/26 2:02:33.000 PM; Suricata: 11/24/2026-14:02:33.123456
        rf"(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})/(?P<year>\d{{4}}|\d{{2}})[-: ]{{1,2}}{_CLOCK}{_ZONE}",
        # 2026/11/24 14:02:33, 2026-11-24 14:02:33,123, 2026-11-24 14:02:33 UTC
        rf"(?P<year>\d{{4}})[-/](?P<month>\d{{2}})[-/](?P<day>\d{{2}})[t ]{_CLOCK}{_ZONE}",
        # mail and HTTP: Tue, 24 Nov 2026 14:02:33 GMT
        rf"(?:[a-z]{{3,9}}, )?(?P<day>\d{{1,2}})[- ]{_MONTH}[- ](?P<year>\d{{4}}) {_CLOCK}{_ZONE}",
        # ctime and syslog: Tue Nov 24 14:02:33 2026, Nov 24 14:02:33
        rf"(?:[a-z]{{3}} )?{_MONTH} +(?P<day>\d{{1,2}}) {_CLOCK}{_ZONE}(?: (?P<year>\d{{4}}))?",
        # the time of day
        rf"{_CLOCK}{_ZONE}",
    )
)
_COUNT = re.compile(r"(\d{10})(?:\.(\d+))?|(\d{13})|(\d{16})", re.ASCII)


def read_foreign_us(text: str, relative_to_us: int | None) -> int | None:
    """Microseconds since 1970 UTC; None for a text of no such form.

    Raises ValueError with a sentence for a time that does not exist, or that needs a moment to count from.
    """
    stripped = " ".join(text.split()).lower()
    if (count := _COUNT.fullmatch(stripped)) is not None:
        return _counted_us(count)
    match = _match(stripped)
    if match is None:
        return None
    found = match.groupdict()
    if found.get("year") is not None:
        return _moment_us(found, _year(found["year"]))
    if relative_to_us is None:
        raise ValueError(f"{text.strip()!r} names no {_lacking(found)}, and the moment of asking is not known here")
    return _latest(found, relative_to_us)


def has_zone(text: str) -> bool:
    """Whether a text says what its time of day counts from. Dates, durations and counts of seconds need no zone."""
    stripped = " ".join(text.split()).lower()
    match = _match(stripped)
    return match is None or match.groupdict().get("zone") is not None


def _match(stripped: str) -> re.Match[str] | None:
    if len(stripped) > 60:
        return None
    return next((match for form in _FORMS if (match := form.fullmatch(stripped)) is not None), None)


def _lacking(found: dict[str, str | None]) -> str:
    return "day" if found.get("day") is None else "year"


def _counted_us(count: re.Match[str]) -> int:
    seconds, fraction, millis, micros = count.groups()
    if seconds is not None:
        return int(seconds) * _US_PER_S + int((fraction or "")[:6].ljust(6, "0"))
    return int(millis) * 1_000 if millis is not None else int(micros)


def _year(text: str | None) -> int:
    number = int(text or 0)
    return number + _CENTURY if number < 100 else number


def _latest(found: dict[str, str | None], relative_to_us: int) -> int:
    """The last such time that is not later than the moment of asking."""
    now = _EPOCH + timedelta(microseconds=relative_to_us)
    if found.get("day") is None:
        today = {**found, "day": str(now.day), "month": str(now.month)}
        us = _moment_us(today, now.year)
        while us > relative_to_us + _LATER_US:
            us -= _US_PER_DAY
        return us
    for year in range(now.year + 1, now.year - 5, -1):
        try:
            us = _moment_us(found, year)
        except ValueError:
            # 29 February is not in every year.
            continue
        if us <= relative_to_us + _LATER_US:
            return us
    return _moment_us(found, now.year)


def _moment_us(found: dict[str, str | None], year: int) -> int:
    name, month, half = found.get("name"), found.get("month"), found.get("half")
    hour = int(found["hour"] or 0)
    if half is not None:
        if not 1 <= hour <= 12:
            raise ValueError("there is no such time of day")
        hour = hour % 12 + (12 if half == "pm" else 0)
    if name is not None and name not in _MONTHS:
        raise ValueError(f"{name!r} is not a month")
    number = _MONTHS.index(name) + 1 if name is not None else int(month or 0)
    # A leap second is the first of the next minute.
    second = int(found.get("second") or 0)
    try:
        moment = datetime(year, number, int(found["day"] or 0), hour, int(found["minute"] or 0), tzinfo=UTC)
    except ValueError:
        raise ValueError("there is no such day or time of day") from None
    if second > 60:
        raise ValueError("there is no such time of day")
    us = (moment - _EPOCH) // timedelta(microseconds=1) + second * _US_PER_S
    return us + int((found.get("fraction") or "")[:6].ljust(6, "0")) - _offset_us(found.get("zone"))


def _offset_us(zone: str | None) -> int:
    if zone is None or zone in ("z", "utc", "gmt"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError("there is no such offset from UTC")
    offset_us = (hours * 60 + minutes) * 60 * _US_PER_S
    return -offset_us if zone[0] == "-" else offset_us
