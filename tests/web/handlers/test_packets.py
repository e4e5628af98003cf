"""Looking into results over HTTP, and taking a part of one as a job of its own. A real inspector answers."""

import asyncio
import hashlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docket.bus.messages import AuditMessage
from docket.domain.job import Job, State, Verdict
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.timewindow import format_us
from docket.packet.pcap import FILE_HEADER_BYTES, scan
from docket.spool.manifest import decode_manifest
from docket.web.auth import audit
from docket.workers.inspector.service import Inspector
from tests.services import needs
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site, Thread
from tests.web.scripted import ScriptedWorker
from tests.workers.inspector.conftest import reference, sample
from tests.workers.inspector.inspector_harness import flat
from tests.workers.inspector.reference_tshark import ENVIRON, Reference

__all__ = ["reference", "sample"]


@pytest.fixture
def inspector(site: Site) -> Iterator[None]:
    """The inspector of the site's spool."""
    needs.program("tshark", "tshark")
    stop = threading.Event()
    service = Inspector(site.config, site.broker)
    thread = Thread("inspector", lambda: service.run(stop))
    wait_until(site.spool.counter.exists, "the counter")
    yield
    stop.set()
    thread.join()


@pytest.fixture
def done(site: Site, em1: ScriptedWorker, sample: bytes) -> Job:
    """A completed job with the sample traffic of both interfaces."""
    timestamps, offsets, _ = scan(sample, FILE_HEADER_BYTES)
    window = {"after": format_us(timestamps[0]), "before": format_us(timestamps[-1] + 1)}
    job = site.ask(sources=[SOURCES[0]], **window)
    packets = [(time_us, sample[offsets[place] + 16 : offsets[place + 1]]) for place, time_us in enumerate(timestamps)]
    reading = em1.take()
    reading.begin()
    reading.data(packets)
    reading.end()
    return site.final(job.id)


def get(site: Site, job: Job, path: str, **query: Any) -> Any:
    answer = site.call("GET", f"api/v1/jobs/{job.id}/{path}", params=query)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def refined(site: Site, job: Job, **order: Any) -> Job:
    """The child, once it is final."""
    answer = site.call("POST", f"api/v1/jobs/{job.id}/refine", json=order)
    assert answer.status_code == 201, answer.text
    return site.final(answer.json()["id"])


def download(site: Site, job: Job, path: Path) -> Reference:
    answer = site.call("GET", f"api/v1/jobs/{job.id}/pcap")
    path.write_bytes(answer.content)
    return Reference(path)


@pytest.mark.usefixtures("inspector")
def test_finished_result_is_summarised_and_listed(site: Site, done: Job) -> None:
    """Some moments after its end, a job has summary, list, details and streams."""
    wait_until(lambda: get(site, done, "summary")["state"] == "complete", "the summary", 60)
    summary = get(site, done, "summary")
    assert (summary["packets"], summary["sources"][0]["packets"]) == (2579, 2579)
    assert summary["dns"][0]["name"] == "www.example.org"
    page = get(site, done, "packets", offset=2570, limit=5)
    assert (page["total"], [row["number"] for row in page["rows"]]) == (2579, [2571, 2572, 2573, 2574, 2575])
    assert flat(get(site, done, "packets/1")["tree"])[0].startswith("Frame 1: 86 bytes on wire")
    stream = get(site, done, "streams/2", protocol="http", direction="first")
    assert stream["pieces"][0]["content"].startswith("GET /style.css HTTP/1.1\r\nHost: shop.example.com\r\n")
    saved = site.call("GET", f"api/v1/jobs/{done.id}/streams/2?download=1&format=raw")
    assert saved.headers["Content-Disposition"] == f'attachment; filename="{done.id[:8]}-tcp-2-both.bin"'
    assert saved.content.startswith(b"GET /style.css HTTP/1.1")


@pytest.mark.usefixtures("inspector")
@pytest.mark.parametrize(
    ("path", "status", "code", "field", "position"),
    [
        ("packets?filter=ip.addr%20%3D%3D%20zzz", 400, "bad-filter", "filter", 11),
        ("packets?limit=0", 400, "bad-number", "limit", None),
        ("packets/0", 400, "bad-number", "number", None),
        ("packets/99999", 400, "no-such-packet", "number", None),
        ("streams/1?protocol=ftp", 400, "bad-choice", "protocol", None),
        ("streams/x", 400, "bad-number", "number", None),
    ],
)
def test_fault_is_told_at_its_place(
    site: Site, done: Job, path: str, status: int, code: str, field: str, position: int | None
) -> None:
    """Filters and numbers that make no sense are refused in the one shape of errors."""
    answer = site.call("GET", f"api/v1/jobs/{done.id}/{path}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"], error["position"]) == (status, code, field, position)


def test_without_an_inspector_there_is_a_word(site: Site, done: Job) -> None:
    """Where no inspector runs, one hears so, and the download is there all the same."""
    answer = site.call("GET", f"api/v1/jobs/{done.id}/packets")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "inspector-unavailable")
    assert site.call("GET", f"api/v1/jobs/{done.id}/pcap").status_code == 200


def test_job_without_result_has_nothing_to_look_into(site: Site) -> None:
    """A running job says that it is not finished."""
    job = site.ask(query="port 53", sources=[SOURCES[0]])
    answer = site.call("GET", f"api/v1/jobs/{job.id}/summary")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not-ready")


@pytest.mark.usefixtures("inspector")
def test_child_is_a_job_with_its_own_file_and_manifest(
    site: Site, done: Job, reference: Reference, tmp_path: Path
) -> None:
    """A display filter makes a job of its own: packets as tshark would write them, a manifest, a link to the parent."""
    child = refined(site, done, filter="http or dns", note="ticket 4711")
    assert (child.state, child.parent, child.note) == (State.COMPLETED, done.id, "ticket 4711")
    assert child.refine is not None
    assert child.pcap is not None
    assert done.pcap is not None
    assert (child.refine.filter, child.refine.sha256) == ("http or dns", done.pcap.sha256)
    taken = download(site, child, tmp_path / "child.pcap")
    expected = reference.run("-Y", "http or dns", "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len")
    assert taken.run("-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len") == expected
    manifest = decode_manifest(site.spool.manifest(child.id).read_bytes())
    assert (manifest.question.parent, manifest.question.refine) == (done.id, child.refine)
    assert hashlib.sha256(taken.path.read_bytes()).hexdigest() == child.pcap.sha256
    [answer] = child.sources
    count = len(expected.splitlines())
    assert answer.name == SPOOL_SOURCE
    assert answer.sentence == f"Of the 2,579 packets of job {done.id}, {count:,} were kept."


@pytest.mark.usefixtures("inspector")
@pytest.mark.parametrize(
    ("order", "display_filter"),
    [
        ({"query": "host 10.1.2.3 and port 443"}, "ip.addr == 10.1.2.3 and tcp.port == 443"),
        ({"query": "vlan 20 and icmp"}, "vlan.id == 20 and icmp"),
        ({"bpf": "tcp[tcpflags] & tcp-syn != 0"}, "ip and tcp.flags.syn == 1 and not vxlan and not vlan"),
        ({"sender": {"address": "10.1.2.3"}}, "ip.src == 10.1.2.3"),
        ({"sender": {"address": "203.0.113.80", "port": 80}}, "ip.src == 203.0.113.80 and tcp.srcport == 80"),
        ({"sender": {"address": "2001:db8:2::20", "port": 443}}, "ipv6.src == 2001:db8:2::20 and tcp.srcport == 443"),
        ({"filter": "tls", "query": "host 10.1.2.4"}, "tls and ip.addr == 10.1.2.4"),
    ],
    ids=str,
)
def test_part_is_what_tshark_would_show(
    site: Site, done: Job, reference: Reference, order: dict[str, Any], display_filter: str
) -> None:
    """Queries, packet filters and directions keep the packets that a display filter of the same meaning shows."""
    child = refined(site, done, **order)
    assert child.packets == len(reference.numbers(f"({display_filter}) and not icmp.type == 3 and not icmp.type == 11"))


@pytest.mark.usefixtures("inspector")
def test_time_brush_is_exact(site: Site, done: Job, sample: bytes) -> None:
    """A window inside the result keeps exactly its packets, the first microsecond in and the last out."""
    times = scan(sample, FILE_HEADER_BYTES)[0]
    after_us, before_us = times[500], times[1500]
    child = refined(site, done, after=format_us(after_us), before=format_us(before_us))
    assert child.packets == sum(after_us <= time_us < before_us for time_us in times)
    assert child.sources[0].trimmed == len(times) - child.packets


@pytest.mark.usefixtures("inspector")
def test_duplicates_are_dropped_and_counted(site: Site, em1: ScriptedWorker) -> None:
    """Equal packets within the stated time go, and the answer says how many they were."""
    start_us = 1_795_491_000_000_000
    times = [(0, b"a"), (4_000, b"a"), (4_001, b"b"), (900_000, b"a")]
    packets = [(start_us + later_us, byte * 60) for later_us, byte in times]
    job = site.ask(sources=[SOURCES[0]], after=format_us(start_us), before=format_us(start_us + 1_000_000))
    em1.take().answer(packets)
    child = refined(site, site.final(job.id), drop_duplicates_ms=5)
    assert child.packets == 3
    assert child.sources[0].sentence == (
        f"Of the 4 packets of job {job.id}, 3 were kept. Duplicates within 5 ms that were dropped: 1."
    )


@pytest.mark.usefixtures("inspector")
def test_packets_are_shortened_for_sharing(site: Site, done: Job, tmp_path: Path) -> None:
    """With a snap length the lengths on the wire stay, the bytes go."""
    child = refined(site, done, snaplen=60)
    taken = download(site, child, tmp_path / "child.pcap")
    printed = taken.run("-T", "fields", "-e", "frame.cap_len", "-e", "frame.len")
    lengths = [line.split() for line in printed.splitlines()]
    assert max(int(captured) for captured, _ in lengths) == 60
    assert sum(int(wire) for _, wire in lengths) == 416_284


@pytest.mark.usefixtures("inspector")
def test_faults_of_all_filters_come_at_once(site: Site, done: Job) -> None:
    """A refinement that cannot be understood makes no job; each fault stands at its field."""
    answer = site.call("POST", f"api/v1/jobs/{done.id}/refine", json={"filter": "foo ==", "bpf": "host ("})
    assert (answer.status_code, [fault["field"] for fault in answer.json()["errors"]]) == (400, ["filter", "bpf"])
    answer = site.call("POST", f"api/v1/jobs/{done.id}/refine", json={"snaplen": -1, "query": "host x"})
    assert {fault["field"] for fault in answer.json()["errors"]} == {"snaplen", "query"}


@pytest.mark.usefixtures("inspector")
def test_part_of_a_partial_job_is_partial(site: Site, em1: ScriptedWorker) -> None:
    """What the parent lacks its child lacks too, and says so."""
    start_us = 1_795_491_000_000_000
    job = site.ask(sources=[SOURCES[0]], after=format_us(start_us), before=format_us(start_us + 1_000_000))
    reading = em1.take()
    reading.begin()
    reading.data([(start_us, b"a" * 60)])
    reading.end(Verdict.CUT, "The connection broke.", usable=True)
    assert site.final(job.id).state is State.PARTIAL
    child = refined(site, site.job(job.id))
    assert (child.state, child.sources[0].verdict) == (State.PARTIAL, Verdict.LIMITED)
    assert child.sources[0].sentence.endswith("That job is partial: what it lacks is missing here too.")


@pytest.mark.usefixtures("inspector")
def test_same_part_is_the_same_job(site: Site, done: Job) -> None:
    """The same refinement of the same result is answered with the job that is there."""
    child = refined(site, done, filter="dns")
    again = site.call("POST", f"api/v1/jobs/{done.id}/refine", json={"filter": "dns"})
    assert (again.status_code, again.json()["id"]) == (200, child.id)


def test_pcapng_holds_the_same_packets(site: Site, done: Job, reference: Reference, tmp_path: Path) -> None:
    """The newer format has every packet with its time, and says where it comes from."""
    answer = site.call("GET", f"api/v1/jobs/{done.id}/pcapng")
    path = tmp_path / "result.pcapng"
    path.write_bytes(answer.content)
    fields = ("-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "_ws.col.Info")
    assert Reference(path).run(*fields) == reference.run(*fields)
    capinfos = subprocess.run(["capinfos", str(path)], env=ENVIRON, capture_output=True, text=True, check=True).stdout
    assert f"Docket job {done.id}" in capinfos
    assert "File type:           Wireshark/... - pcapng" in capinfos


@pytest.mark.usefixtures("inspector")
@pytest.mark.parametrize(
    ("one_look_s", "looks"), [(600.0, ["packets", "streams"]), (0.0, [*["packets"] * 3, "streams"])]
)
def test_looking_is_in_the_audit_trail(
    site: Site, done: Job, monkeypatch: pytest.MonkeyPatch, one_look_s: float, looks: list[str]
) -> None:
    """Turning pages is one look, until it has been a while; a stream that is saved is a download each time."""
    monkeypatch.setattr(audit, "ONE_LOOK_S", one_look_s)
    heard: list[AuditMessage] = []
    saved = "tcp stream 2, raw"

    async def listen() -> None:
        link = site.link()
        link.listen(["audit.#"], lambda _, body: heard.append(msgspec.json.decode(body, type=AuditMessage)))
        await link.start()
        await asyncio.to_thread(act)
        await asyncio.to_thread(wait_until, lambda: [one.detail for one in heard].count(saved) == 2, "the downloads")
        await link.stop()

    def act() -> None:
        get(site, done, "summary")
        for offset in (0, 100):
            get(site, done, "packets", offset=offset, limit=100)
        get(site, done, "packets/7")
        assert site.call("GET", f"api/v1/jobs/{done.id}/packets?filter=tcp.prot").status_code == 400
        get(site, done, "streams/2", protocol="http")
        for _ in range(2):
            answer = site.call("GET", f"api/v1/jobs/{done.id}/streams/2?download=1&format=raw")
            assert answer.status_code == 200

    asyncio.run(listen())
    told = [(one.event, one.detail) for one in heard if one.job_id == done.id]
    assert told == [*(("audit.viewed", look) for look in looks), *[("audit.downloaded", saved)] * 2]
