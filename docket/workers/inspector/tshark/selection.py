"""The numbers of the packets that display filter and packet filter let through, in order. For the refinements.

Each filter is a program in the sandbox and is handed over as it was written and alone: a word of libpcap like `vlan`
moves all later offsets of its expression, so what is joined to it would mean something else. tshark reads the whole
result, because what it shows may depend on all the packets before. tcpdump decides each packet by itself and knows one
link type at a time: it is given the packets of each with their numbers in place of their times. Docket's own query and
the direction are decided by `docket.packet`, behind these.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from ipaddress import ip_address
from threading import Event
from typing import cast

import numpy as np
from numpy.typing import NDArray

from docket.domain.query.terms import And, FilterNode, Node, SentBy
from docket.domain.refinement import Refinement
from docket.errors import DissectionError, InvalidRequest
from docket.packet.pcap import FILE_HEADER_BYTES, LARGEST_RECORD_BYTES, RECORD_HEADER_BYTES, file_header, scan
from docket.workers.inspector.tshark.filters import check_packet_filter, filter_cpu_s, shown_by
from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import Batch, Capture
from docket.workers.inspector.tshark.tshark_programs import tcpdump

MEMORY_BYTES = 1_500_000_000
OUTPUT_BYTES = 1_000_000_000_000
"""No bound of its own: the job's limit is one."""


class Selection:
    """Asked for the packets of a capture from the first on, batch by batch. Use as a context manager."""

    def __init__(self, capture: Capture, refinement: Refinement, wall_s: float, stop: Event) -> None:
        self._stack = ExitStack()
        self._numbers: list[Iterator[int]] = []
        self._next: list[int | None] = []
        if refinement.filter:
            self._add(shown_by(capture, refinement.filter, stop, wall_s))
        if refinement.bpf:
            self._add(_let_through(capture, refinement.bpf, wall_s, stop))

    def __enter__(self) -> Selection:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def mask(self, first: int, count: int) -> NDArray[np.bool_]:
        """Which of the packets from `first` (from 1) on pass every filter. Raises DissectionError."""
        mask = np.ones(count, dtype=np.bool_)
        for place in range(len(self._numbers)):
            passed = np.zeros(count, dtype=np.bool_)
            passed[[number - first for number in self._below(place, first + count)]] = True
            mask &= passed
        return mask

    def _add(self, numbers: Iterator[int]) -> None:
        self._numbers.append(numbers)
        self._next.append(None)
        # A program that is not read to its end is ended with its generator.
        self._stack.enter_context(closing(cast("Generator[int, None, None]", numbers)))

    def _below(self, place: int, end: int) -> list[int]:
        """The numbers of one filter up to there; the one behind is kept for later."""
        found: list[int] = []
        number = self._next[place]
        if number is None:
            number = next(self._numbers[place], -1)
        while 0 <= number < end:
            found.append(number)
            number = next(self._numbers[place], -1)
        self._next[place] = number
        return found


def decided_root(query_root: Node | None, refinement: Refinement) -> FilterNode | None:
    """The query and the direction as one question to the packets; None if neither asks for anything."""
    if refinement.sender is None:
        return query_root
    sender = SentBy(ip_address(refinement.sender.address), refinement.sender.port, "any")
    return sender if query_root is None else And((query_root, cast(Node, sender)))


def fitting_linktypes(text: str, linktypes: Iterable[int], field: str = "bpf", stop: Event | None = None) -> list[int]:
    """Those for which a packet filter has a meaning. Raises InvalidRequest if there are none, and DissectionError if
    stopped."""
    fitting, refused = [], None
    for linktype in linktypes:
        try:
            check_packet_filter(text, linktype, field, stop)
            fitting.append(linktype)
        except InvalidRequest as error:
            refused = refused or error
    if refused is not None and not fitting:
        raise refused
    return fitting


def _let_through(capture: Capture, text: str, wall_s: float, stop: Event) -> Iterator[int]:
    """The numbers, ascending. Raises DissectionError."""
    try:
        linktypes = fitting_linktypes(text, capture.form.linktypes, stop=stop)
    except InvalidRequest as error:
        raise DissectionError(str(error)) from error
    cpu_s = filter_cpu_s(capture.packets)
    limits = Limits(wall_s, memory_bytes=MEMORY_BYTES, output_bytes=OUTPUT_BYTES, cpu_s=cpu_s)
    with ExitStack() as stack:
        runs = []
        for linktype in linktypes:
            # Without the optimizer: it moves loads before the tests that guard them, which loses short packets.
            command = tcpdump("-O", "-w", "-", "--", text)
            source = _numbered(capture, linktype)
            runs.append(_read_numbers(stack.enter_context(SandboxedProcess(command, limits, source, stop=stop))))
        yield from heapq.merge(*runs)


def _numbered(capture: Capture, linktype: int) -> Iterator[bytes]:
    """A classic capture of the packets of one link type; the time of each is its number, in seconds."""
    yield file_header(linktype, LARGEST_RECORD_BYTES)
    of_kind = np.array([one.linktype == linktype for one in capture.form.interfaces])
    whole = len(capture.form.linktypes) == 1
    for batch in capture.batches():
        records = np.frombuffer(batch.records, np.uint8).copy()
        starts = np.array(batch.offsets[:-1], dtype=np.int64)
        numbers = np.arange(batch.first, batch.first + len(starts), dtype="<u8").view(np.uint8).reshape(-1, 8)
        records[starts[:, None] + np.arange(8)] = numbers
        if whole:
            yield records.tobytes()
            continue
        yield b"".join(_of_kind(records, batch, of_kind))


def _of_kind(records: NDArray[np.uint8], batch: Batch, of_kind: NDArray[np.bool_]) -> Iterator[memoryview]:
    view = records.data
    for place in np.flatnonzero(of_kind[batch.sources]).tolist():
        yield view[batch.offsets[place] : batch.offsets[place + 1]]


def _read_numbers(child: SandboxedProcess) -> Iterator[int]:
    rest, begun = b"", False
    for block in child.blocks():
        rest += block
        if not begun:
            if len(rest) < FILE_HEADER_BYTES:
                continue
            rest, begun = rest[FILE_HEADER_BYTES:], True
        _, offsets, end = scan(rest)
        for offset in offsets[:-1]:
            yield struct.unpack_from("<I", rest, offset)[0]
        rest = rest[end:]
    if rest and len(rest) >= RECORD_HEADER_BYTES:
        raise DissectionError("tcpdump did not write whole packets")
    child.finish()
