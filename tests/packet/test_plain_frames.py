"""Queries of today's words find in Ethernet frames what a plain second reading of them finds."""

from __future__ import annotations

import struct

import pytest

from docket.domain.query.canonical import parse
from docket.packet.decode import decode
from docket.packet.headers import Headers
from docket.packet.match import match
from docket.packet.records import scan
from tests.domain.query.query_frames import all_frames
from tests.domain.query.query_meaning import dissect, matches

QUERIES = [
    "",
    "host 10.1.2.3",
    "net 10.0.0.0/8",
    "host 2001:db8::1",
    "net 2001:db8::/32",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "ip proto 132",
    "proto gre",
    "proto 44",
    "port 53",
    "port 443",
    "port 80",
    "vlan 100",
    "vlan 200",
    "vlan 300",
    "mpls 77",
    "mpls 78",
    "host 10.1.2.3 and port 443",
    "port 53 or (vlan 100 and tcp)",
    "port 1 or port 2 or port 53 or port 443 or port 80",
    "host 10.9.9.9 or host 10.1.2.3 or host 10.9.9.8 or host 192.0.2.77",
]


@pytest.fixture(scope="module")
def headers() -> Headers:
    block = b"".join(struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame for frame in all_frames().values())
    return decode(block, scan(block).records)


@pytest.mark.parametrize("text", QUERIES)
def test_each_word_finds_what_it_means(headers: Headers, text: str) -> None:
    """The frames found are those that the plain reading finds, and nothing is undecided in whole packets."""
    root = parse(text).root
    expected = [name for name, frame in all_frames().items() if matches(root, dissect(frame))]
    found = match(headers, root)
    assert [name for name, hit in zip(all_frames(), found.mask, strict=True) if hit] == expected
    assert not found.undecided.any()
