"""The WebSocket: a snapshot or the missed events first, then everything live, in order and without gaps."""

import contextlib
import socket
import threading
from pathlib import Path

import msgspec
import pytest
from tornado.httpclient import HTTPClientError

from docket.bus import topology
from docket.bus.messages import encode
from docket.domain.clock import now_text
from docket.domain.event import EventMessage
from docket.domain.job import EventName, State, Verdict
from docket.domain.timewindow import parse_time_us
from docket.web.jobs import snapshot
from docket.web.live import send_queue
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker
from tests.web.sockets import Socket

AFTER, BEFORE = "2026-11-24T14:02:00Z", "2026-11-24T14:10:00Z"
START_US = parse_time_us(AFTER, None)
WINDOW = {"after": AFTER, "before": BEFORE}


@pytest.mark.usefixtures("em1")
def test_first_word_is_a_snapshot(site: Site) -> None:
    """Jobs newest first, every source, the number to resume from and the server's clock."""
    asked = [site.ask(query=f"port {port}", **WINDOW).id for port in (1, 2, 3)]
    wait_until(lambda: site.call("GET", "api/v1/jobs").json()["total"] == 3, "three jobs in the ledger")
    with Socket(site) as watcher:
        first = watcher.first
    assert set(first) == {"type", "seq", "time", "user", "jobs", "sources"}
    assert (first["type"], [job["id"] for job in first["jobs"]]) == ("snapshot", asked[::-1])
    assert [source["name"] for source in first["sources"]] == list(SOURCES)
    assert first["time"] > first["jobs"][0]["created_at"]
    assert first["seq"] >= 3


def test_job_is_told_from_asking_to_its_end(site: Site, em1: ScriptedWorker) -> None:
    """Every event of the ledger comes once, in order, each with the whole job; the result has its address."""
    with Socket(site) as watcher:
        job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
        em1.take().answer([(START_US, b"x" * 60)])
        done = watcher.wait_for("job.completed", job.id)
        story = site.call("GET", f"api/v1/jobs/{job.id}").json()
        assert [(told["seq"], told["event"], told["at"]) for told in watcher.events()] == [
            (event["seq"], event["name"], event["at"]) for event in story["events"]
        ]
    del story["events"]
    assert done["job"] == story
    assert done["job"]["pcap"]["url"] == f"/app/docket/api/v1/jobs/{job.id}/pcap"


def test_progress_comes_without_a_number(site: Site, em1: ScriptedWorker) -> None:
    """Between two entries of the ledger the job's progress is told, and shown by GET as well."""
    with Socket(site) as watcher:
        job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
        reading = em1.take()
        reading.begin()
        reading.data([(START_US, b"x" * 60)], through_us=START_US + 240_000_000)
        progress = watcher.wait_for("job.progress", job.id)
        wait_until(lambda: site.job(job.id).sources[0].progress > 0, "GET to show progress")
    assert "seq" not in progress
    assert progress["job"]["state"] == "running"


def test_inspector_does_not_say_what_a_job_is(site: Site, em1: ScriptedWorker) -> None:
    """Of `job.inspected` only the id counts: state and owner are those of the ledger, and an unknown job is none."""
    with Socket(site) as watcher:
        job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
        em1.take().begin()
        watcher.wait_for("job.started", job.id)
        publisher = site.broker.publisher("inspector")
        forged = msgspec.structs.replace(job, state=State.CANCELLED, owner="mallory")
        for one in (msgspec.structs.replace(forged, id="00000000-0000-0000-0000-000000000000"), forged):
            message = EventMessage(event=EventName.INSPECTED, at=now_text(), job=one, job_id=one.id)
            publisher.publish(topology.EVENTS, "job.inspected", encode(message))
        told = watcher.wait_for("job.inspected", job.id)
        publisher.close()
    assert (told["job"]["state"], told["job"]["owner"], site.job(job.id).state) == ("running", "", State.RUNNING)
    assert [one["job"]["id"] for one in watcher.messages if one.get("event") == "job.inspected"] == [job.id]


def test_sources_are_told_live(site: Site, em1: ScriptedWorker) -> None:
    """What a worker says of its source reaches the sockets and the list."""
    with Socket(site) as watcher:
        em1.announce(EventName.SOURCE_STATS, oldest_us=START_US)
        told = watcher.wait_for("source.stats")
        em1.announce(EventName.SOURCE_OFFLINE)
        watcher.wait_for("source.offline")
        listed = site.call("GET", "api/v1/sources").json()["sources"]
    assert (told["source"]["name"], told["source"]["oldest"]) == (SOURCES[0], "2026-11-24T14:02:00.000000Z")
    assert (listed[0]["name"], listed[0]["state"]) == (SOURCES[0], "offline")


def test_resuming_brings_exactly_what_was_missed(site: Site, em1: ScriptedWorker) -> None:
    """A client that comes back with its number is told the events since, and no snapshot."""
    with Socket(site) as watcher:
        first = site.ask(query="port 1", sources=[SOURCES[0]], **WINDOW)
        em1.take().answer([])
        seen = watcher.wait_for("job.completed", first.id)["seq"]
    second = site.ask(query="port 2", sources=[SOURCES[0]], **WINDOW)
    em1.take().answer([])
    site.final(second.id)
    with Socket(site, since=seen) as back:
        last = back.wait_for("job.completed", second.id)["seq"]
        third = site.ask(query="port 3", sources=[SOURCES[0]], **WINDOW)
        em1.take().answer([])
        newest = back.wait_for("job.completed", third.id)["seq"]
        assert all(message["type"] == "event" for message in back.messages)
        assert back.seqs() == list(range(seen + 1, newest + 1))
    assert last < newest


@pytest.mark.parametrize("since", [10**6, 0])
def test_number_that_cannot_be_resumed_gets_a_snapshot(site: Site, monkeypatch: pytest.MonkeyPatch, since: int) -> None:
    """A number of another ledger, or one that is too far back, is answered with a snapshot."""
    monkeypatch.setattr(snapshot, "MOST_MISSED_EVENTS", 1)
    for port in (1, 2, 3):
        site.ask(query=f"port {port}")
    wait_until(lambda: site.call("GET", "api/v1/jobs").json()["total"] == 3, "three jobs in the ledger")
    with Socket(site, since=since) as watcher:
        assert watcher.first["type"] == "snapshot"


def test_no_gap_for_clients_that_come_and_go_under_load(site: Site, em1: ScriptedWorker) -> None:
    """Clients that connect and resume while events rain down see every number once, in order."""
    stop = threading.Event()

    def rain() -> None:
        for port in range(1, 200):
            if stop.is_set():
                return
            site.ask(query=f"port {port}", sources=[SOURCES[0]], **WINDOW)
            em1.take().answer([])

    raining = threading.Thread(target=rain)
    raining.start()
    try:
        with Socket(site) as watcher:
            seen = watcher.first["seq"]
        numbers: list[int] = []
        for _ in range(10):
            with Socket(site, since=seen) as watcher:
                wait_until(lambda held=watcher: len(held.seqs()) >= 5, "five events")  # type: ignore[misc]
            numbers += watcher.seqs()
            seen = numbers[-1]
    finally:
        stop.set()
        raining.join(20)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_events_that_the_bus_lost_are_read_from_the_ledger(site: Site, em1: ScriptedWorker) -> None:
    """An event that skips a number on the bus makes the event feed read what lies between in the ledger."""
    real = site.broker.publisher
    publisher = real("test")
    with Socket(site) as watcher:
        job = site.ask(query="port 1", sources=[SOURCES[0]], **WINDOW)
        em1.take().answer([])
        last = watcher.wait_for("job.completed", job.id)["seq"]
        # Numbers that the ledger does not have (yet) must not be taken for the truth.
        ahead = EventMessage(event=EventName.STARTED, at=now_text(), seq=last + 50, job=site.job(job.id))
        publisher.publish(topology.EVENTS, "job.started", encode(ahead))
        second = site.ask(query="port 2", sources=[SOURCES[0]], **WINDOW)
        em1.take().answer([])
        newest = watcher.wait_for("job.completed", second.id)["seq"]
        assert watcher.seqs() == list(range(watcher.first["seq"] + 1, newest + 1))


def test_restarted_web_app_is_resumed_without_a_gap(site: Site, em1: ScriptedWorker) -> None:
    """Told to stop, the server says 1001; what happens meanwhile is told to the client that comes back."""
    with Socket(site) as watcher:
        job = site.ask(query="port 1", sources=[SOURCES[0]], **WINDOW)
        watcher.wait_for("job.requested", job.id)
        site.stop_web()
        assert watcher.wait_closed() == send_queue.AWAY_CODE
        seen = watcher.seqs()[-1]
    em1.take().answer([])
    site.start_web()
    with Socket(site, since=seen) as back:
        newest = back.wait_for("job.completed", job.id)["seq"]
        assert back.seqs() == list(range(seen + 1, newest + 1))


def test_slow_client_is_closed_and_others_are_not(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket whose client reads nothing is closed; one beside it is told everything."""
    monkeypatch.setattr(send_queue, "MOST_BYTES", 200_000)
    publisher = site.broker.publisher("test")
    job = site.ask(query="port 1")
    with Socket(site) as watcher, site.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.sendall(
            b"GET /app/docket/api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert slow.recv(12) == b"HTTP/1.1 101"
        number = 0
        while _dropped(site) == 0:
            # Far more than the kernel buffers for a connection; each job is a message of its own.
            assert number < 1_000, "the slow socket is never closed"
            number += 1
            flood = msgspec.structs.replace(job, id=f"flood {number}", note="x" * 50_000)
            event = EventMessage(event=EventName.PROGRESS, at=now_text(), job=flood)
            publisher.publish(topology.EVENTS, "job.progress", encode(event), persistent=False)
            watcher.wait_for("job.progress", flood.id)
        last = site.ask(query="port 60000")
        newest = watcher.wait_for("job.requested", last.id)["seq"]
        assert watcher.seqs() == list(range(watcher.first["seq"] + 1, newest + 1))
        assert watcher.close_code is None


def test_rejected_question_is_told(site: Site) -> None:
    """A message on the bus that is no valid question shows up on the sockets, with its reason."""
    with Socket(site) as watcher:
        site.broker.publisher("test").publish(topology.JOBS, "job.request", b'{"schema": "docket.job.request/9"}')
        told = watcher.wait_for("job.rejected")
    assert "docket.job.request/9" in told["reason"]
    assert "job" not in told


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_page_of_another_site_cannot_listen(site: Site, headers: dict[str, str]) -> None:
    """Browsers open WebSockets across origins; ours are refused with 403."""
    with pytest.raises(HTTPClientError) as refused, Socket(site, headers=headers):
        pass
    assert refused.value.code == 403


def test_own_page_can_listen(site: Site) -> None:
    """The page's own origin is let in."""
    with Socket(site, headers={"Origin": site.root}) as watcher:
        assert watcher.first["type"] == "snapshot"


def test_large_message_of_a_client_ends_its_socket_only(site: Site) -> None:
    """Clients have nothing to say; what is small is dropped, what is large ends the connection."""
    frame = b"\x81\xfe\xff\xff\0\0\0\0" + b"x" * 65_535
    with site.connect() as rude, Socket(site) as watcher:
        rude.sendall(
            b"GET /app/docket/api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + frame
        )
        with contextlib.suppress(ConnectionResetError):
            while rude.recv(65_536):
                pass
        site.ask(query="port 53")
        assert watcher.wait_for("job.requested")["job"]["query"] == "port 53"


def test_replaced_ledger_starts_every_client_anew(site: Site, em1: ScriptedWorker) -> None:
    """When the ledger is another one than before, sockets are closed and their clients get a snapshot.

    The result that lies in the spool is taken up from its manifest.
    """
    job = site.ask(query="port 1", sources=[SOURCES[0]], **WINDOW)
    em1.take().answer([])
    assert site.final(job.id).state is State.COMPLETED
    assert [answer.verdict for answer in site.job(job.id).sources] == [Verdict.EMPTY]
    with Socket(site) as watcher:
        seen = watcher.first["seq"]
        site.stop_collector()
        for name in ("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm"):
            (site.spool.path / name).unlink(missing_ok=True)
        site.start_collector()
        assert watcher.wait_closed() == send_queue.RESTART_CODE
    with Socket(site, since=seen) as back:
        assert (back.first["type"], [one["id"] for one in back.first["jobs"]]) == ("snapshot", [job.id])


def _dropped(site: Site) -> float:
    for line in site.call("GET", "metrics").text.splitlines():
        if line.startswith("docket_sockets_dropped_total "):
            return float(line.rpartition(" ")[2])
    raise AssertionError("there is no such metric")


def test_question_rejected_by_a_new_ledger_is_not_waited_for(tmp_path: Path) -> None:
    """A web app that began before the first ledger takes it up at its end, and still learns what became of its jobs."""
    name = "rock09:em1"
    with contextlib.closing(Site(tmp_path)) as site:
        site.spool.create()
        site.start_web()
        site.broker.declare((name,))
        with ScriptedWorker(site.broker, name) as worker:
            worker.announce(EventName.SOURCE_ONLINE)
            wait_until(lambda: name in site.call("GET", "api/v1/sources").text, "the source to be known")
            rejected = site.ask(query="port 53", sources=[name], **WINDOW)
        taken = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
        site.start_collector()
        wait_until(lambda: site.job(rejected.id).state is State.FAILED, "the rejection to be known")
        assert site.job(rejected.id).reason.startswith(f"there is no source {name!r}")
        wait_until(lambda: site.call("GET", f"api/v1/jobs/{taken.id}").json()["events"], "the ledger to have the other")
