"""What part of a window each source can answer for right now, in words. Pure."""

from __future__ import annotations

from docket.domain.api import Reach, SourceCoverage
from docket.domain.source import GapStatus, SourceStatus, gaps_within
from docket.domain.timewindow import Window, format_human, format_length, format_us, parse_time_us


def coverage(status: SourceStatus, window: Window) -> SourceCoverage:
    """What the source could answer if it were asked now."""
    name = status.name
    if status.state != "online":
        return SourceCoverage(source=name, state=Reach.OFFLINE, sentence=f"{name} is offline{_because(status)}")
    oldest_us = _us(status.oldest)
    readable_us = _us(status.readable_until)
    if oldest_us is None or readable_us is None:
        return SourceCoverage(source=name, state=Reach.UNKNOWN, sentence=f"{name} has not said what it holds")
    begins_us, until_us = max(window.after_us, oldest_us), min(window.before_us, readable_us)
    if window.before_us <= oldest_us:
        sentence = f"all of the window is older than the oldest packet of {name}, {format_human(oldest_us)}"
        return SourceCoverage(source=name, state=Reach.AGED_OUT, sentence=sentence)
    if window.after_us >= readable_us:
        sentence = f"{name} has packets on disk up to {format_human(readable_us)}; the window comes after that"
        return SourceCoverage(source=name, state=Reach.NOT_YET, sentence=sentence)
    missing = []
    if begins_us > window.after_us:
        missing.append(f"packets of {name} begin {format_human(oldest_us)}")
    if until_us < window.before_us:
        missing.append(
            f"{'those' if missing else f'packets of {name}'} after {format_human(readable_us)} are not on disk yet"
        )
    gaps = gaps_within(status, Window(begins_us, until_us))
    missing += [f"{name} shows no sign of recording {_stretch(gap)}" for gap in gaps[:3]]
    state = _state(begins_us > window.after_us, until_us < window.before_us)
    return SourceCoverage(
        source=name,
        state=Reach.GAP if gaps and state is Reach.FULL else state,
        begins=format_us(begins_us),
        until=format_us(until_us),
        sentence=" and ".join(missing) if missing else f"{name} holds the whole window",
    )


def _state(begins_late: bool, ends_early: bool) -> Reach:
    if begins_late:
        return Reach.PART
    return Reach.NOT_YET if ends_early else Reach.FULL


def _us(text: str | None) -> int | None:
    return None if text is None else parse_time_us(text, None)


def _stretch(gap: GapStatus) -> str:
    begins_us, until_us = parse_time_us(gap.begins, None), parse_time_us(gap.until, None)
    return f"for {format_length(until_us - begins_us)}, from {format_human(begins_us)} to {format_human(until_us)}"


def _because(status: SourceStatus) -> str:
    return f": {status.error}" if status.error else ""
