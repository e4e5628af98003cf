"""How a result is written, as its parts decide: classic PCAP, or pcapng where there are several link types. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from docket.domain.job import Job
from docket.packet.pcap import ETHERNET
from docket.packet.pcapng import Interface
from docket.spool import interface_blocks
from docket.workers.collector.merge import ResultShape
from docket.workers.collector.part import Part


class Origin(NamedTuple):
    """Where packets of a result come from: one channel of one part."""

    part: str
    channel: int
    name: str
    """The source that recorded them."""


def list_origins(parts: Iterable[Part]) -> list[Origin]:
    """All there are, in the order of the parts; a part of which nothing is known has one, too."""
    return [
        Origin(part.source, number, part.origin(number) if part.channels else part.source)
        for part in parts
        for number in range(max(len(part.channels), 1))
    ]


def shape_of(parts: Sequence[Part], job: Job) -> ResultShape:
    """As far as it is known by now; a first packet of another kind changes it."""
    filled = [channel for part in parts for channel in part.channels if channel.filled]
    nanoseconds = any(channel.nanoseconds for channel in filled)
    count = sum(max(len(part.channels), 1) for part in parts)
    if len({channel.linktype for channel in filled}) <= 1:
        return ResultShape(nanoseconds, origin_bytes=0 if count == 1 else _width(count))
    interfaces = tuple(interface for part in parts for interface in _interfaces(part, job))
    return ResultShape(nanoseconds, interfaces, interface_blocks.beginning(interfaces, job), _width(count))


def _interfaces(part: Part, job: Job) -> list[Interface]:
    if not part.channels:
        return [interface_blocks.interface(part.source, ETHERNET, job, nanoseconds=False)]
    return [
        interface_blocks.interface(part.origin(number), channel.linktype, job, nanoseconds=channel.nanoseconds)
        for number, channel in enumerate(part.channels)
    ]


def _width(count: int) -> int:
    return 1 if count <= 256 else 2
