"""`job.json`: what a result is, where it came from and how to check it. Pure; `docket verify` reads it too."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from docket import __version__
from docket.domain.decoding import prepare
from docket.domain.job import Job, PcapFile, SourceAnswer, State
from docket.domain.refinement import Refinement
from docket.domain.request import Request
from docket.domain.request_message import Limits
from docket.domain.timewindow import format_us
from docket.packet.pcapng import Interface


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked what, and when. Times are RFC 3339 UTC."""

    asked: str
    """The query as it came."""
    query: str
    """The same in canonical form."""
    explanation: str
    after: str
    before: str
    sources: tuple[str, ...]
    limits: Limits
    deadline: str
    wait_for_flush: bool
    owner: str
    note: str
    requested_at: str
    parent: str | None = None
    """The job from whose result the packets were taken."""
    refine: Refinement | None = None


class PacketSources(msgspec.Struct, frozen=True, kw_only=True):
    """`job.pcap.sources` beside the result: for each packet, in the order of the packets, the number of its source."""

    names: tuple[str, ...]
    """By number, from 0; one that recorded packets of several kinds stands here for each."""
    bytes_each: int
    """Of a number, little-endian; 0 where there is one source and no file."""
    size: int
    sha256: str


class InterfaceBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One interface of a result that is pcapng, in the order of the blocks."""

    name: str
    linktype: int
    nanoseconds: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence beside one revision of a result."""

    schema: str = "docket.manifest/1"
    docket: str = __version__
    job: str
    revision: int
    state: State
    reason: str
    written_at: str
    question: Question
    result: PcapFile | None
    """`name` is the name for downloads; beside this file the result is called `job.pcap`."""
    packets: int
    bytes: int
    """Of the packet records in the result, their headers included."""
    first: str | None
    last: str | None
    linktype: int | None
    """Of a classic result."""
    sources: tuple[SourceAnswer, ...]
    """Each with its verdict, its counts, the text that it was given (`sent`) and the SHA-256 of its part."""
    signing_key: str | None = None
    """The public key (base64) that belongs to the signature beside this file; None: it was not signed."""
    interfaces: tuple[InterfaceBlock, ...] = ()
    """Of a result that is pcapng, because its packets are of several link types."""
    packet_sources: PacketSources | None = None
    """Missing in manifests of earlier versions."""


def make_manifest(
    job: Job,
    request: Request,
    *,
    written_at: str,
    first_us: int | None,
    last_us: int | None,
    linktype: int | None,
    signing_key: str | None = None,
    interfaces: Sequence[Interface] = (),
    packet_sources: PacketSources | None = None,
) -> Manifest:
    """The manifest of a job in its final state."""
    return Manifest(
        job=job.id,
        revision=job.revision,
        state=job.state,
        reason=job.reason,
        written_at=written_at,
        question=Question(
            asked=job.asked,
            query=job.query,
            explanation=job.explanation,
            after=job.after,
            before=job.before,
            sources=tuple(answer.name for answer in job.sources),
            limits=job.limits,
            deadline=job.deadline,
            wait_for_flush=job.wait_for_flush,
            owner=job.owner,
            note=job.note,
            requested_at=format_us(request.requested_at_us),
            parent=request.parent,
            refine=request.refine,
        ),
        result=job.pcap,
        packets=job.packets,
        bytes=job.bytes,
        first=None if first_us is None else format_us(first_us),
        last=None if last_us is None else format_us(last_us),
        linktype=linktype,
        sources=job.sources,
        signing_key=signing_key,
        interfaces=tuple(
            InterfaceBlock(name=one.name, linktype=one.linktype, nanoseconds=one.nanoseconds) for one in interfaces
        ),
        packet_sources=packet_sources,
    )


def encode_manifest(manifest: Manifest) -> bytes:
    """Readable by people, ending in a line feed."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode_manifest(body: bytes) -> Manifest:
    """Raises msgspec.DecodeError for what is no manifest."""
    return msgspec.json.decode(body, type=Manifest)


prepare(Manifest)
