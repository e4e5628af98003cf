"""A query in stenographer's words, as a packet filter and as a sentence: all with the same meaning."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.domain.query.canonical import MAX_TERMS, parse
from docket.domain.query.render import explain, to_bpf, to_stenographer
from docket.domain.timewindow import parse_time_us
from tests.domain.query.query_frames import all_frames
from tests.domain.query.query_meaning import dissect, matches
from tests.services import needs
from tests.services.recording import record
from tests.services.stenographer import StoredStenographer
from tests.services.traffic import START_US, write_capture
from tests.services.truth import packets_of

QUERIES = [
    "",
    "host 10.1.2.3",
    "host 192.0.2.77",
    "host 2001:db8::1",
    "host ff02::16",
    "host ::ffff:10.1.2.3",
    "host 10.1.2.3 and host 10.9.0.1",
    "host 10.1.2.3 and host 2001:db8::1",
    "net 10.1.2.99/24",
    "net 10.0.0.0/8 and net 192.0.2.0/25",
    "net 192.0.2.64/26 or net 2001:db8:0:ffff::/64",
    "net 2001:db8::/33",
    "net 2001:db8::/61",
    "net fe80::/10",
    "net 0.0.0.0/0",
    "net ::/0",
    "net 0.0.0.0/0 or net ::/0",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "tcp and udp",
    "proto sctp or proto gre",
    "ip proto 0 or ip proto 43 or ip proto 60",
    "ip proto 44",
    "ip proto 44 or tcp",
    "port 53",
    "port 80",
    "port 443",
    "port 53 and port 443",
    "port 53 or port 80",
    "port 40000 or port 40001",
    "port 16705 or port 5353",
    "udp and port 53",
    "tcp and port 53",
    "host 10.1.2.3 and port 443",
    "host 2001:db8::1 and (port 443 or icmp6)",
    "host 192.0.2.77 or port 80 or icmp6",
    "(host 10.1.2.3 or host fe80::7) and (udp or tcp) and (port 53 or port 80)",
    "host 10.9.0.1 or (tcp and port 80)",
    "vlan 100",
    "vlan 200",
    "vlan 300",
    "vlan 100 and vlan 200",
    "vlan 200 and host 10.1.2.3",
    "vlan 100 and port 53",
    "vlan 200 or port 443",
    "vlan 4095",
    "mpls 77",
    "mpls 78",
    "mpls 77 and mpls 78",
    "mpls 78 and vlan 200",
    "mpls 77 and icmp6",
    "mpls 77 and (vlan 100 or port 443)",
    "mpls 1048575 or vlan 0",
    " or ".join(f"port {number}" for number in range(400, 460)),
    " or ".join(f"host 192.0.2.{number}" for number in range(60, 120)) + " or port 80 or net fe80::/64",
    "udp and (vlan 200 or " + " or ".join(f"host 2001:db8:0:ffff::{number}" for number in range(60)) + ")",
]


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture with a frame of each sort."""
    path = tmp_path_factory.mktemp("frames") / "frames.pcap"
    write_capture(path, [(START_US + number, frame) for number, frame in enumerate(all_frames().values())])
    return path


@pytest.fixture(scope="module")
def stenographer(steno_directory: Path) -> Iterator[StoredStenographer]:
    """A real stenographer that has recorded the same frames."""
    directory = steno_directory / "frames"
    directory.mkdir()
    # The kernel takes the outermost tag away; with one more around each frame it is this one.
    outer = b"\x81\x00\x0f\xfe"
    sent = [frame[:12] + outer + frame[12:] for frame in all_frames().values()]
    write_capture(directory / "sent.pcap", [(START_US + 2000 * number, frame) for number, frame in enumerate(sent)])
    recording = record({"em7": directory / "sent.pcap"}, directory, with_truth=False)["em7"]
    server = StoredStenographer(directory / "server", recording.files)
    try:
        server.start()
        yield server
    finally:
        server.close()


def names(pcap: bytes) -> list[str]:
    """The names of the frames in a capture."""
    known = {frame: name for name, frame in all_frames().items()}
    return sorted(known[packet.frame] for packet in packets_of(pcap))


def through_tcpdump(query: str, capture: Path) -> list[str]:
    """What tcpdump takes from a capture; a filter may be too long for the command line."""
    filter_file = capture.with_suffix(".filter")
    filter_file.write_text(to_bpf(parse(query)) or "")
    command = [needs.program("tcpdump", "tcpdump"), "-r", str(capture), "-w", "-", "-F", str(filter_file)]
    return names(subprocess.run(command, check=True, capture_output=True).stdout)


def expected(query: str) -> list[str]:
    root = parse(query).root
    return sorted(name for name, frame in all_frames().items() if matches(root, dissect(frame)))


def test_the_frames_are_all_different_and_one_minimal_frame_long() -> None:
    """So a frame's bytes are its name, and no filter fails for want of bytes."""
    frames = all_frames()
    assert len(set(frames.values())) == len(frames)
    assert all(len(frame) >= 60 for frame in frames.values())


def test_most_queries_of_the_table_match_some_frames_and_not_all() -> None:
    """The table would prove nothing with queries that find nothing or everything."""
    telling = [query for query in QUERIES if 0 < len(expected(query)) < len(all_frames())]
    assert len(telling) > 0.8 * len(QUERIES)


@pytest.mark.parametrize("query", QUERIES)
def test_the_packet_filter_finds_what_the_query_means(query: str, capture: Path) -> None:
    """tcpdump takes the filter and gives the frames that the plain reading of the query gives."""
    assert through_tcpdump(query, capture) == expected(query)


@pytest.mark.parametrize(("one", "other"), [("and", "or"), ("or", "and")])
def test_the_packet_filter_keeps_the_meaning_of_nested_groups(one: str, other: str, capture: Path) -> None:
    """Also where a group stands in a group, for every pair of kinds of terms."""
    terms = ["host 10.1.2.3", "net 2001:db8::/32", "udp", "port 53", "vlan 100", "mpls 77"]
    for first, second, third in itertools.combinations(terms, 3):
        query = f"{first} {one} ({second} {other} {third})"
        assert (query, through_tcpdump(query, capture)) == (query, expected(query))


@pytest.mark.parametrize(
    "term", ["host 10.1.{}.{}", "host 2001:db8:{}::{}", "port {0}{1:03}", "vlan {0}{1:03}", "host 10.{}.0.{} and tcp"]
)
def test_the_packet_filter_of_the_largest_query_compiles(term: str, tmp_path: Path) -> None:
    """libpcap takes MAX_TERMS terms of any kind."""
    count = MAX_TERMS // (term.count("and") + 1)
    query = parse(" or ".join(f"({term.format(number // 250, number % 250)})" for number in range(count)))
    (tmp_path / "filter").write_text(to_bpf(query) or "")
    command = [needs.program("tcpdump", "tcpdump"), "-y", "EN10MB", "-d", "-F", str(tmp_path / "filter")]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


@pytest.mark.stenographer
def test_a_real_stenographer_finds_what_the_query_means(stenographer: StoredStenographer) -> None:
    """Its own server takes every text and gives the frames that the plain reading of the query gives."""
    for query in QUERIES:
        text = to_stenographer(parse(query), START_US, 4_000_000_000_000_000)
        assert (query, names(stenographer.query(text))) == (query, expected(query))


@pytest.mark.stenographer
def test_a_real_stenographer_takes_the_ports_of_a_later_fragment_from_its_data(
    stenographer: StoredStenographer,
) -> None:
    """The one difference: it takes every IPv4 fragment for a first one. So it may find too much, never too little."""
    assert (names(stenographer.query("port 0")), expected("port 0")) == (["fragment4 1", "fragment4 2"], [])


@pytest.mark.stenographer
def test_a_real_stenographer_takes_the_largest_query(stenographer: StoredStenographer) -> None:
    """MAX_TERMS terms, deep and wide, are answered and not refused."""
    wide = " or ".join(f"net 2001:db8:{number:x}:ffff::/{64 + number % 64}" for number in range(MAX_TERMS - 1))
    text = to_stenographer(parse(f"({wide}) or port 53"), START_US, 4_000_000_000_000_000)
    assert set(expected("port 53")) <= set(names(stenographer.query(text)))


def test_stenographer_gets_the_time_first_to_the_microsecond() -> None:
    """It reads from left to right and drops the files outside of the window at once."""
    after_us, before_us = (parse_time_us(text, None) for text in ("2026-11-24T14:02:00.000001Z", "2026-11-24T15:00Z"))
    assert to_stenographer(parse("port 53 or tcp and host 2001:DB8::1"), after_us, before_us) == (
        "after 2026-11-24T14:02:00.000001Z and before 2026-11-24T15:00:00.000000Z"
        " and (port 53 or (host 2001:db8::1 and ip proto 6))"
    )


def test_every_packet_is_asked_for_by_the_time_alone() -> None:
    """An empty query has no term to send, and no filter."""
    text = to_stenographer(parse(""), 0, 1_000_000)
    assert text == "after 1970-01-01T00:00:00.000000Z and before 1970-01-01T00:00:01.000000Z"
    assert to_bpf(parse("")) == ""


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "Every packet, also those that are not IP."),
        ("host 10.1.2.3", "Packets from or to 10.1.2.3."),
        ("host 10.1.2.3 and port 443", "Packets from or to 10.1.2.3 and with TCP or UDP port 443."),
        ("host 10.1.2.3 and host 10.9.0.1", "Packets between 10.1.2.3 and 10.9.0.1."),
        ("host 10.1.2.3 and net 10.9.0.0/16", "Packets from or to 10.1.2.3 and from or to an address in 10.9.0.0/16."),
        ("port 80 or port 443", "Packets with TCP or UDP port 80 or 443."),
        ("icmp6 or proto 99", "Packets of protocol ICMPv6 or 99."),
        ("tcp or port 53", "Packets either of protocol TCP or with TCP or UDP port 53."),
        ("vlan 5 and mpls 77", "Packets tagged with VLAN 5 and with MPLS label 77."),
        (
            "host 10.1.2.3 and (port 53 or icmp)",
            "Packets from or to 10.1.2.3 and (either of protocol ICMP or with TCP or UDP port 53).",
        ),
        (
            " or ".join(f"port {number}" for number in range(1, 501)),
            "Packets with TCP or UDP port 1 or 2 or 3 or one of 497 more.",
        ),
    ],
)
def test_a_query_is_told_in_one_sentence(query: str, sentence: str) -> None:
    """Without words of the trade beyond the terms themselves, and short for a long list."""
    assert explain(parse(query)) == sentence
