"""The packets of a capture that display filter and packet filter let through, as a stream. For the refinements.

The filters run one behind the other, each a program in the sandbox: tshark first, because what it shows may depend on
all the packets before. Each is handed over as it was written and alone: a word of libpcap like `vlan` moves all later
offsets of its expression, so what is joined to it would mean something else. Docket's own query and the direction are
decided by `docket.packet`, behind these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address
from threading import Event
from typing import cast

from docket.domain.query.terms import And, FilterNode, Node, SentBy
from docket.domain.refinement import Refinement
from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.tshark_programs import tcpdump, tshark

BLOCK_BYTES = 256 * 1024
MEMORY_BYTES = 1_500_000_000
OUTPUT_BYTES = 1_000_000_000_000
"""No bound of its own: the job's limit is one."""


@contextmanager
def selected(capture: Capture, refinement: Refinement, wall_s: float, stop: Event) -> Iterator[Iterator[bytes]]:
    """A classic PCAP in pieces: its header, then the records that pass. Raises DissectionError while it is read."""
    limits = Limits(wall_s, memory_bytes=MEMORY_BYTES, output_bytes=OUTPUT_BYTES)
    with ExitStack() as stack:
        descriptor = capture.reopen()
        stack.callback(os.close, descriptor)
        children: list[SandboxedProcess] = []
        if refinement.filter:
            form = "nsecpcap" if capture.header.nanoseconds else "pcap"
            command = tshark("-Y", refinement.filter, "-w", "-", "-F", form)
            children.append(stack.enter_context(SandboxedProcess(command, limits, descriptor, stop=stop)))
        if refinement.bpf:
            source = children[-1] if children else descriptor
            # Without the optimizer: it moves loads before the tests that guard them, which loses short packets.
            precision = f"--time-stamp-precision={'nano' if capture.header.nanoseconds else 'micro'}"
            command = tcpdump("-O", precision, "-w", "-", "--", refinement.bpf)
            children.append(stack.enter_context(SandboxedProcess(command, limits, source, stop=stop)))
        yield _output(children) if children else _whole(descriptor)


def decided_root(query_root: Node | None, refinement: Refinement) -> FilterNode | None:
    """The query and the direction as one question to the packets; None if neither asks for anything."""
    if refinement.sender is None:
        return query_root
    sender = SentBy(ip_address(refinement.sender.address), refinement.sender.port, "any")
    return sender if query_root is None else And((query_root, cast(Node, sender)))


def _output(children: list[SandboxedProcess]) -> Iterator[bytes]:
    yield from children[-1].blocks()
    for child in reversed(children):
        child.finish()


def _whole(descriptor: int) -> Iterator[bytes]:
    while block := os.read(descriptor, BLOCK_BYTES):
        yield block
