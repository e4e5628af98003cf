"""A query as fields, and one in stenographer's own words with its times."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from docket.domain.query.canonical import MAX_TERMS, parse, parse_fields, split_time
from docket.errors import InvalidRequest


@pytest.mark.parametrize(
    ("fields", "canonical"),
    [
        ({}, ""),
        ({"host": None, "net": "", "port": []}, ""),
        ({"host": "10.1.2.3"}, "host 10.1.2.3"),
        ({"host": ["10.1.2.3", "10.9.0.1"], "port": [443]}, "host 10.1.2.3 and host 10.9.0.1 and port 443"),
        ({"port": ["80", 443]}, "port 80 and port 443"),
        ({"net": "10.1.2.3/24"}, "net 10.1.2.0/24"),
        ({"net": ["10.1.2.3 mask 255.255.255.0", "2001:db8::/32"]}, "net 10.1.2.0/24 and net 2001:db8::/32"),
        ({"proto": 6}, "tcp"),
        ({"proto": "47", "vlan": 5, "mpls": "77"}, "ip proto 47 and vlan 5 and mpls 77"),
        ({"proto-name": "TCP"}, "tcp"),
        ({"proto-name": ["udp"], "proto": [17]}, "udp"),
        ({"host": " 10.1.2.3 "}, "host 10.1.2.3"),
        ({"port": (80,)}, "port 80"),
    ],
)
def test_fields_are_all_asked_for_together(fields: Mapping[str, object], canonical: str) -> None:
    """Each value is a term and all must hold, as in Docket 1."""
    assert parse_fields(fields).canonical == canonical


@pytest.mark.parametrize(
    ("fields", "canonical"),
    [
        ({"src_host": "10.1.2.3", "dst_port": [80, 443]}, "src host 10.1.2.3 and dst port 80 and dst port 443"),
        (
            {"host": "10.1.2.3", "not": {"port": [443, "1000-2000"]}},
            "host 10.1.2.3 and not port 443 and not portrange 1000-2000",
        ),
        ({"inner_src_net": "10.0.0.0/8", "any_proto": "tcp"}, "inner src net 10.0.0.0/8 and any tcp"),
        ({"layer": "ip6", "not": {"layer": "arp"}}, "ip6 and not arp"),
        (
            {"ether": "00:1b:21:3c:4d:5e", "src_ether": "001b.213c.4d5e"},
            "ether host 00:1b:21:3c:4d:5e and ether src 00:1b:21:3c:4d:5e",
        ),
        (
            {"flow": "tcp 10.1.2.3:5 - 10.0.0.1:443", "less": 100, "greater": "50"},
            "flow tcp 10.0.0.1:443 - 10.1.2.3:5 and less 100 and greater 50",
        ),
        ({"not": None}, ""),
    ],
)
def test_fields_say_direction_scope_and_not(fields: Mapping[str, object], canonical: str) -> None:
    """All that a term can say; none of the values under `not` may hold."""
    assert parse_fields(fields).canonical == canonical


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"not": "tcp"}, [("bad-not", "not")]),
        ({"not": {"hots": 1}}, [("unknown-field", "not.hots")]),
        ({"not": {"port": 70000}}, [("bad-port", "not.port")]),
        ({"src_vlan": 5}, [("unknown-field", "src_vlan")]),
        ({"inner_less": 5}, [("unknown-field", "inner_less")]),
        ({"layer": "tcp"}, [("bad-layer", "layer")]),
        ({"hots": "10.1.2.3"}, [("unknown-field", "hots")]),
        ({"port": 70000}, [("bad-port", "port")]),
        ({"port": True}, [("bad-port", "port")]),
        ({"port": 80.0}, [("bad-port", "port")]),
        ({"port": [[80]]}, [("bad-port", "port")]),
        ({"port": {"from": 80}}, [("bad-port", "port")]),
        ({"mpls": 10**5000}, [("bad-mpls", "mpls")]),
        ({"host": "10.1.2.3 or tcp"}, [("bad-host", "host")]),
        ({"host": "10.0.0.0/8"}, [("bad-host", "host")]),
        ({"net": "10.0.0.0"}, [("bad-net", "net")]),
        ({"net": "10.0.0.0/8/8"}, [("bad-net", "net")]),
        ({"proto-name": "XYZ"}, [("bad-proto-name", "proto-name")]),
        ({"host": "x", "port": ["y", 80, "z"]}, [("bad-host", "host"), ("bad-port", "port"), ("bad-port", "port")]),
        ({"port": [1] * (MAX_TERMS + 1)}, [("too-many-terms", "port")]),
    ],
)
def test_faults_in_fields_name_their_field(fields: Mapping[str, object], faults: list[tuple[str, str]]) -> None:
    """All at once; a value cannot smuggle a second term in."""
    with pytest.raises(InvalidRequest) as caught:
        parse_fields(fields)
    assert [(fault.code, fault.field) for fault in caught.value.faults] == faults


def test_fields_together_may_not_have_too_many_terms() -> None:
    """Each field is within the limit here, all of them are not."""
    with pytest.raises(InvalidRequest, match="more than"):
        parse_fields({"port": list(range(MAX_TERMS)), "vlan": 5})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", None, None)),
        ("port 53", ("port 53", None, None)),
        ("after 5m ago", ("", "5m", None)),
        ("before 3h ago and tcp", ("tcp", None, "3h")),
        (
            "after 2026-11-24T14:02:00Z and before 2026-11-24T15:02:00+01:00 and host 10.1.2.3",
            ("host 10.1.2.3", "2026-11-24T14:02:00Z", "2026-11-24T15:02:00+01:00"),
        ),
        ("tcp and (after 5m ago and port 53)", ("tcp and port 53", "5m", None)),
        ("port 53 or port 80 and after 5m ago", ("port 53 or port 80", "5m", None)),
        ("tcp or udp and port 53", ("port 53 and (tcp or udp)", None, None)),
        ("port 1 or port 2 and port 3 or port 4", ("port 4 or (port 3 and (port 1 or port 2))", None, None)),
    ],
)
def test_time_is_taken_out_of_a_query_for_stenographer(text: str, parts: tuple[str, str | None, str | None]) -> None:
    """From left to right, as stenographer would have read it."""
    assert split_time(text) == parts


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("after 5m ago or port 53", [("time-in-choice", 0)]),
        ("after 5m ago and port 53 or port 80", [("time-in-choice", 0)]),
        ("tcp and (port 53 or (udp and before 5m ago))", [("time-in-choice", 29)]),
        ("after 5m ago and after 6m ago", [("time-twice", 17)]),
        ("after 5m", [("bad-time", 6)]),
        ("after soon ago", [("bad-time", 6)]),
        ("after", [("missing-value", 5)]),
        ("after 2026-13-24T14:02:00Z and port 70000", [("bad-time", 6), ("bad-port", 36)]),
        ("port 53 not tcp", [("missing-connective", 8)]),
        ("not after 5m ago", [("time-in-choice", 4)]),
    ],
)
def test_a_time_that_is_not_for_the_whole_query_is_refused(text: str, faults: list[tuple[str, int]]) -> None:
    """A job has one window."""
    with pytest.raises(InvalidRequest) as caught:
        split_time(text)
    assert [(fault.code, fault.position) for fault in caught.value.faults] == faults


def test_a_query_for_stenographer_cannot_nest_too_deeply_either() -> None:
    """Words in turn nest without any parenthesis when they are read from left to right."""
    text = " ".join(f"port {number} {'and' if number % 2 else 'or'}" for number in range(MAX_TERMS - 1)) + " tcp"
    with pytest.raises(InvalidRequest, match="nested"):
        split_time(text)
    assert parse(text).terms == MAX_TERMS
