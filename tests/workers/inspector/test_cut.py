"""Filters and streams of a few conversations: cut out first, and shown as in the whole file."""

from collections.abc import Iterator
from threading import Event

import msgspec
import pytest

from docket.domain.clock import Clock
from docket.domain.job import Job
from docket.packet.pcap import file_header
from docket.workers.inspector.capture_index import CaptureIndex
from docket.workers.inspector.tasks import Gates
from docket.workers.inspector.tshark import streams
from docket.workers.inspector.tshark.detail import dissect_packet
from docket.workers.inspector.tshark.narrowing import cut_for
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.interface.scheduler import Scheduler
from tests.faults.packets import Packet, record
from tests.services import frames, needs
from tests.workers.inspector.inspector_harness import Office, flat
from tests.workers.inspector.reference_tshark import Reference

CUT = [
    "ip.addr == 198.51.100.20",
    "ip.src == 198.51.100.20 and tcp.dstport == 443",
    "ip.addr==203.0.113.0/24",
    "ipv6.addr == 2001:db8:2::20 && tcp.port == 443",
    "tcp.port in {22, 25}",
    "udp.port == 514 or tcp.port == 25",
    "(ip.addr == 10.1.2.4 or ip.addr == 10.20.0.10) and not tcp.port == 80",
    "ip.addr == 203.0.113.80 and http.request",
    "ip.addr == 198.51.100.20 and tcp.analysis.retransmission",
    "tcp.stream eq 13",
    "tcp.stream == 13 and tcp.len > 0",
    "ip.addr == 192.0.2.99",
]
WHOLE = [
    "http.request",
    "frame.number > 100 and ip.addr == 198.51.100.20",
    "tcp.stream eq 3 or tcp.stream eq 4",
    "not ip.addr == 10.1.2.3",
    "ip.addr == 198.51.100.20 or dns",
    "rtp and ip.addr == 198.51.100.20",
    "tcp.analysis.acks_frame == 12 and ip.addr == 198.51.100.20",
]


@pytest.fixture(scope="module")
def capture_index(inspected: tuple[Office, Job]) -> Iterator[CaptureIndex]:
    """The sample's result, whose list is finished."""
    office, job = inspected
    gates = Gates(Scheduler(1), Scheduler(1))
    opened = CaptureIndex(office.spool, Capture.open(office.spool, job.id), gates, Clock())
    yield opened
    opened.close()


@pytest.mark.parametrize("text", CUT)
def test_filter_of_a_cut_shows_what_tshark_shows(capture_index: CaptureIndex, reference: Reference, text: str) -> None:
    """By the numbers of the whole file, though only a part of it was dissected."""
    assert capture_index.belonging is not None
    cut = cut_for(text, capture_index.belonging)
    assert cut is not None
    assert len(cut.numbers) < capture_index.packets
    find = capture_index.find(text)
    find.work.wait(lambda: False, 60.0)
    assert find.work.error is None
    assert list(find.numbers) == reference.numbers(text)


@pytest.mark.parametrize("text", WHOLE)
def test_whole_file_is_read_where_it_must_be(capture_index: CaptureIndex, reference: Reference, text: str) -> None:
    """No cut, or one that shows the same."""
    assert capture_index.belonging is not None
    assert cut_for(text, capture_index.belonging) is None
    find = capture_index.find(text)
    find.work.wait(lambda: False, 60.0)
    assert list(find.numbers) == reference.numbers(text)


def test_packet_of_a_conversation_is_as_in_the_whole_file(capture_index: CaptureIndex, reference: Reference) -> None:
    """Dissected with its conversation alone, sequence numbers, times and numbers of packets are those of the list."""
    belonging, capture = capture_index.belonging, capture_index.capture
    assert belonging is not None
    chosen = [number for number in reference.numbers("tcp.seq > 1 and not vxlan") if number > 600][::40]
    assert len(chosen) > 5
    for number in chosen:
        context = belonging.conversation_until(number, 20_000)
        assert context is not None
        assert len(context) < number
        found = dissect_packet(capture, capture_index.marks, number, Event(), exact=False, context=context)
        tree = msgspec.to_builtins(found.tree)
        assert f"frame.number == {number}" in str(tree)
        assert _without_stream(flat(tree)) == _without_stream(reference.detail(number))


def _without_stream(lines: list[str]) -> list[str]:
    """Streams are counted in what was read: the answer has that of the list in a place of its own."""
    return [line for line in lines if "[Stream index: " not in line]


def test_every_stream_of_a_cut_is_tsharks(inspected: tuple[Office, Job], reference: Reference) -> None:
    """Followed alone, each stream has the bytes that tshark follows in the whole file, packet by packet."""
    office, job = inspected
    for number in range(0, 40, 3):
        page = office.settled("stream", job.id, number=number, form="raw", limit=1_000_000)
        lines = [line.lstrip("\t") for line in reference.follow("tcp", "raw", number).splitlines()]
        assert [piece["content"] for piece in page["pieces"]] == lines
        of_stream = reference.numbers(f"tcp.stream eq {number}")
        assert {piece["packet"] for piece in page["pieces"]} <= set(of_stream)
        assert all(piece["time"] for piece in page["pieces"])


def test_text_of_a_stream_is_utf8(office: Office) -> None:
    """What is UTF-8 stands as it is; control characters and broken bytes are dots; lost bytes are marked."""
    needs.program("tshark", "tshark")
    ends, macs = ("10.1.2.3", "10.9.8.7"), ("02:00:00:00:00:01", "02:00:00:00:00:02")

    def segment(seq: int, data: bytes) -> bytes:
        packet = frames.tcp(*ends, (4000, 7), data, sequence=seq, flags=frames.PSH | frames.ACK)
        return frames.ethernet(*macs, frames.ip(*ends, frames.TCP, packet))

    payloads = ["café ☕\x1b\n".encode(), b"\xff\xfe binary", b"behind the hole"]
    at = 1
    packets = []
    for place, data in enumerate(payloads):
        at += 500 * (place == 2)
        packets.append(Packet(1_790_000_000_000_000 + place, segment(at, data)))
        at += len(data)
    back = frames.tcp(ends[1], ends[0], (7, 4000), b"", sequence=1, acknowledged=at, flags=frames.ACK)
    packets.append(
        Packet(1_790_000_000_000_009, frames.ethernet(macs[1], macs[0], frames.ip(ends[1], ends[0], frames.TCP, back)))
    )
    job = office.place(file_header() + b"".join(record(packet) for packet in packets))
    office.inspected(job)
    page = office.settled("stream", job.id, number=0, form="text")
    first, second, *rest = page["pieces"]
    assert (first["content"], first["packet"], first["lost"]) == ("café ☕.\n", 1, False)
    assert second["content"] == ".. binary"
    assert [piece["lost"] for piece in rest] == [True, False]
    assert "500 bytes missing" in rest[0]["content"]
    heading, body = office.answer("transcript", job.id, number=0, form="raw")
    assert (body, heading.missing_bytes, heading.cut_bytes) == (b"".join(payloads), 500, 0)
    assert heading.name == "tcp-0-both-without-500-lost-bytes.bin"


def test_cut_stream_says_so_when_it_is_saved(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the name of its file and in what the web app makes headers of; the page says it as well."""
    needs.program("tshark", "tshark")
    monkeypatch.setattr(streams, "MOST_BYTES", 25)
    ends, macs = ("10.1.2.3", "10.9.8.7"), ("02:00:00:00:00:01", "02:00:00:00:00:02")
    made = [
        frames.ethernet(*macs, frames.ip(*ends, frames.UDP, frames.udp(*ends, (4000, 7), b"ten bytes.")))
        for _ in range(3)
    ]
    packets = [Packet(1_790_000_000_000_000 + place, frame) for place, frame in enumerate(made)]
    job = office.place(file_header() + b"".join(record(packet) for packet in packets))
    office.inspected(job)
    assert office.settled("stream", job.id, protocol="udp", number=0, form="raw")["truncated"]
    heading, body = office.answer("transcript", job.id, protocol="udp", number=0, form="raw")
    assert (body, heading.cut_bytes) == (b"ten bytes." * 2, 20)
    assert heading.name == "udp-0-both-cut-after-20-bytes.bin"
