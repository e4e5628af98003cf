"""Whether a manifest agrees with itself: each of its fields held against the others. Pure; for `verification`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from docket import __version__
from docket.domain.job import SourceAnswer, State, Verdict, explained, judge
from docket.domain.query.canonical import parse
from docket.domain.timewindow import parse_time_us
from docket.errors import InvalidRequest
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.spool.manifest import Manifest

SCHEMA = "docket.manifest/1"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    ok: bool
    what: str
    """What holds, or what was found in place of what the manifest says."""


def same(what: str, found: str, expected: str) -> Check:
    """Whether what was found is what the manifest says."""
    if found == expected:
        return Check(ok=True, what=f"{what}: {found}")
    return Check(ok=False, what=f"{what}: {found}, but the manifest says {expected}")


def check_story(manifest: Manifest) -> list[Check]:
    """One check for each thing in which it contradicts itself; one that is well where it does not."""
    faults = list(_faults(manifest))
    if faults:
        return [Check(ok=False, what=fault) for fault in faults]
    return [Check(ok=True, what="the manifest agrees with itself")]


def _faults(manifest: Manifest) -> Iterator[str]:
    if manifest.schema != SCHEMA:
        yield f"the manifest's schema is {manifest.schema!r}, not {SCHEMA}"
    if manifest.revision < 1:
        yield f"there is no revision {manifest.revision}"
    yield from _faults_of_question(manifest)
    yield from _faults_of_times(manifest)
    yield from _faults_of_counts(manifest)
    yield from _faults_of_state(manifest)
    for source in manifest.sources:
        yield from _faults_of_source(source, manifest)


def _faults_of_question(manifest: Manifest) -> Iterator[str]:
    question = manifest.question
    try:
        query = parse(question.query)
    except InvalidRequest as error:
        yield f"the query is none: {error}"
        return
    if query.canonical != question.query:
        yield f"the query is not in canonical form, {query.canonical!r}"
    # Another version may have explained it in other words.
    if manifest.docket == __version__ and question.explanation != explained(query, question.parent, question.refine):
        yield "the explanation is not that of the query"
    if question.refine is not None and question.parent is None:
        yield "it is refined, but from no job"


def _faults_of_times(manifest: Manifest) -> Iterator[str]:
    question = manifest.question
    try:
        after_us, before_us = parse_time_us(question.after, None), parse_time_us(question.before, None)
        requested_us, written_us = parse_time_us(question.requested_at, None), parse_time_us(manifest.written_at, None)
        deadline_us = parse_time_us(question.deadline, None)
    except ValueError as error:
        yield f"a time in the manifest is none: {error}"
        return
    if after_us >= before_us:
        yield "the window ends before it begins"
    if written_us < requested_us:
        yield "the manifest was written before the question was asked"
    if deadline_us < requested_us:
        yield "the deadline lies before the question"


def _faults_of_counts(manifest: Manifest) -> Iterator[str]:
    names = tuple(source.name for source in manifest.sources)
    if names != manifest.question.sources:
        yield "the sources that were asked are not those that answered"
    if manifest.result is None:
        return
    is_pcap = manifest.result.format == "pcap"
    if is_pcap and manifest.bytes != manifest.result.size - FILE_HEADER_BYTES:
        yield f"{manifest.bytes:,} bytes of packets do not make a file of {manifest.result.size:,}"
    yield from _faults_of_format(manifest)
    of_sources = sum(source.bytes for source in manifest.sources)
    if of_sources != manifest.bytes:
        yield f"the sources gave {of_sources:,} bytes, the result has {manifest.bytes:,}"
    most = manifest.question.limits.packets
    if most is not None and manifest.packets > most:
        yield f"{manifest.packets:,} packets are more than the limit, {most:,}"
    firsts = [source.first for source in manifest.sources if source.first is not None]
    lasts = [source.last for source in manifest.sources if source.last is not None]
    if (min(firsts, default=None), max(lasts, default=None)) != (manifest.first, manifest.last):
        yield "the times of the first and the last packet are not those of the sources"
    if (manifest.first is None) != (manifest.packets == 0):
        yield "the count of packets and the times of the first and the last do not agree"


def _faults_of_format(manifest: Manifest) -> Iterator[str]:
    if manifest.result is None:
        return
    is_pcap = manifest.result.format == "pcap"
    if is_pcap != (not manifest.interfaces) or is_pcap == manifest.result.name.endswith(".pcapng"):
        yield "the format of the result, its name and its interfaces do not agree"
    listed = manifest.packet_sources
    if listed is not None and listed.size != manifest.packets * listed.bytes_each:
        yield "the list of the packets' sources is not as long as there are packets"
    if listed is not None and manifest.interfaces and listed.names != tuple(one.name for one in manifest.interfaces):
        yield "the list of the packets' sources and the interfaces name other sources"


def _faults_of_state(manifest: Manifest) -> Iterator[str]:
    if manifest.state in (State.PARTIAL, State.FAILED) and judge(manifest.sources) != manifest.state:
        yield f"the verdicts make the job {judge(manifest.sources)}, not {manifest.state}"


def _faults_of_source(source: SourceAnswer, manifest: Manifest) -> Iterator[str]:
    if min(source.packets, source.bytes, source.trimmed, source.received, source.attempt) < 0:
        yield f"a count of {source.name} is negative"
    if not 0 <= source.progress <= 1:
        yield f"{source.name} has done {source.progress:g} of its window"
    if source.verdict is None:
        yield f"{source.name} has no verdict"
    if source.verdict is Verdict.EMPTY and source.packets:
        yield f"{source.name} is empty, with {source.packets:,} packets"
    if manifest.result is not None and len({source.packets == 0, source.first is None, source.last is None}) > 1:
        yield f"the packets of {source.name} and their times do not agree"
