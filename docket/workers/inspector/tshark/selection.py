"""The packets of a capture that filters let through, as a stream. For the inspector's refinements.

The filters run one behind the other, each a program in the sandbox: tshark first, because what it shows may depend on
all the packets before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event

from docket.domain.query.canonical import Query
from docket.domain.query.render import to_bpf
from docket.domain.refinement import Refinement, Sender
from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from docket.workers.inspector.tshark.programs import tcpdump, tshark
from docket.workers.inspector.tshark.result_capture import Capture

BLOCK_BYTES = 256 * 1024
MEMORY_BYTES = 1_500_000_000
OUTPUT_BYTES = 1_000_000_000_000
"""No bound of its own: the job's limit is one."""


@contextmanager
def selected(
    capture: Capture, query: Query, refinement: Refinement, wall_s: float, stop: Event
) -> Iterator[Iterator[bytes]]:
    """A classic PCAP in pieces: its header, then the records that pass. Raises DissectionError while it is read."""
    limits = Limits(wall_s, memory_bytes=MEMORY_BYTES, output_bytes=OUTPUT_BYTES)
    packet_filter = whole_bpf(query, refinement)
    with ExitStack() as stack:
        descriptor = capture.reopen()
        stack.callback(os.close, descriptor)
        children: list[SandboxedProcess] = []
        if refinement.filter:
            command = tshark("-Y", refinement.filter, "-w", "-", "-F", "pcap")
            children.append(stack.enter_context(SandboxedProcess(command, limits, descriptor, stop=stop)))
        if packet_filter:
            source = children[-1] if children else descriptor
            command = tcpdump("-w", "-", packet_filter)
            children.append(stack.enter_context(SandboxedProcess(command, limits, source, stop=stop)))
        yield _output(children) if children else _whole(descriptor)


def whole_bpf(query: Query, refinement: Refinement) -> str:
    """Query, packet filter and direction as one filter for tcpdump; empty if there is nothing to be filtered."""
    terms = []
    if query.canonical:
        terms.append(to_bpf(query))
    if refinement.bpf:
        terms.append(refinement.bpf)
    if refinement.sender is not None:
        terms.append(_from(refinement.sender))
    return terms[0] if len(terms) == 1 else " and ".join(f"({term})" for term in terms)


def _from(sender: Sender) -> str:
    """Also behind a VLAN tag, where tcpdump's words do not look by themselves."""
    family = "ip6" if ":" in sender.address else "ip"
    term = f"{family} src host {sender.address}"
    if sender.port is not None:
        term += f" and (tcp src port {sender.port} or udp src port {sender.port})"
    return f"({term}) or (vlan and ({term}))"


def _output(children: list[SandboxedProcess]) -> Iterator[bytes]:
    yield from children[-1].blocks()
    for child in reversed(children):
        child.finish()


def _whole(descriptor: int) -> Iterator[bytes]:
    while block := os.read(descriptor, BLOCK_BYTES):
        yield block
