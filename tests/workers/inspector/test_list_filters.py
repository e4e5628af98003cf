"""Every filter that the lists of a summary offer finds exactly what its row counts: in tshark, over all rows."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from docket.workers.inspector.row_filters.protocol_filters import Protocol
from docket.workers.inspector.tshark.conversation_list import joined_by_pair, read_conversations
from docket.workers.inspector.tshark.summary import Summary
from docket.workers.inspector.tshark.tshark_programs import has_field
from tests.packet.linked import packets
from tests.services import frames, needs
from tests.workers.inspector.inspector_harness import Office
from tests.workers.inspector.reference_tshark import ENVIRON

MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
A, B, ROUTER = "10.0.0.1", "10.0.0.2", "10.0.0.254"
LIKE_A_MAC = "2001:db8::1:2:abc"
"""As many characters and colons as a MAC address."""
LINKTYPES = (1, 101, 113, 9, 105, 229)


class Row(NamedTuple):
    what: str
    filter: str
    packets: int


def ethernet(payload: bytes) -> bytes:
    return frames.ethernet(*MACS, payload)


def udp(source: str, destination: str, ports: tuple[int, int], payload: bytes) -> bytes:
    return frames.ip(source, destination, 17, frames.udp(source, destination, ports, payload))


def tcp(source: str, destination: str, ports: tuple[int, int], payload: bytes) -> bytes:
    return frames.ip(source, destination, 6, frames.tcp(source, destination, ports, payload, sequence=1))


def dns(*names: bytes, answer: bool = False) -> bytes:
    asked = b"".join(
        b"".join(bytes([len(label)]) + label for label in name.split(b"|")) + b"\0\0\1\0\1" for name in names
    )
    return struct.pack("!HHHHHH", 7, 0x8180 if answer else 0x0100, len(names), 0, 0, 0) + asked


def http(*hosts: str) -> bytes:
    return b"".join(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for host in hosts)


def names() -> list[bytes]:
    """Names that somebody chose to be mistaken: words of the info column, commas, quotes, escapes, several at once."""
    asked = (
        (b"plain|org",), (b"response|evil",), (b"query|response",), (b"a,b|org",), (b"a", b"b|org"), (b'a"b\\c|org',),
        (b"tab\tx|org",), (b"a\\tb|org",), ("é".encode() + b"|org",), (b"\xff\xfe|org",), (b"x" * 60 + b"|org",) * 2,
    )  # fmt: skip
    made = []
    for number, one in enumerate(asked):
        for host in (A, LIKE_A_MAC):
            other = B if host == A else "2001:db8::2"
            made.append(ethernet(udp(host, other, (4_000 + number % 3, 53), dns(*one))))
            made.append(ethernet(udp(other, host, (53, 4_000 + number % 3), dns(*one, answer=True))))
    for number, hosts in enumerate(
        (("one",), ("a,b",), ("one", "two"), ("one", "one"), ("response",), ("1", "2", "3"))
    ):
        made.append(ethernet(tcp(A, B, (5_000 + number, 80), http(*hosts))))
    return made


def mirrored() -> list[bytes]:
    """The same two ports at either end, errors that quote them, tunnels around them, and what has no IP."""
    one = udp(A, B, (53, 5_353), b"x")
    made = [one, udp(A, B, (5_353, 53), b"x"), udp(B, A, (5_353, 53), b"x"), udp(B, A, (53, 5_353), b"y")]
    made += [tcp(A, B, (80, 443), b"x"), tcp(A, B, (443, 80), b"x"), tcp(A, A, (80, 443), b"x"), udp(A, B, (7, 7), b"")]
    made += [frames.ip(ROUTER, A, 1, b"\x03\x01\0\0\0\0\0\0" + quoted[:28]) for quoted in made[:4]]
    made += [frames.ip(A, B, 1, frames.icmp_echo(1, b"abc")), frames.ip(A, B, 4, one), frames.ip(B, A, 4, made[4])]
    made += [udp(A, B, (4_789, 4_789), b"\x08\0\0\0\0\0\x05\0" + ethernet(inner)) for inner in (one, made[5])]
    asked = frames.arp_request(MACS[0], A, B)
    made.append(udp(A, B, (4_789, 4_789), b"\x08\0\0\0\0\0\x05\0" + asked))
    whole = frames.udp(A, B, (1, 2), bytes(3_000))
    made += frames.ipv4_fragments(A, B, 17, whole, ident=9)
    return [
        *map(ethernet, made),
        asked,
        frames.arp_request(MACS[1], B, A),
        frames.ethernet(*MACS, b"\x42\x42\x03" + bytes(40), ethertype=43),
    ]


def capture(made: Iterable[bytes], linktype: int = 1) -> bytes:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, linktype)
    records = (
        struct.pack("<IIII", 1_790_000_000, number * 1_000, len(one), len(one)) + one for number, one in enumerate(made)
    )
    return header + b"".join(records)


def linked(linktype: int) -> bytes:
    return capture([packet.data for packet in packets(linktype, 120, seed=linktype)], linktype)


CAPTURES: dict[str, Callable[[], bytes]] = {
    "names": lambda: capture(names()),
    "names alone": lambda: capture(names()[:4]),
    "mirrored": lambda: capture(mirrored()),
    "mirrored, plain": lambda: capture([*mirrored()[:8], *mirrored()[-3:]]),
    **{f"link type {linktype}": partial(linked, linktype) for linktype in LINKTYPES},
}


FIELD_UNTIL_4_2 = "http.response_for.uri"
"""Tells an older tshark from 4.4."""


@pytest.mark.parametrize("name", CAPTURES)
def test_filters_find_what_rows_count(name: str, office: Office, tmp_path: Path) -> None:
    """Talkers, conversations, pairs of addresses, names and protocols."""
    made = CAPTURES[name]()
    path = tmp_path / "made.pcap"
    path.write_bytes(made)
    job = office.place(path)
    rows = list(rows_of(office.inspected(job), office, job.id))
    offered = [row for row in rows if row.filter]
    counts = counted(path, [row.filter for row in offered])
    # Statistics pass over malformed packets; what they do not confirm is asked for by itself.
    doubted = [row for row in offered if counts.get(row.filter) != row.packets]
    assert [row for row in doubted if shown(path, row.filter) != row.packets] == []
    # tshark 4.4 leaves the IP header behind an MPLS label out of the layers: what lies behind it has no filter there.
    share = 0.6 if has_field(FIELD_UNTIL_4_2) else 0.45
    assert len(offered) >= share * len(rows), [row for row in rows if not row.filter]


def rows_of(summary: Summary, office: Office, job_id: str) -> Iterator[Row]:
    conversations = read_conversations(
        office.spool.job_directory(job_id) / "index" / summary.sha256[:16] / "conversations", summary.sha256
    )
    assert conversations is not None
    for one in conversations:
        yield Row(f"{one.transport} {one.a} {one.b}", one.filter, one.packets)
    for one in joined_by_pair(conversations):
        yield Row(f"pair {one.a.address} {one.b.address}", one.filter, one.packets)
    alone = {one.a.address: 0 for one in conversations}
    for one in conversations:
        if one.a.address == one.b.address:
            alone[one.a.address] += one.packets
    for talker in summary.talkers:
        packets = talker.packets_sent + talker.packets_received - alone.get(talker.address, 0)
        yield Row(f"talker {talker.address}", talker.filter, packets)
    for kind in ("dns", "tls", "http"):
        for asked in getattr(summary, kind):
            yield Row(f"{kind} {asked.name}", asked.filter, asked.count)
    for protocol in flat(summary.protocols):
        yield Row(f"protocol {protocol.name}", protocol.filter, protocol.packets)


def flat(protocols: Iterable[Protocol]) -> Iterator[Protocol]:
    for protocol in protocols:
        yield protocol
        yield from flat(protocol.children)


def counted(path: Path, filters: list[str]) -> dict[str, int]:
    """How many packets each filter finds, many at a time: `-z io,stat` takes a list with commas between."""
    needs.program("tshark", "tshark")
    many = [one for one in dict.fromkeys(filters) if "," not in one]
    counts: dict[str, int] = {}
    for at in range(0, len(many), 40):
        some = many[at : at + 40]
        printed = run(path, "-q", "-z", "io,stat,0," + ",".join(some))
        cells = [line for line in printed.splitlines() if " <> " in line][-1].split("|")[2:]
        figures = [int(cell) for cell in cells if cell.strip()]
        counts |= dict(zip(some, figures[::2], strict=True))
    return counts


def shown(path: Path, one: str) -> int:
    return len(run(path, "-Y", one, "-T", "fields", "-e", "frame.number").split())


def run(path: Path, *arguments: str) -> str:
    command = ["tshark", "-n", "-r", str(path), *arguments]
    done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
