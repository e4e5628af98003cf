"""The worker's own sentences for verdicts: what happened, in a person's words, and what to do next. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from docket.domain.job import Verdict
from docket.domain.plain_text import whole
from docket.domain.timewindow import US_PER_S, Window, format_human, format_length
from docket.domain.units import counted, packets_text
from docket.workers.sources.base import Coverage, Shortfall
from docket.workers.sources.gaps import within

MOST_SENTENCES = 4
"""Shortcomings that are named of one answer."""

SHORTEST_PAUSE_US = 60 * US_PER_S
"""A shorter silence inside of a window is not worth a word."""
MOST_GAPS_NAMED = 3
"""Gaps that are named one by one."""

RETRY = "Retry."
RETRY_SHORTER = "Retry, or ask for a shorter window."
NEXT_STEPS = {
    Verdict.REFUSED: "Have the source's settings looked at, then retry.",
    Verdict.UNREACHABLE: "Retry when the source is back.",
    Verdict.CUT: RETRY_SHORTER,
    Verdict.LIMITED: "Raise the limit, or ask for less.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is to be said about an answer."""

    verdict: Verdict
    sentence: str
    next_step: str = ""
    usable: bool = True
    """Whether some of the window was answered for; in one finding of several: as far as that one goes."""


def judge(findings: list[Finding], window: Window, packets: int, *, some_read: bool, if_empty: str) -> Finding:
    """One verdict out of all shortcomings, the gravest first; none of them means that the answer is whole.

    `some_read` tells whether at least one slice was read to its end, or to the limit.
    """
    if findings:
        first = findings[0]
        text = " ".join(dict.fromkeys(finding.sentence for finding in findings[:MOST_SENTENCES]))
        usable = packets > 0 or (some_read and all(finding.usable for finding in findings))
        return Finding(first.verdict, text, first.next_step, usable)
    stretch = f"from {format_human(window.after_us)} to {format_human(window.before_us)}"
    if packets:
        return Finding(Verdict.COMPLETE, f"The whole window was read, {stretch}: {packets_text(packets)}.")
    return Finding(Verdict.EMPTY, f"The whole window was read, {stretch}; nothing matched.", if_empty)


def failed(verdict: str, text: str) -> Finding:
    """For a store that could not answer, or not to its end."""
    known = Verdict(verdict)
    return Finding(known, whole(text), NEXT_STEPS.get(known, RETRY))


def short(shortfall: Shortfall) -> Finding:
    """For what an answer lacks that came to its end."""
    return Finding(Verdict(shortfall.verdict), whole(shortfall.sentence), shortfall.next_step, usable=shortfall.usable)


def cut(text: str, source: str, last_us: int | None, asked: Window) -> Finding:
    """For an answer to one slice that ended early, with how far it came."""
    if last_us is None:
        return failed(Verdict.CUT, f"{whole(text)} No packet had come")
    gap = format_length(asked.before_us - last_us)
    reached = f"The last packet of {source} is from {format_human(last_us)}, {gap} before the end of what was asked"
    return failed(Verdict.CUT, f"{whole(text)} {reached}")


def limited(source: str, packets: int, *, certain: bool) -> Finding:
    """For an answer that was stopped at the job's limits."""
    rest = "more matched" if certain else "whether more matched was not looked for any longer"
    text = f"{source} was stopped at the limit after {packets_text(packets)}; {rest}."
    return Finding(Verdict.LIMITED, text, NEXT_STEPS[Verdict.LIMITED])


def aged_out(source: str, window: Window, coverage: Coverage) -> Finding | None:
    """For a window that begins before the store's oldest packet; None if it does not."""
    oldest_us = coverage.oldest_us
    if oldest_us is None:
        step = "See whether its capture is running."
        return Finding(Verdict.AGED_OUT, f"{source} has no packets on disk.", step, usable=False)
    if oldest_us <= window.after_us:
        return None
    begins = f"Data on {source} begins {format_human(oldest_us)};"
    if oldest_us >= window.before_us:
        return Finding(Verdict.AGED_OUT, f"{begins} all of your window is gone.", usable=False)
    return Finding(
        Verdict.AGED_OUT, f"{begins} the first {format_length(oldest_us - window.after_us)} of your window are gone."
    )


def gap(source: str, window: Window, coverage: Coverage) -> Finding | None:
    """For a window with stretches for which the store shows no sign of recording; None without one."""
    found = within(coverage.gaps, window)
    if not found:
        return None
    named = [
        f"for {format_length(one.before_us - one.after_us)}, "
        f"from {format_human(one.after_us)} to {format_human(one.before_us)} ({one.reason})"
        for one in found[:MOST_GAPS_NAMED]
    ]
    more = _and_in(len(found) - MOST_GAPS_NAMED, "more")
    text = f"{source} shows no sign of recording {', '.join(named)}{more}."
    return Finding(Verdict.GAP, text, "Asking again brings the same; see why its recorder stood still.")


def quiet(source: str, window: Window, coverage: Coverage) -> str:
    """How long nothing was recorded in a window without a gap; empty where the source was never silent for long."""
    found = [one for one in within(coverage.pauses, window) if one.before_us - one.after_us >= SHORTEST_PAUSE_US]
    if not found:
        return ""
    longest = max(found, key=lambda one: one.before_us - one.after_us)
    more = _and_in(len(found) - 1, "shorter")
    return (
        f"{source} recorded nothing for {format_length(longest.before_us - longest.after_us)}, from "
        f"{format_human(longest.after_us)} to {format_human(longest.before_us)}{more}: {longest.reason}."
    )


def _and_in(others: int, which: str) -> str:
    """Of the stretches that are not named one by one."""
    return f", and in {counted(others, f'{which} stretch', f'{which} stretches')}" if others > 0 else ""


def not_yet(source: str, window: Window, coverage: Coverage, now_us: int) -> Finding | None:
    """For a window that ends after what was on disk when the reading began; None if it does not."""
    readable_us = coverage.readable_until_us
    if readable_us is None or window.before_us <= readable_us:
        return None
    missing_us = max(readable_us, window.after_us)
    text = (
        f"{source} had not yet written the packets from {format_human(missing_us)} to {format_human(window.before_us)}."
    )
    ready_us = window.before_us + coverage.flush_lag_us
    step = f"Retry after {format_human(ready_us)}." if ready_us > now_us else "See whether its capture is running."
    return Finding(Verdict.NOT_YET, text, step, usable=readable_us > window.after_us)


def waiting_for_flush(source: str, ready_us: int) -> str:
    until = format_human(-(-ready_us // US_PER_S) * US_PER_S)  # rounded up
    return f"Waiting until {until[11:]} for {source} to write its packets."


def waiting_for_source(error: str) -> str:
    return f"{whole(error)} Trying again."


def answers_again(source: str) -> str:
    return f"{source} answers again."


def waiting_in_lane(place: int, source: str) -> str:
    return f"Place {place} in the queue of {source}."


def waiting_for_window(window: Window, begins_us: int) -> str:
    """For a job whose window has not passed."""
    if begins_us < window.before_us:
        return f"Its window ends in the future; what there is by then is read at {format_human(begins_us)}."
    return f"Waiting until {format_human(begins_us)}, when its window ends."


def waiting_for_place(own_ahead: int, others: int, source: str) -> str:
    """For a job that has no place at a source yet."""
    jobs = "1 job" if own_ahead == 1 else f"{own_ahead:,} jobs"
    before = f": {jobs} of the same user came before" if own_ahead else ""
    also = (
        "" if not others else f"; {others:,} other user{'s' if others > 1 else ''} also wait{'' if others > 1 else 's'}"
    )
    return f"Waiting for a place at {source}{before}{also}."


def no_room(source: str) -> str:
    return f"{source} has no room for another job that waits, and this user has most of those that do."


def undecided(packets: int) -> str:
    """About packets of which it is not known whether they match."""
    were, them = ("was", "it") if packets == 1 else ("were", "them")
    return f"{packets_text(packets)} {were} left undecided: the recorder cut {them} before the bytes that would decide."
