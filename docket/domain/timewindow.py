"""The time window of a question, and how times and durations are written. Pure; anybody may import it.

Times are whole microseconds since 1970-01-01 UTC, and all arithmetic is on integers: a float would lose
microseconds. A window is `[after, before)`: the first instant belongs to it, the last does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from docket.domain.time_forms import has_zone, read_foreign_us
from docket.errors import Fault, InvalidRequest

US_PER_S = 1_000_000
NS_PER_S = 1_000_000_000
_US_PER_DAY = 86_400 * US_PER_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FIRST_US = (date(1, 1, 1).toordinal() - _EPOCH_DAY) * _US_PER_DAY
_LAST_US = (date(9999, 12, 31).toordinal() - _EPOCH_DAY + 1) * _US_PER_DAY - 1
"""What RFC 3339 can write: the years 1 to 9999."""

EARLIEST_US = (date(1990, 1, 1).toordinal() - _EPOCH_DAY) * _US_PER_DAY
"""No capture is older; an earlier window is a mistyped value."""
LATEST_US = (date(2100, 1, 1).toordinal() - _EPOCH_DAY) * _US_PER_DAY
FARTHEST_AHEAD_US = 3_653 * _US_PER_DAY
"""Ten years after the moment of asking: leaves room for a wrong clock, not for a wrong century."""
LONGEST_US = 18_263 * _US_PER_DAY
"""Fifty years."""

_UNITS_US = {
    "us": 1,
    "µs": 1,
    "μs": 1,
    "ms": 1_000,
    "s": US_PER_S,
    "m": 60 * US_PER_S,
    "h": 3_600 * US_PER_S,
    "d": _US_PER_DAY,
    "w": 7 * _US_PER_DAY,
}
_STEP = re.compile(r"\s*(\d+)(?:\.(\d*))?\s*(us|µs|μs|ms|s|m|h|d|w)(?![^\W\d])", re.ASCII)
_DURATION = re.compile(r"(?:\s*\d+(?:\.\d*)?\s*(?:us|µs|μs|ms|s|m|h|d|w))+", re.ASCII | re.IGNORECASE)
_DURATION_START = re.compile(r"\d+(\.\d*)?\s*[^\W\d]", re.ASCII)
_MOST_DIGITS = 18
_SHOWN = 40

_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?[ ]?(Z|z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)


def format_us(us: int) -> str:
    """Write a time as RFC 3339 UTC, always with six digits and Z.

    Raises ValueError outside of the years 1 to 9999, which RFC 3339 cannot write.
    """
    return _datetime(us).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def format_human(us: int) -> str:
    """Write a time for a sentence, like 2026-11-24 18:04:05 UTC; what is less than a second is left out.

    Raises ValueError outside of the years 1 to 9999.
    """
    return format_us(us)[:19].replace("T", " ") + " UTC"


def format_length(us: int) -> str:
    """Write a length of time for a sentence, like "2 h 10 min" or "1.5 s"; the two largest units are kept."""
    seconds, rest_us = divmod(us, US_PER_S)
    if seconds < 60:
        fraction = f".{rest_us:06}".rstrip("0").rstrip(".")
        return f"{seconds}{fraction} s"
    parts = []
    for unit, size_s in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size_s)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _datetime(us: int) -> datetime:
    if not _FIRST_US <= us <= _LAST_US:
        raise ValueError(f"{us} µs since 1970 lies outside of the years 1 to 9999")
    return _EPOCH + timedelta(microseconds=us)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def parse_duration_us(text: str) -> int:
    """Read a duration like 90s, 3h30m, 3.5h or 2w1d and give its microseconds; less than one is cut off.

    The units are us, ms, s, m, h, d and w, in either case. Raises ValueError with a sentence.
    """
    rest = text.strip().lower()
    # "ſ" and "K" (Kelvin) become ASCII letters in lower case; only what was written in ASCII, or µ, counts.
    if not rest or not all(char.isascii() or char in "µμ" for char in text):
        raise ValueError(f"{_shown(text)} is not a duration; write it like 90s, 15m, 3h30m or 2d")
    total_us = place = 0
    while place < len(rest):
        step = _STEP.match(rest, place)
        if step is None:
            raise ValueError(
                f"{_shown(text)} is not a duration; write it like 90s, 15m, 3h30m or 2d, "
                "with the units us, ms, s, m, h, d and w"
            )
        whole, fraction, unit = step.group(1).lstrip("0"), (step.group(2) or "")[:_MOST_DIGITS], step.group(3)
        if len(whole) > _MOST_DIGITS:
            raise ValueError(f"{_shown(text)} is longer than any window")
        unit_us = _UNITS_US[unit]
        total_us += int(whole or "0") * unit_us + int(fraction or "0") * unit_us // 10 ** len(fraction)
        place = step.end()
    if total_us > _LAST_US - _FIRST_US:
        raise ValueError(f"{_shown(text)} is longer than any window")
    return total_us


def parse_time_us(text: str, relative_to_us: int | None) -> int:
    """Read a time and give its microseconds since 1970 UTC; further digits are cut off.

    Takes RFC 3339 (also with a space for the T, in lower case, without seconds), a time without an offset as
    UTC, a date as its midnight UTC, and a duration as that long before `relative_to_us`. A leap second is the
    first of the next minute. Raises ValueError with a sentence.
    """
    stripped = text.strip()
    if match := _TIME.fullmatch(stripped):
        us = _absolute_us(match, text)
    elif _DURATION_START.match(stripped):
        duration_us = parse_duration_us(stripped)
        if relative_to_us is None:
            raise ValueError(f"{_shown(text)} counts back from the moment of asking, which is not known here")
        us = relative_to_us - duration_us
    else:
        raise ValueError(
            f"{_shown(text)} is not a time; write it like 2026-11-24T14:02:00Z, 2026-11-24, or 15m for 15 minutes ago"
        )
    if not _FIRST_US <= us <= _LAST_US:
        raise ValueError(f"{_shown(text)} lies outside of the years 1 to 9999")
    return us


def read_time_us(text: str, relative_to_us: int | None) -> int:
    """Read a time as people write and paste it: as `parse_time_us`, and as other programs log it (`time_forms`).

    Raises ValueError with a sentence.
    """
    stripped = text.strip()
    if _TIME.fullmatch(stripped) is None and _DURATION.fullmatch(stripped) is None:
        us = read_foreign_us(text, relative_to_us)
        if us is not None and _FIRST_US <= us <= _LAST_US:
            return us
    return parse_time_us(text, relative_to_us)


def lacks_zone(text: str | None) -> bool:
    """Whether a text is a time of day of which it does not say what it counts from, so that it is taken as UTC."""
    if text is None:
        return False
    match = _TIME.fullmatch(text.strip())
    return not has_zone(text) if match is None else match.group(4) is not None and match.group(8) is None


def _absolute_us(match: re.Match[str], text: str) -> int:
    year, month, day, hour, minute, second = (int(part or "0") for part in match.groups()[:6])
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise ValueError(f"{_shown(text)}: there is no such day") from None
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(f"{_shown(text)}: there is no such time of day")
    us = days * _US_PER_DAY + (hour * 3_600 + minute * 60 + second) * US_PER_S
    us += int((match.group(7) or "")[:6].ljust(6, "0"))
    offset = match.group(8)
    if offset is None or offset in "Zz":
        return us
    offset_h, offset_min = int(offset[1:3]), int(offset[-2:])
    if offset_h > 23 or offset_min > 59:
        raise ValueError(f"{_shown(text)}: there is no such offset from UTC")
    offset_us = (offset_h * 60 + offset_min) * 60 * US_PER_S
    return us + offset_us if offset[0] == "-" else us - offset_us


@dataclass(frozen=True, slots=True)
class Window:
    """The times from `after_us` on and before `before_us`, in microseconds since 1970 UTC."""

    after_us: int
    before_us: int

    def contains(self, ts_us: int) -> bool:
        """Whether a packet of this time belongs to the window."""
        return self.after_us <= ts_us < self.before_us

    @property
    def length_us(self) -> int:
        return self.before_us - self.after_us

    def sentence(self) -> str:
        """The window in words; every digit that matters is in it."""
        after, before = _exact(self.after_us), _exact(self.before_us)
        return f"from {after} UTC until just before {before} UTC, {format_length(self.length_us)}"


def _exact(us: int) -> str:
    return format_us(us).removesuffix("Z").replace("T", " ").removesuffix(".000000")


def make_window(after: str | None, before: str | None, requested_at_us: int | None, default_us: int) -> Window:
    """Make the window that a user asked for.

    Without `before` it ends at the moment of asking, without `after` it is `default_us` long; a blank text is
    as good as none. Raises InvalidRequest with every fault, each with the field `after` or `before`.
    """
    faults: list[Fault] = []
    before_us = _edge("before", before, requested_at_us, faults)
    after_us = _edge("after", after, requested_at_us, faults)
    if _blank(before):
        before_us = requested_at_us
        if before_us is None:
            faults.append(Fault("missing-time", "the window needs an end: say before, or when it was asked", "before"))
    if _blank(after) and before_us is not None:
        after_us = before_us - default_us
    if after_us is not None and before_us is not None:
        faults += _order_faults(after_us, before_us)
    if faults or after_us is None or before_us is None:
        raise InvalidRequest(faults)
    return Window(after_us, before_us)


def _blank(text: str | None) -> bool:
    return text is None or not text.strip()


def _edge(field: str, text: str | None, requested_at_us: int | None, faults: list[Fault]) -> int | None:
    """Read one edge; None if it is not given or if a fault was found."""
    if text is None or _blank(text):
        return None
    try:
        us = read_time_us(text, requested_at_us)
    except ValueError as error:
        faults.append(Fault("bad-time", f"{field}: {error}", field))
        return None
    latest_us = LATEST_US if requested_at_us is None else requested_at_us + FARTHEST_AHEAD_US
    if us < EARLIEST_US:
        faults.append(Fault("absurd-time", f"{field} lies before 1990; no capture is that old", field))
    elif us > min(latest_us, LATEST_US):
        faults.append(Fault("absurd-time", f"{field} lies more than ten years ahead", field))
    return us


def _order_faults(after_us: int, before_us: int) -> list[Fault]:
    if after_us == before_us:
        return [Fault("empty-window", "the window is empty: after and before are the same instant", "before")]
    if after_us > before_us:
        return [Fault("reversed-window", "the window is reversed: before lies earlier than after", "before")]
    if before_us - after_us > LONGEST_US:
        return [Fault("absurd-window", "the window is longer than fifty years", "after")]
    return []
