"""The source of every packet, from the merge to downloads, list and refinement; and duplicates of a second tap."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from docket.domain.job import Job
from docket.domain.timewindow import format_us
from docket.packet.pcap import FILE_HEADER_BYTES, scan
from docket.spool.verification import verify_directory
from tests.services import frames
from tests.services.needs import program
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.handlers.test_packets import get, inspector, refined
from tests.web.scripted import ScriptedWorker

__all__ = ["inspector"]

START_US = 1_795_491_000_000_000
EM1, EM2 = SOURCES
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
OTHER_MACS = ("02:00:00:00:00:11", "02:00:00:00:00:12")
RAW_IP = 101

Sent = list[tuple[int, bytes]]


def answered(site: Site, workers: tuple[ScriptedWorker, ...], sent: tuple[Sent, ...], kinds: tuple[int, ...]) -> Job:
    """A completed job with what each worker sent."""
    end_us = START_US + 60_000_000
    job = site.ask(sources=[worker.name for worker in workers], after=format_us(START_US), before=format_us(end_us))
    for worker, packets, linktype in zip(workers, sent, kinds, strict=True):
        with worker.reading() as reading:
            reading.data(packets, linktype=linktype)
            reading.end()
    return site.final(job.id)


def udp(number: int, *, host: str = "10.1.0.1", macs: tuple[str, str] = MACS, ttl: int = 64, port: int = 53) -> bytes:
    """A packet that is one of a kind."""
    segment = frames.udp(host, "10.2.0.1", (port, 40_000 + number % 5), f"payload {number}".encode())
    return frames.ethernet(*macs, frames.ipv4(host, "10.2.0.1", 17, segment, ident=number, ttl=ttl))


def spread(packets: list[bytes], begin_us: int = 0, step_us: int = 1_000) -> Sent:
    return [(START_US + begin_us + step_us * place, data) for place, data in enumerate(packets)]


@pytest.fixture
def ethernet(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> tuple[Job, list[str]]:
    """Two taps whose packets interleave, and the source of each in the order of the result."""
    one, other = spread([udp(n) for n in range(60)]), spread([udp(n, port=443) for n in range(100, 140)], 500, 1_500)
    job = answered(site, (em1, em2), (one, other), (1, 1))
    truth = sorted([(time, EM1) for time, _ in one] + [(time, EM2) for time, _ in other])
    return job, [name for _, name in truth]


@pytest.fixture
def mixed(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> tuple[Job, list[tuple[str, bytes]]]:
    """An Ethernet tap and a tunnel of raw IP; source and bytes of each packet."""
    one = spread([udp(n) for n in range(40)])
    other = spread([udp(n, port=443)[14:] for n in range(100, 125)], 500, 1_500)
    job = answered(site, (em1, em2), (one, other), (1, RAW_IP))
    truth = sorted([(time, EM1, data) for time, data in one] + [(time, EM2, data) for time, data in other])
    return job, [(name, data) for _, name, data in truth]


def saved(site: Site, job: Job, form: str, directory: Path) -> Path:
    path = directory / f"{job.id}.{form}"
    answer = site.call("GET", f"api/v1/jobs/{job.id}/{form}")
    assert answer.status_code == 200, answer.text
    path.write_bytes(answer.content)
    return path


def tshark(path: Path, *fields: str) -> list[list[str]]:
    command = [program("tshark", "tshark"), "-n", "-r", str(path), "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return [line.split("\t") for line in printed.splitlines()]


def names(path: Path) -> list[str]:
    return [name for (name,) in tshark(path, "frame.interface_name")]


def rows(site: Site, job: Job, **query: Any) -> list[dict[str, Any]]:
    wait_until(lambda: get(site, job, "packets", limit=1, **query)["state"] == "complete", "the list", 60)
    found: list[dict[str, Any]] = get(site, job, "packets", limit=1_000, **query)["rows"]
    return found


def test_pcapng_names_the_source_of_every_packet(site: Site, ethernet: tuple[Job, list[str]], tmp_path: Path) -> None:
    """One interface block per source; tshark, capinfos, tcpdump, editcap and mergecap read it."""
    job, truth = ethernet
    path = saved(site, job, "pcapng", tmp_path)
    assert names(path) == truth
    facts = subprocess.run(["capinfos", path], check=True, capture_output=True, text=True).stdout
    assert ("Number of interfaces in file: 2" in facts, f"Name = {EM2}" in facts) == (True, True)
    printed = subprocess.run(["tcpdump", "-n", "-r", path, "port", "443"], check=True, capture_output=True, text=True)
    assert len(printed.stdout.splitlines()) == 40
    subprocess.run(["mergecap", "-w", tmp_path / "merged.pcapng", path, path], check=True, capture_output=True)
    assert Counter(names(tmp_path / "merged.pcapng")) == {EM1: 120, EM2: 80}
    plain = saved(site, job, "pcap", tmp_path)
    assert tshark(path, "frame.time_epoch", "udp.payload") == tshark(plain, "frame.time_epoch", "udp.payload")


def test_a_result_of_several_link_types_is_pcapng(
    site: Site, mixed: tuple[Job, list[tuple[str, bytes]]], tmp_path: Path
) -> None:
    """Name, type and length say so; ranges work; both addresses send the same bytes."""
    job, truth = mixed
    answer = site.call("GET", f"api/v1/jobs/{job.id}/pcap")
    assert answer.headers["Content-Type"] == "application/vnd.tcpdump.pcapng"
    assert answer.headers["Content-Disposition"].endswith('.pcapng"')
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    part = site.call("GET", f"api/v1/jobs/{job.id}/pcap", headers={"Range": "bytes=10-99"})
    assert (part.status_code, part.content) == (206, answer.content[10:100])
    path = saved(site, job, "pcapng", tmp_path)
    assert path.read_bytes() == answer.content
    assert names(path) == [name for name, _ in truth]
    assert verify_directory(site.spool.job_directory(job.id)).ok


def test_the_list_of_sources_can_be_fetched(site: Site, ethernet: tuple[Job, list[str]]) -> None:
    """One byte for each packet, named by the manifest."""
    job, truth = ethernet
    listed = site.call("GET", f"api/v1/jobs/{job.id}/packet-sources").content
    manifest = json.loads(site.call("GET", f"api/v1/jobs/{job.id}/manifest").content)
    assert [manifest["packet_sources"]["names"][number] for number in listed] == truth
    assert verify_directory(site.spool.job_directory(job.id)).ok


@pytest.mark.usefixtures("inspector")
@pytest.mark.parametrize("kind", ["ethernet", "mixed"])
def test_list_details_and_plot_know_the_source(site: Site, kind: str, request: pytest.FixtureRequest) -> None:
    """Rows, one packet in full, the filter by source, summary and plot agree with what was sent."""
    job, made = request.getfixturevalue(kind)
    truth = [one if isinstance(one, str) else one[0] for one in made]
    assert [row["capture_source"] for row in rows(site, job)] == truth
    only = [number for number, name in enumerate(truth, 1) if name == EM2]
    assert [row["number"] for row in rows(site, job, source=EM2)] == only
    assert {row["capture_source"] for row in rows(site, job, source=EM2, filter="udp.port == 443")} == {EM2}
    assert rows(site, job, source=EM1, filter="udp.port == 443") == []
    assert get(site, job, f"packets/{only[3]}")["capture_source"] == EM2
    wait_until(lambda: get(site, job, "summary")["state"] == "complete", "the summary", 60)
    summary = get(site, job, "summary")
    assert {one["name"]: one["packets"] for one in summary["sources"]} == Counter(truth)
    plotted = {one["name"]: sum(one["packets"]) for one in summary["timeline"]["sources"]}
    assert (plotted, sum(summary["timeline"]["packets"])) == (Counter(truth), len(truth))


@pytest.mark.usefixtures("inspector")
def test_a_refinement_keeps_the_sources(site: Site, ethernet: tuple[Job, list[str]], tmp_path: Path) -> None:
    """Packets that were taken from a result are still those of the source that recorded them."""
    job, truth = ethernet
    child = refined(site, job, query="udp")
    assert (names(saved(site, child, "pcapng", tmp_path)), child.packets) == (truth, len(truth))
    one = saved(site, job, "pcap", tmp_path).read_bytes()
    assert saved(site, child, "pcap", tmp_path).read_bytes() == one
    alone = refined(site, job, sources=[EM2])
    assert names(saved(site, alone, "pcapng", tmp_path)) == [EM2] * 40
    assert [row["capture_source"] for row in rows(site, alone)] == [EM2] * 40
    again = refined(site, child, sources=[EM1], filter="udp.port == 53")
    assert (again.packets, verify_directory(site.spool.job_directory(again.id)).ok) == (60, True)
    stranger = refined(site, job, sources=["rock99:em9"])
    assert (stranger.state, "no packets of rock99:em9" in stranger.sources[0].sentence) == ("failed", True)


@pytest.mark.usefixtures("inspector")
@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ({"query": "port 443"}, [EM2]),
        ({"filter": "udp.port == 443"}, [EM2]),
        ({"bpf": "udp port 443"}, [EM2]),
        ({"bpf": "ether host 02:00:00:00:00:01"}, [EM1]),
        ({"sender": {"address": "10.1.0.1"}}, [EM1, EM2]),
        ({"sources": [EM2]}, [EM2]),
        ({"bpf": "udp", "filter": "udp", "query": "udp", "snaplen": 20}, [EM1, EM2]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refinements_of_several_link_types(
    site: Site, mixed: tuple[Job, list[tuple[str, bytes]]], tmp_path: Path, order: dict[str, Any], wanted: list[str]
) -> None:
    """Each filter works on each link type, and the part has the packets of both, or is classic PCAP again."""
    job, truth = mixed
    child = refined(site, job, **order)
    assert (child.state, child.packets) == ("completed", sum(name in wanted for name, _ in truth))
    assert child.pcap is not None
    assert child.pcap.format == ("pcapng" if len(wanted) > 1 else "pcap")
    assert names(saved(site, child, "pcapng", tmp_path)) == [name for name, _ in truth if name in wanted]
    assert verify_directory(site.spool.job_directory(child.id)).ok


def kept_numbers(site: Site, job: Job) -> list[int]:
    """Times of the packets of a classic result, in steps of 100 µs."""
    content = site.call("GET", f"api/v1/jobs/{job.id}/pcap").content
    return [(time_us - START_US) // 100 for time_us in scan(content, FILE_HEADER_BYTES)[0]]


def behind_router(number: int, *, ip6: bool = False, vlan: bool = False, second: bool = False) -> bytes:
    """The same packet before a router, or behind it: other MAC addresses, hop count, checksum, and perhaps a tag."""
    macs, ttl = (OTHER_MACS, 61) if second else (MACS, 64)
    if ip6:
        segment = frames.udp("2001:db8::1", "2001:db8::2", (53, 4_000), b"payload %d" % number)
        packet = frames.ipv6("2001:db8::1", "2001:db8::2", 17, segment, hop_limit=ttl)
    else:
        segment = frames.udp("10.1.0.1", "10.2.0.1", (53, 4_000), b"payload %d" % number)
        packet = frames.ipv4("10.1.0.1", "10.2.0.1", 17, segment, ident=number, ttl=ttl)
    frame = frames.ethernet(*macs, packet)
    return frames.tagged(frame, 20) if vlan and second else frame


@pytest.mark.usefixtures("inspector")
@pytest.mark.parametrize("option", ["drop_duplicates_ms", "drop_tap_duplicates_ms"])
@pytest.mark.parametrize("shape", [{}, {"ip6": True}, {"vlan": True}, {"ip6": True, "vlan": True}])
def test_duplicates_of_a_second_tap_are_dropped(
    site: Site, em1: ScriptedWorker, em2: ScriptedWorker, shape: dict[str, bool], option: str
) -> None:
    """Sixty of sixty, with other MAC addresses, hop count, checksum and tag; what only one tap saw stays."""
    one = spread([behind_router(n, **shape) for n in range(70)])
    other = spread([behind_router(n, second=True, **shape) for n in range(10, 80)], 10_300)
    job = answered(site, (em1, em2), (one, other), (1, 1))
    child = refined(site, job, **{option: 20})
    assert child.packets == 80
    assert "dropped: 60" in child.sources[0].sentence
    assert kept_numbers(site, child) == sorted([10 * n for n in range(70)] + [103 + 10 * n for n in range(60, 70)])
    assert refined(site, job, **{option: 20}, sources=[EM1]).packets == 70


@pytest.mark.usefixtures("inspector")
def test_retransmissions_of_one_tap_stay(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> None:
    """A tap that saw a packet three times, byte for byte, keeps it three times, whether the other tap did or not."""
    repeated = [behind_router(1, ip6=True)] * 3 + [behind_router(2, ip6=True)]
    once = [behind_router(1, ip6=True, second=True)] * 2
    job = answered(site, (em1, em2), (spread(repeated), spread(once, 300)), (1, 1))
    child = refined(site, job, drop_tap_duplicates_ms=50)
    assert kept_numbers(site, child) == [0, 10, 20, 30]


@pytest.mark.usefixtures("inspector")
def test_duplicates_are_marked_and_counted(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> None:
    """The list says which packet a row repeats, the summary how many there are."""
    one = spread([behind_router(n) for n in range(6)])
    other = spread([behind_router(n, second=True, vlan=True) for n in range(3, 9)], 3_300)
    job = answered(site, (em1, em2), (one, other), (1, 1))
    found = rows(site, job)
    marked = {row["number"]: row["duplicate_of"] for row in found if row["duplicate_of"]}
    sources = {row["number"]: row["capture_source"] for row in found}
    assert [(sources[number], sources[first]) for number, first in marked.items()] == [(EM2, EM1)] * 3
    wait_until(lambda: get(site, job, "summary")["state"] == "complete", "the summary", 60)
    assert get(site, job, "summary")["tap_duplicates"] == 3
