"""Whether a manifest agrees with itself: each of its fields held against the others. Pure; for `verification`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from docket.domain.job import SourceAnswer, State, Verdict, judge
from docket.domain.timewindow import parse_time_us
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.spool.manifest import Manifest

SCHEMA = "docket.manifest/1"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    ok: bool
    what: str
    """What holds, or what was found in place of what the manifest says."""


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
    yield from _faults_of_times(manifest)
    yield from _faults_of_counts(manifest)
    yield from _faults_of_state(manifest)
    for source in manifest.sources:
        yield from _faults_of_source(source, manifest)


def _faults_of_times(manifest: Manifest) -> Iterator[str]:
    question = manifest.question
    try:
        after_us, before_us = parse_time_us(question.after, None), parse_time_us(question.before, None)
        requested_us, written_us = parse_time_us(question.requested_at, None), parse_time_us(manifest.written_at, None)
        parse_time_us(question.deadline, None)
    except ValueError as error:
        yield f"a time in the manifest is none: {error}"
        return
    if after_us >= before_us:
        yield "the window ends before it begins"
    if written_us < requested_us:
        yield "the manifest was written before the question was asked"


def _faults_of_counts(manifest: Manifest) -> Iterator[str]:
    names = tuple(source.name for source in manifest.sources)
    if names != manifest.question.sources:
        yield "the sources that were asked are not those that answered"
    if manifest.result is not None and manifest.bytes != manifest.result.size - FILE_HEADER_BYTES:
        yield f"{manifest.bytes:,} bytes of packets do not make a file of {manifest.result.size:,}"
    if manifest.result is None:
        return
    if (manifest.first is None) != (manifest.packets == 0) or (manifest.last is None) != (manifest.packets == 0):
        yield "the count of packets and the times of the first and the last do not agree"


def _faults_of_state(manifest: Manifest) -> Iterator[str]:
    if manifest.state in (State.PARTIAL, State.FAILED) and judge(manifest.sources) != manifest.state:
        yield f"the verdicts make the job {judge(manifest.sources)}, not {manifest.state}"


def _faults_of_source(source: SourceAnswer, manifest: Manifest) -> Iterator[str]:
    if min(source.packets, source.bytes, source.trimmed, source.received) < 0:
        yield f"a count of {source.name} is negative"
    if source.packets > manifest.packets:
        yield f"{source.name} has more packets than the result"
    if source.verdict is Verdict.EMPTY and source.packets:
        yield f"{source.name} is empty, with {source.packets:,} packets"
    for mine, whole, early in ((source.first, manifest.first, True), (source.last, manifest.last, False)):
        if mine is not None and whole is not None and mine != whole and (mine < whole) == early:
            yield f"{source.name} has packets from outside of the result's times"
