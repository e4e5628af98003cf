"""What the blocks of a pcapng say about job and sources. Pure; for results and for downloads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docket import __version__
from docket.domain.job import Job, SourceAnswer
from docket.domain.timewindow import Window
from docket.packet import pcapng
from docket.packet.pcapng import Interface, Statistics


def beginning(interfaces: Sequence[Interface], job: Job, more: str = "") -> bytes:
    """The blocks before the first packet."""
    names = ", ".join(answer.name for answer in job.sources)
    comment = f"Docket job {job.id}: {job.query or 'every packet'}, {job.after} to {job.before}, asked of {names}{more}"
    return pcapng.beginning(interfaces, application=f"docket {__version__}", comment=comment)


def interface(name: str, linktype: int, job: Job, *, nanoseconds: bool, comment: str = "") -> Interface:
    """The block of one source, with the query as its filter."""
    return Interface(name, linktype, nanoseconds, f"Docket source {name}", job.query, comment)


def ending(
    interfaces: Sequence[Interface], parts: Sequence[str], packets: Sequence[int], answers: Iterable[SourceAnswer],
    window: Window,
) -> bytes:  # fmt: skip
    """Behind the last packet: verdict and counts of each interface. `parts` names the answer that each belongs to."""
    by_name = {answer.name: answer for answer in answers}
    found = []
    for part, count in zip(parts, packets, strict=True):
        answer = by_name[part]
        found.append(
            Statistics(
                comment=verdict_comment(answer),
                at_us=window.before_us,
                received=max(answer.received, count),
                accepted=count,
                began_us=window.after_us,
                ended_us=window.before_us,
            )
        )
    return pcapng.ending(found, interfaces)


def verdict_comment(answer: SourceAnswer) -> str:
    """`complete: Read whole.`"""
    return f"{answer.verdict or 'no verdict'}: {answer.sentence}".rstrip(": ")
