"""The list of packets and what is counted besides: on disk, over time, and when the dissector dies in the middle."""

import re
import threading
from array import array
from pathlib import Path

import numpy as np
import pytest

from docket.domain.clock import Clock
from docket.packet.pcap import FILE_HEADER_BYTES, file_header
from docket.workers.inspector.capture_index import CaptureIndex
from docket.workers.inspector.tasks import Gates
from docket.workers.inspector.tshark import process, tshark_programs
from docket.workers.inspector.tshark.columns import ARGUMENTS, LineReader, Row, begins, innermost, worst
from docket.workers.inspector.tshark.result_capture import Capture, Run
from docket.workers.inspector.tshark.row_store import ROWS_PER_BLOCK, Index, RowStore, read_index, write_index
from docket.workers.inspector.tshark.statistics import merge_hierarchies, parse_findings, parse_hierarchy
from docket.workers.inspector.tshark.timeline import MOST_BUCKETS, TimelineCounter, nice_bucket
from docket.workers.interface.scheduler import Scheduler
from tests.services import needs
from tests.services.waiting import wait_until
from tests.workers.inspector.inspector_harness import Office
from tests.workers.inspector.processes import dissectors


def _run(timestamps: list[int], offsets: list[int]) -> Run:
    """Packets of one source in a classic capture."""
    return Run(timestamps, offsets, offsets, np.zeros(len(timestamps), np.uint16))


def row(number: int) -> Row:
    return Row(number, "10.0.0.1", "10.0.0.2", "TCP", 60, f"packet {number}", f"tcp {number}", "")


@pytest.fixture
def rows(tmp_path: Path) -> RowStore:
    """Two full blocks and a bit."""
    file = RowStore.create(tmp_path / "rows")
    for number in range(1, 2 * ROWS_PER_BLOCK + 11):
        file.add(row(number))
    file.flush()
    return file


@pytest.mark.parametrize(("first", "count"), [(1, 3), (ROWS_PER_BLOCK - 1, 4), (2 * ROWS_PER_BLOCK, 3), (1, 1_000)])
def test_page_is_read_from_any_place(rows: RowStore, first: int, count: int) -> None:
    """A page has the rows that were added, also across blocks."""
    assert rows.page(first, count) == [row(number) for number in range(first, first + count)]


def test_page_ends_with_the_list(rows: RowStore) -> None:
    """Behind the last row there is nothing."""
    last = 2 * ROWS_PER_BLOCK + 10
    assert (rows.page(last, 5), rows.page(last + 1, 5)) == ([row(last)], [])


def test_single_rows_are_found(rows: RowStore) -> None:
    """Packets that a filter shows are found wherever they are; those that are not there are left out."""
    numbers = [1, 2, ROWS_PER_BLOCK, ROWS_PER_BLOCK + 1, 2 * ROWS_PER_BLOCK + 10]
    assert rows.some([0, *numbers, 9_999]) == [(number, row(number)) for number in numbers]


def test_finished_list_is_taken_up_again(rows: RowStore, tmp_path: Path) -> None:
    """With its index a list can be read after a restart, and only for the capture that it is of."""
    index = Index(
        sha256="abc",
        packets=1_034,
        rows=rows.rows,
        exact=1_034,
        note="",
        blocks=rows.blocks,
        marks=array("Q").tobytes(),
    )
    write_index(tmp_path / "index", index)
    found = read_index(tmp_path / "index", "abc")
    assert found is not None
    assert RowStore.reopen(tmp_path / "rows", found).page(600, 2) == [row(600), row(601)]
    assert read_index(tmp_path / "index", "def") is None


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("eth:ethertype:ip:tcp:http", ("tcp", False)),
        ("eth:ethertype:vlan:ethertype:ipv6:udp:dns", ("udp", False)),
        ("eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:icmp:data", ("icmp", True)),
        ("eth:ethertype:ip:icmp:ip:udp:dns", ("icmp", False)),
        ("eth:ethertype:arp", ("arp", False)),
        ("", ("", False)),
    ],
)
def test_transport_is_that_of_the_innermost_packet(layers: str, expected: tuple[str, bool]) -> None:
    """Tunnels are looked into; a packet that an error quotes is not one that was sent."""
    assert innermost(layers) == expected


def test_worst_severity_counts() -> None:
    """Of several findings the gravest is shown."""
    assert [worst("Chat,Note,Note"), worst("Warning,Chat"), worst("Error"), worst("")] == [
        "note",
        "warning",
        "error",
        "",
    ]


def test_line_begins_with_the_next_number_only() -> None:
    """A stranger's text that looks like a line of the list is not taken for one."""
    assert [begins(b"   12\t1.0\t", 12), begins(b"   13\t1.0\t", 12), begins(b"12 GET /", 12)] == [True, False, False]


def test_hierarchy_is_a_tree() -> None:
    """Depth is told by blanks; two stretches of a file add up."""
    lines = [
        "===",
        "eth    frames:3 bytes:300",
        "  ip   frames:2 bytes:200",
        "    tcp frames:2 bytes:200",
        "  arp frames:1 bytes:100",
    ]
    [eth] = parse_hierarchy(lines)
    assert [(one.name, one.packets, [inner.name for inner in one.children]) for one in eth.children] == [
        ("ip", 2, ["tcp"]),
        ("arp", 1, []),
    ]
    [twice] = merge_hierarchies([eth], [eth])
    assert (twice.packets, twice.children[0].children[0].bytes) == (6, 400)


def test_findings_of_one_kind_are_one() -> None:
    """Numbers of frames do not make two findings of one."""
    lines = [
        "Warns (3)",
        "   Frequency      Group           Protocol  Summary",
        "           1   Protocol                DNS  DNS query retransmission. Original request in frame 23",
        "           2   Protocol                DNS  DNS query retransmission. Original request in frame 160",
        "Notes (1)",
        "           1   Sequence                TCP  Duplicate ACK (#1)",
    ]
    assert [(one.severity, one.message, one.count) for one in parse_findings(lines)] == [
        ("warning", "DNS query retransmission. Original request in frame …", 3),
        ("note", "Duplicate ACK", 1),
    ]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Duplicate ACK (#1)", "Duplicate ACK"),
        ('Unknown "x" in frame 7, sorry', 'Unknown \\"x\\" in'),
        (r"Bad name: a\x00b", "Bad name: a"),
        ("(#3)", None),
        ("odd", None),
    ],
)
def test_finding_has_a_filter_of_its_certain_words(message: str, words: str | None) -> None:
    """Up to what is left out or written otherwise; nothing is looked for where too little would be left."""
    [finding] = parse_findings(["Notes (1)", f"           1   Sequence                TCP  {message}"])
    assert finding.filter == ("" if words is None else f'_ws.expert.message contains "{words}"')


@pytest.mark.parametrize("length_us", [1, 239, 240, 10_000_000, 3_600_000_000, 86_400_000_000 * 30])
def test_plot_has_a_bounded_number_of_stretches(length_us: int) -> None:
    """However long the time is."""
    bucket_us = nice_bucket(length_us)
    assert (MOST_BUCKETS - 1) * bucket_us >= length_us


def test_plot_counts_every_packet_once() -> None:
    """Also when the time turns out to be longer than what was guessed, and begins earlier."""
    counter = TimelineCounter(1_000_000, 1_000_500)
    counter.add(_run([1_000_000, 1_000_400], [0, 116, 232]))
    counter.add(_run([5_000_000, 90_000_000], [232, 1_048, 1_064 + 100]))
    timeline = counter.timeline()
    assert (sum(timeline.packets), sum(timeline.bytes)) == (4, 100 + 100 + 800 + 100)
    last = (90_000_000 - timeline.start_us) // timeline.bucket_us
    assert (timeline.packets[last], len(timeline.packets) <= MOST_BUCKETS) == (1, True)


def test_plot_divides_packets_and_bytes_among_the_sources() -> None:
    """Stretch by stretch they add up to the whole, also after the stretches became wider."""
    counter = TimelineCounter(1_000_000, 1_000_500, ("sensor:a", "sensor:b"))
    for start_us, at in ((1_000_000, 0), (90_000_000, 3_000)):
        offsets = [at, at + 116, at + 1_132, at + 1_208]
        sources = np.array([0, 1, 0], np.uint16)
        counter.add(Run([start_us, start_us + 1, start_us + 400], offsets, offsets, sources))
    timeline = counter.timeline()
    assert [(one.name, sum(one.packets), sum(one.bytes)) for one in timeline.sources] == [
        ("sensor:a", 4, 2 * (100 + 60)),
        ("sensor:b", 2, 2 * 1_000),
    ]
    for whole, parts in (
        (timeline.packets, [one.packets for one in timeline.sources]),
        (timeline.bytes, [one.bytes for one in timeline.sources]),
    ):
        assert list(whole) == [sum(column) for column in zip(*parts, strict=True)]


@pytest.fixture
def dying_tshark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tshark that crashes after seven packets, each time."""
    real = needs.program("tshark", "tshark")
    script = tmp_path / "bin" / "tshark"
    script.parent.mkdir()
    script.write_text(f'#!/usr/bin/bash\n{real} "$@" -c 7\nkill -SEGV $$\n')
    script.chmod(0o755)
    monkeypatch.setattr(tshark_programs, "find_program", lambda name: str(script.parent / name))
    monkeypatch.setattr(process, "READABLE", (*process.READABLE, str(script.parent)))


@pytest.mark.usefixtures("dying_tshark")
def test_list_goes_on_behind_a_packet_that_kills_the_dissector(tmp_path: Path, sample: bytes) -> None:
    """The packet says what happened, those behind it are dissected by a new process and are not called exact."""
    office = Office(tmp_path)
    job = office.place(sample)
    gates = Gates(Scheduler(1), Scheduler(1))
    capture_index = CaptureIndex(office.spool, Capture.open(office.spool, job.id), gates, Clock())
    summary = capture_index.survey(threading.Event())
    assert capture_index.rows is not None
    page = capture_index.rows.page(1, 24)
    crashed = [number for number, one in enumerate(page, 1) if one.info.startswith("could not be dissected: ")]
    # The first run is buffered and may have died of any packet behind the seventh: the second begins with the eighth.
    assert crashed == [15, 23]
    assert (summary.state, capture_index.exact) == ("partial", 7)
    assert "could not be dissected" in summary.note
    capture_index.close()
    office.close()
    assert dissectors() == []


def test_result_without_packets_is_complete(office: Office) -> None:
    """Nothing matched: there is nothing to list, and that is all there is to say."""
    job = office.place(file_header())
    summary = office.inspected(job)
    assert (summary.state, summary.packets, summary.timeline, summary.note) == ("complete", 0, None, "")
    page = office.settled("packets", job.id)
    assert (page["state"], page["total"], page["rows"]) == ("complete", 0, [])


def test_inspected_again_after_a_restart(office: Office, sample: bytes) -> None:
    """What was made once is taken up from disk; the event comes again for whoever missed it."""
    job = office.place(sample)
    made = office.inspected(job)
    office.stop()
    office.start()
    assert office.ask("packets", job.id, offset=2_000, limit=1)["rows"][0]["number"] == 2_001
    assert office.inspected(job).written_at == made.written_at
    heard = [wait_until(lambda: office.events.receive(1.0), "job.inspected") for _ in range(2)]
    assert [delivery.routing_key for delivery in heard if delivery] == ["job.inspected", "job.inspected"]


def test_new_revision_is_looked_at_anew(office: Office, sample: bytes) -> None:
    """After a retry the list is that of the new result, and nothing of the old one is left."""
    job = office.place(sample)
    office.inspected(job)
    office.replace(job, file_header() + sample[FILE_HEADER_BYTES:][:102])
    assert office.settled("packets", job.id)["total"] == 1
    assert len(list((office.spool.job_directory(job.id) / "index").iterdir())) == 1


def test_without_tshark_there_is_a_plot_and_a_word(
    tmp_path: Path, sample: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without tshark still shows what lies when, and says what is missing."""
    monkeypatch.setattr(tshark_programs, "find_program", lambda _: None)
    office = Office(tmp_path)
    office.start()
    job = office.place(sample)
    office.announce(job)
    summary = office.settled("summary", job.id)
    assert (summary["state"], summary["packets"], sum(summary["timeline"]["packets"])) == ("failed", 2579, 2579)
    assert summary["note"] == "tshark is not installed (Debian package tshark): the packets cannot be shown."
    heading, _ = office.answer("packets", job.id)
    assert (heading.status, heading.faults[0].code) == (501, "no-dissector")
    detail = office.ask("packet", job.id, number=1)
    assert (detail["tree"], len(detail["bytes"])) == ([], 1)
    office.close()


@pytest.mark.parametrize(("flag", "asked"), [("0", True), ("False", True), ("1", False), ("True", False)])
def test_name_counts_where_a_message_asks_for_it(flag: str, asked: bool) -> None:
    """tshark 4.0 writes a flag as 0 or 1, tshark 4.4 as False or True."""
    titles = re.findall(r'"([^"]+)","%', ARGUMENTS[-1])
    cells = {"No.": "1", "Time": "1.5", "Layers": "eth:ip:udp:dns", "DNS": "example.org", "Lengths of DNS": "11"}
    line = "\t".join((cells | {"Answers": flag}).get(title, "") for title in titles)
    assert LineReader().read(line.encode()).dns == (("example.org",) if asked else ())
