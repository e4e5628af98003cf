"""`summary.json`: what is in a result, at a glance. Written by the inspector, read by the web app and by tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from docket.domain.decoding import prepare
from docket.domain.timewindow import format_us
from docket.spool.file_io import write_whole
from docket.spool.manifest import Manifest
from docket.workers.inspector.row_filters.protocol_filters import Protocol
from docket.workers.inspector.tshark.conversations import Conversation, Name, Talker
from docket.workers.inspector.tshark.full_pass import Listing
from docket.workers.inspector.tshark.statistics import Finding
from docket.workers.inspector.tshark.timeline import SourceShare, Timeline

LARGEST_BYTES = 2_000_000
"""A summary that is read; those that are written are far smaller."""


class Covers(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the file was dissected. The timeline and the sources are always of all of it."""

    packets: int
    of: int
    sentence: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Names, addresses and messages in it come from packets: text of strangers."""

    schema: str = "docket.summary/1"
    job: str
    revision: int
    sha256: str
    """Of the capture that it is about."""
    dissection: str = ""
    """Which settings it was dissected with; empty for the dissector's own choice."""
    state: str
    """`working`, `complete`, `partial` (not every packet could be dissected) or `failed` (none could)."""
    progress: float
    """0 to 1, while it is being made."""
    note: str
    """What went wrong, or what to know; a sentence."""
    dissector: str
    """`tshark 4.0.17`; empty where there is none."""
    written_at: str
    packets: int
    bytes: int
    """Of the packets as captured, without headers of the file."""
    first: str | None
    last: str | None
    duration_s: float
    covers: Covers
    timeline: Timeline | None
    sources: tuple[SourceShare, ...]
    tap_duplicates: int = 0
    """Packets that another source had recorded before, behind a router perhaps."""
    protocols: tuple[Protocol, ...] = ()
    talkers: tuple[Talker, ...] = ()
    talker_count: int = 0
    """Of all addresses, of which `talkers` are the largest."""
    conversations: tuple[Conversation, ...] = ()
    conversation_count: int = 0
    dns: tuple[Name, ...] = ()
    tls: tuple[Name, ...] = ()
    http: tuple[Name, ...] = ()
    name_counts: dict[str, int] = {}
    """Of all names of each kind, of which these are the most frequent."""
    findings: tuple[Finding, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a file without dissecting it."""

    packets: int
    bytes: int
    first_us: int | None
    last_us: int | None
    timeline: Timeline | None
    note: str = ""
    sources: tuple[SourceShare, ...] = ()
    tap_duplicates: int = 0


def summarise(
    manifest: Manifest,
    facts: Facts,
    listing: Listing | None,
    *,
    written_at: str,
    dissector: str,
    working: bool,
    dissection: str = "",
) -> Summary:
    """Put together what is known by now; without a listing that is only what needs no dissector."""
    done = listing.rows.added if listing is not None else 0
    note = " ".join(text for text in (facts.note, listing.note if listing is not None else "") if text)
    length_us = 0 if facts.first_us is None or facts.last_us is None else facts.last_us - facts.first_us
    summary = Summary(
        job=manifest.job,
        revision=manifest.revision,
        sha256=manifest.result.sha256 if manifest.result is not None else "",
        dissection=dissection,
        state=_state(facts, listing, working=working),
        progress=1.0 if not working else done / max(facts.packets, 1),
        note=note,
        dissector=dissector,
        written_at=written_at,
        packets=facts.packets,
        bytes=facts.bytes,
        first=None if facts.first_us is None else format_us(facts.first_us),
        last=None if facts.last_us is None else format_us(facts.last_us),
        duration_s=length_us / 1_000_000,
        covers=_covers(facts, listing),
        timeline=facts.timeline,
        sources=facts.sources or _asked(manifest),
        tap_duplicates=facts.tap_duplicates,
    )
    if working or listing is None:
        return summary
    return msgspec.structs.replace(summary, **_counted(listing))


def _asked(manifest: Manifest) -> tuple[SourceShare, ...]:
    """As long as the packets have not been counted."""
    return tuple(
        SourceShare(name=one.name, packets=one.packets, bytes=one.bytes, first=one.first, last=one.last)
        for one in manifest.sources
    )


def write_summary(path: Path, summary: Summary) -> None:
    """In one piece or not at all. Raises SpoolError."""
    write_whole(path, msgspec.json.encode(summary) + b"\n")


def read_summary(path: Path, sha256: str, dissection: str = "") -> Summary | None:
    """The summary of this very capture, dissected in this way; None if there is none."""
    try:
        with path.open("rb") as file:
            summary = msgspec.json.decode(file.read(LARGEST_BYTES), type=Summary)
    except (OSError, msgspec.DecodeError):
        return None
    return summary if (summary.sha256, summary.dissection) == (sha256, dissection) else None


def _state(facts: Facts, listing: Listing | None, *, working: bool) -> str:
    if working:
        return "working"
    if not facts.packets and not facts.note:
        return "complete"
    if listing is None or not listing.rows.rows:
        return "failed"
    whole = listing.rows.rows >= facts.packets and listing.exact >= facts.packets and not facts.note
    return "complete" if whole else "partial"


def _covers(facts: Facts, listing: Listing | None) -> Covers:
    done = listing.rows.added if listing is not None else 0
    of = facts.packets
    if done >= of:
        sentence = "All packets were looked at."
    elif done:
        sentence = f"Only the first {done:,} of {of:,} packets were looked at, but for the plot."
    else:
        sentence = "No packet was dissected; the plot shows all of them."
    if listing is not None and listing.counter.overflow:
        sentence += " There are more conversations, addresses or names than were counted."
    return Covers(packets=done, of=of, sentence=sentence)


def _counted(listing: Listing) -> Mapping[str, object]:
    counter = listing.counter
    return {
        "protocols": listing.layers.with_filters(listing.hierarchy),
        "talkers": counter.talkers(),
        "talker_count": counter.talker_count,
        "name_counts": {kind: counter.name_count(kind) for kind in ("dns", "tls", "http")},
        "conversations": counter.conversations(),
        "conversation_count": counter.conversation_count,
        "dns": counter.names("dns"),
        "tls": counter.names("tls"),
        "http": counter.names("http"),
        "findings": listing.findings,
    }


prepare(Summary)
