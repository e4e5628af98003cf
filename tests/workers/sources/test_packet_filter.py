"""A packet that matches holds the bytes that are searched for, in whatever link type and however it was cut."""

from __future__ import annotations

import random

import numpy as np
import pytest

from docket.domain.query.canonical import parse
from docket.packet.decode import decode
from docket.packet.match import match
from docket.packet.octets import where
from docket.packet.records import scan
from docket.workers.sources.capture_files import packet_filter
from docket.workers.sources.capture_files.packet_filter import holding, literals
from tests.packet.decoded import block_of
from tests.packet.linked import MAKERS, packets
from tests.packet.questions import random_question

PACKETS = 120


@pytest.mark.parametrize("linktype", sorted(MAKERS))
def test_every_match_is_among_the_packets_that_hold_the_bytes(linktype: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whole packets and of cut ones; what is undecided because it was cut is among them, too."""
    monkeypatch.setattr(packet_filter, "WORTH", 1)
    chance = random.Random(linktype)
    made = [packet.data for packet in packets(linktype, PACKETS, seed=3000 + linktype)]
    kept = [data if chance.random() < 0.95 else data[: chance.randrange(len(data) + 1)] for data in made]
    block = block_of(kept, [len(data) for data in made])
    records = scan(block).records
    headers = decode(block, records, linktype)
    narrowed = 0
    for _ in range(100):
        root = random_question(chance).node
        wanted = literals(root)
        held = None if wanted is None else holding(block, records, wanted)
        if held is None:
            continue
        narrowed += 1
        found = match(headers, root)
        assert np.isin(where(found.mask | found.undecided), held).all()
    assert narrowed > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host 10.1.2.3", {b"\x0a\x01\x02\x03"}),
        ("src host 10.1.2.3 and port 443", {b"\x0a\x01\x02\x03"}),
        ("port 53 or port 80", {b"\x00\x35", b"\x00\x50"}),
        ("net 10.1.0.0/20", {b"\x0a\x01"}),
        ("ether host 02:00:00:00:00:01 and net 10.1.2.0/24", {b"\x02\x00\x00\x00\x00\x01"}),
        ("flow 10.1.2.3:80 - 10.1.2.4:90", {b"\x0a\x01\x02\x03"}),
    ],
)
def test_bytes_that_are_searched_for(text: str, expected: set[bytes]) -> None:
    """The longest of those that must occur together, all of those of which one must."""
    assert set(literals(parse(text).root) or ()) == expected


@pytest.mark.parametrize("text", ["", "not host 10.1.2.3", "tcp", "net 10.0.0.0/8", "portrange 1-9", "port 53 or udp"])
def test_of_what_may_look_anyhow_nothing_is_searched(text: str) -> None:
    """Negations, protocols, wide networks and ranges, and choices with one of them."""
    assert literals(parse(text).root) is None
