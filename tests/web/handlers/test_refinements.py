"""Refinements keep exactly what their filters mean, each by itself and all together, on every link type."""

import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from docket.domain.job import Job, Verdict
from docket.domain.timewindow import format_us
from docket.packet.pcap import FILE_HEADER_BYTES, RECORD_HEADER_BYTES, file_header, scan
from tests.packet.levels import Packet
from tests.packet.linked import packets
from tests.packet.made import HOSTS4
from tests.services import frames
from tests.web.docket_site import SOURCES, Site
from tests.web.handlers.test_packets import inspector, refined
from tests.web.scripted import ScriptedWorker

__all__ = ["inspector"]

START_US = 1_795_491_000_000_000
SENDER = "10.1.2.3"

pytestmark = pytest.mark.usefixtures("inspector")


def answered(site: Site, worker: ScriptedWorker, made: list[bytes], linktype: int = 1) -> Job:
    """A completed job with these packets, a millisecond apart."""
    end_us = START_US + 1_000 * len(made)
    job = site.ask(sources=[SOURCES[0]], after=format_us(START_US), before=format_us(end_us))
    with worker.reading() as reading:
        reading.data([(START_US + 1_000 * place, data) for place, data in enumerate(made)], linktype=linktype)
        reading.end(Verdict.COMPLETE)
    return site.final(job.id)


def kept(site: Site, job: Job) -> list[int]:
    """Which of the parent's packets are in a result."""
    content = site.call("GET", f"api/v1/jobs/{job.id}/pcap").content
    return [(time_us - START_US) // 1_000 for time_us in scan(content, FILE_HEADER_BYTES)[0]]


def sent_by(packet: Packet, address: str) -> bool:
    return any(str(level.source) == address for level in packet.levels)


def by_tcpdump(made: list[bytes], text: str, directory: Path) -> list[int]:
    capture = directory / "all.pcap"
    records = [struct.pack("<IIII", place, 0, len(data), len(data)) + data for place, data in enumerate(made)]
    capture.write_bytes(file_header() + b"".join(records))
    command = ["tcpdump", "-O", "-n", "-r", str(capture), "-w", "-", text]
    written = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return [time_us // 1_000_000 for time_us in scan(written, FILE_HEADER_BYTES)[0]]


def test_filters_together_are_filters_one_after_the_other(site: Site, em1: ScriptedWorker, tmp_path: Path) -> None:
    """Packet filter, query and direction in one refinement keep what two refinements in a row keep, and the truth."""
    made = packets(1, 1_500, seed=21, depth=1)
    job = answered(site, em1, [packet.data for packet in made])
    bpf = {"bpf": "port 80 or vlan 20 or vlan 100"}
    sender = {"sender": {"address": SENDER}}
    query = {"query": "udp or port 443"}
    filtered = set(by_tcpdump([packet.data for packet in made], bpf["bpf"], tmp_path))
    sent = {place for place, packet in enumerate(made) if sent_by(packet, SENDER)}
    asked = {
        place
        for place, packet in enumerate(made)
        if packet.outer.protocol == 17 or (packet.outer.protocol == 6 and 443 in (packet.outer.ports or ()))
    }
    table: list[tuple[dict[str, Any], dict[str, Any], set[int]]] = [
        (bpf, sender, filtered & sent),
        (bpf, query, filtered & asked),
        (query, sender, asked & sent),
    ]
    alone = {name: refined(site, job, **{name: value}) for name, value in {**bpf, **query}.items()}
    for first, second, truth in table:
        together = kept(site, refined(site, job, **first, **second))
        in_a_row = kept(site, refined(site, alone[next(iter(first))], **second))
        assert together == in_a_row == sorted(truth)
        assert truth


def test_a_direction_is_found_behind_any_tags_and_labels(site: Site, em1: ScriptedWorker) -> None:
    """Six packets of one sender, with up to three tags or labels before them, are all its packets."""
    segment = frames.udp(SENDER, "10.9.0.1", (53, 40001), b"data" * 10)
    plain = frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", frames.ip(SENDER, "10.9.0.1", 17, segment))
    tagged = [plain]
    for _ in range(3):
        tagged.append(frames.tagged(tagged[-1], 100))
    made = [*tagged, frames.labelled(plain, 77), frames.tagged(frames.labelled(plain, 77), 5)]
    job = answered(site, em1, made)
    assert refined(site, job, sender={"address": SENDER, "port": 53}).packets == 6


@pytest.mark.parametrize("linktype", [101, 113, 276])
def test_a_query_works_on_results_of_other_link_types(site: Site, em1: ScriptedWorker, linktype: int) -> None:
    """Docket's own query on raw IP and Linux cooked keeps what it means there."""
    made = packets(linktype, 400, seed=31)
    job = answered(site, em1, [packet.data for packet in made], linktype)
    found = kept(site, refined(site, job, query=f"host {SENDER}"))
    ends = [{str(packet.outer.source), str(packet.outer.destination)} for packet in made]
    assert found == [place for place, pair in enumerate(ends) if SENDER in pair]
    assert found


def test_a_query_of_hundreds_of_hosts_is_no_argument(site: Site, em1: ScriptedWorker) -> None:
    """Four hundred hosts are asked for as one."""
    made = packets(1, 300, seed=41)
    job = answered(site, em1, [packet.data for packet in made])
    others = [f"host 2001:db8:ffff::{number:x}" for number in range(399)]
    found = kept(site, refined(site, job, query=" or ".join([f"host {HOSTS4[2]}", *others])))
    assert found == [
        place
        for place, packet in enumerate(made)
        if HOSTS4[2] in (str(packet.outer.source), str(packet.outer.destination))
    ]


def test_a_packet_filter_is_never_an_option(site: Site, em1: ScriptedWorker) -> None:
    """A filter that begins with a dash is a filter with a fault, not a word for the program."""
    job = answered(site, em1, [bytes(60)])
    for text in ("-Z nobody", "-v", "--version", "-w /tmp/x"):
        answer = site.call("POST", f"api/v1/jobs/{job.id}/refine", json={"bpf": text})
        assert (answer.status_code, [fault["field"] for fault in answer.json()["errors"]]) == (400, ["bpf"]), text


def test_short_packets_pass_a_packet_filter(site: Site, em1: ScriptedWorker) -> None:
    """Whole packets of 34 to 63 bytes are kept where the filter holds, whatever it asks of later bytes."""
    chance = random.Random(3)
    made = []
    for size in range(34, 64):
        protocol = chance.choice((1, 6, 17))
        packet = frames.ipv4(SENDER, chance.choice(HOSTS4), protocol, bytes(max(0, size - 34)))
        made.append(frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)[:size])
    job = answered(site, em1, made)
    text = f"host {SENDER} or (tcp port 443 and vlan 7) or icmp6"
    assert kept(site, refined(site, job, bpf=text)) == list(range(len(made)))
    assert kept(site, refined(site, job, query=f"host {SENDER} or port 443 or vlan 7")) == list(range(len(made)))


def test_undecided_packets_are_counted(site: Site, em1: ScriptedWorker) -> None:
    """Packets that a recorder cut before the bytes that decide are named in the sentence, and not kept."""
    whole = frames.ethernet(
        "02:00:00:00:00:01",
        "02:00:00:00:00:02",
        frames.ip(SENDER, "10.9.0.1", 17, frames.udp(SENDER, "10.9.0.1", (53, 40001), b"data" * 10)),
    )
    job = answered(site, em1, [whole, whole[:60]])
    cut = refined(site, job, snaplen=30)
    child = refined(site, cut, query="host 10.9.0.1")
    assert child.packets == 0
    assert "2 packets were left undecided: the recorder cut them" in child.sources[0].sentence


def test_record_headers_are_kept_as_they_were(site: Site, em1: ScriptedWorker) -> None:
    """Kept records are the parent's, byte for byte."""
    made = packets(1, 200, seed=51)
    job = answered(site, em1, [packet.data for packet in made])
    parent = site.call("GET", f"api/v1/jobs/{job.id}/pcap").content
    child = refined(site, job, query=f"host {SENDER}")
    content = site.call("GET", f"api/v1/jobs/{child.id}/pcap").content
    _, offsets, _ = scan(parent, FILE_HEADER_BYTES)
    wanted = kept(site, child)
    records = [parent[offsets[place] : offsets[place + 1]] for place in wanted]
    assert content[FILE_HEADER_BYTES:] == b"".join(records)
    assert all(len(record) > RECORD_HEADER_BYTES for record in records)


def test_a_record_without_bytes_goes_all_the_way(site: Site, em1: ScriptedWorker) -> None:
    """A packet of which nothing was kept is a packet: in the result, in a part of it, and in neither's way."""
    packet = frames.ip(SENDER, "10.9.0.1", 17, frames.udp(SENDER, "10.9.0.1", (53, 40001), b"data" * 10))
    whole = frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)
    job = answered(site, em1, [b"", whole, b"", whole])
    assert (job.packets, kept(site, job)) == (4, [0, 1, 2, 3])
    assert kept(site, refined(site, job, drop_duplicates_ms=1)) == [0, 1, 2, 3]
    assert kept(site, refined(site, job, query=f"host {SENDER}")) == [1, 3]
