"""Downloads: ranges, tags, names; and results that are followed while they grow."""

import base64
import hashlib
import socket
import threading
from collections.abc import Iterator

import pytest
import requests

from docket.domain.job import State, Verdict
from docket.domain.timewindow import parse_time_us
from docket.packet.pcap import LARGEST_RECORD_BYTES, file_header
from docket.web import app
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker, record

AFTER, BEFORE = "2026-11-24T14:02:00Z", "2026-11-24T14:10:00Z"
START_US = parse_time_us(AFTER, None)
END_US = parse_time_us(BEFORE, None)
WINDOW = {"after": AFTER, "before": BEFORE}


def packets(count: int, start_us: int = START_US, size: int = 1000) -> list[tuple[int, bytes]]:
    return [(time_us, bytes([time_us % 256]) * size) for time_us in range(start_us, start_us + count)]


def capture(some: list[tuple[int, bytes]]) -> bytes:
    return file_header(snaplen=LARGEST_RECORD_BYTES) + b"".join(record(time_us, payload) for time_us, payload in some)


@pytest.fixture
def done(site: Site, em1: ScriptedWorker) -> str:
    """A completed job of 300 packets; gives its id."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    em1.take().answer(packets(300))
    assert site.final(job.id).state is State.COMPLETED
    return job.id


def test_whole_result_with_its_headers(site: Site, done: str) -> None:
    """Length, type, name, tag and digest are those of the job's record."""
    answer = site.call("GET", f"api/v1/jobs/{done}/pcap")
    pcap = site.job(done).pcap
    assert pcap is not None
    digest = base64.b64encode(bytes.fromhex(pcap.sha256)).decode()
    expected = {
        "Content-Type": "application/vnd.tcpdump.pcap",
        "Content-Length": str(pcap.size),
        "Content-Disposition": f'attachment; filename="{pcap.name}"',
        "ETag": f'"{pcap.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Accept-Ranges": "bytes",
        "X-Docket-State": "completed",
        "X-Docket-Revision": "1",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert (answer.status_code, answer.content) == (200, capture(packets(300)))
    assert hashlib.sha256(answer.content).hexdigest() == pcap.sha256


def test_head_is_the_same_without_the_bytes(site: Site, done: str) -> None:
    """HEAD has the headers of GET and no body."""
    ignored = {"X-Request-Id", "Date"}
    get, head = (site.call(method, f"api/v1/jobs/{done}/pcap") for method in ("GET", "HEAD"))
    assert {k: v for k, v in head.headers.items() if k not in ignored} == {
        k: v for k, v in get.headers.items() if k not in ignored
    }
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-23", 0, 24),
        ("bytes=24-", 24, None),
        ("bytes=-100", -100, None),
        ("bytes=100-100", 100, 101),
        ("bytes=300000-99999999", 300_000, None),
    ],
)
def test_range_gives_exactly_these_bytes(site: Site, done: str, header: str, start: int, end: int | None) -> None:
    """206 with the bytes asked for and a Content-Range that says which they are."""
    whole = capture(packets(300))
    answer = site.call("GET", f"api/v1/jobs/{done}/pcap", headers={"Range": header})
    first = start if start >= 0 else len(whole) + start
    last = (end or len(whole)) - 1
    assert (answer.status_code, answer.content) == (206, whole[start:end])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"
    assert answer.headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "pages=1-2", "bytes=9-2"])
def test_range_that_is_not_served_gives_the_whole(site: Site, done: str, header: str) -> None:
    """Several ranges, other units and mistakes are ignored."""
    answer = site.call("GET", f"api/v1/jobs/{done}/pcap", headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, capture(packets(300)))


def test_range_beyond_the_end_is_refused(site: Site, done: str) -> None:
    """416 in the one shape, with the size."""
    answer = site.call("GET", f"api/v1/jobs/{done}/pcap", headers={"Range": "bytes=400000-"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (416, "bad-range")
    assert answer.headers["Content-Range"] == f"bytes */{len(capture(packets(300)))}"


def test_known_tag_is_not_modified(site: Site, done: str) -> None:
    """If-None-Match with the tag is 304 without a body; If-Range with another tag gives the whole."""
    tag = site.call("HEAD", f"api/v1/jobs/{done}/pcap").headers["ETag"]
    same = site.call("GET", f"api/v1/jobs/{done}/pcap", headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    ranges = [
        site.call("GET", f"api/v1/jobs/{done}/pcap", headers={"Range": "bytes=0-3", "If-Range": value}).status_code
        for value in (tag, '"other"')
    ]
    assert ranges == [206, 200]


def test_job_without_result_says_why(site: Site, em1: ScriptedWorker) -> None:
    """Running: 409 with the way to follow. Failed: 404."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    early = site.call("GET", f"api/v1/jobs/{job.id}/pcap")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "not-ready")
    reading = em1.take()
    reading.begin()
    reading.end(Verdict.REFUSED, "no")
    assert site.final(job.id).state is State.FAILED
    late = site.call("GET", f"api/v1/jobs/{job.id}/pcap")
    assert (late.status_code, late.json()["error"]["code"]) == (404, "no-result")


def test_old_revision_stays_downloadable_while_the_next_grows(
    site: Site, em1: ScriptedWorker, em2: ScriptedWorker
) -> None:
    """During a retry the first result is served; afterwards the second, with another tag."""
    job = site.ask(query="port 53", **WINDOW)
    em1.take().answer(packets(2))
    short = em2.take()
    short.begin()
    short.end(Verdict.UNREACHABLE, "gone")
    site.final(job.id)
    site.call("POST", f"api/v1/jobs/{job.id}/retry")
    second = em2.take()
    old = site.call("GET", f"api/v1/jobs/{job.id}/pcap")
    assert (old.status_code, old.content) == (200, capture(packets(2)))
    second.answer(packets(2, START_US + 10))
    site.final(job.id)
    new = site.call("GET", f"api/v1/jobs/{job.id}/pcap")
    assert new.content == capture(packets(2) + packets(2, START_US + 10))
    assert new.headers["ETag"] != old.headers["ETag"]


def test_slow_client_holds_no_memory_and_delays_nobody(site: Site, em1: ScriptedWorker) -> None:
    """Of a large result only what the client takes is read; others are served meanwhile."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    reading = em1.take()
    reading.begin()
    for block in range(80):
        reading.data(packets(10, START_US + 10 * block, size=60_000))
    reading.end()
    site.final(job.id)
    with site.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"GET /app/docket/api/v1/jobs/{job.id}/pcap HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert slow.recv(4096)
        wait_until(lambda: _metric(site, "docket_downloads") == 1, "the download to run")
        assert len(site.call("GET", f"api/v1/jobs/{job.id}/pcap").content) == 24 + 800 * 60_016
        taken = _metric(site, "docket_downloaded_bytes_total") - (24 + 800 * 60_016)
        assert taken < 24_000_000
    wait_until(lambda: _metric(site, "docket_downloads") == 0, "the download to end with its client")


class Following:
    """A download of a growing result."""

    def __init__(self, site: Site, job_id: str) -> None:
        self.answer = requests.get(site.url(f"api/v1/jobs/{job_id}/pcap?follow=1"), stream=True, timeout=20)
        self._chunks: Iterator[bytes] = self.answer.iter_content(None)
        self.content = b""

    def until(self, length: int) -> bytes:
        """Everything, once there is this much."""
        while len(self.content) < length:
            self.content += next(self._chunks)
        return self.content

    def rest(self) -> bytes:
        for chunk in self._chunks:
            self.content += chunk
        return self.content


def test_followed_result_arrives_while_it_grows(site: Site, em1: ScriptedWorker) -> None:
    """The first packets are there before the job ends, and at the end it is the very file of the record."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    reading = em1.take()
    following = Following(site, job.id)
    assert following.answer.status_code == 200
    assert following.answer.headers["Content-Type"] == "application/vnd.tcpdump.pcap"
    assert following.answer.headers["Content-Disposition"].startswith('attachment; filename="docket-')
    assert "Content-Length" not in following.answer.headers
    reading.begin()
    reading.data(packets(10), through_us=START_US + 10)
    assert following.until(24 + 10 * 1016) == capture(packets(10))
    reading.data(packets(10, START_US + 10), through_us=START_US + 20)
    assert following.until(24 + 20 * 1016) == capture(packets(20))
    reading.data(packets(300, START_US + 20))
    reading.end()
    whole = following.rest()
    pcap = site.final(job.id).pcap
    assert pcap is not None
    assert (len(whole), hashlib.sha256(whole).hexdigest()) == (pcap.size, pcap.sha256)


def test_followed_result_of_two_sources_is_in_time_order(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> None:
    """Packets come as far as both sources have got, merged by time."""
    job = site.ask(query="port 53", **WINDOW)
    first, second = em1.take(), em2.take()
    following = Following(site, job.id)
    first.begin()
    second.begin()
    first.data(packets(5), through_us=END_US)
    second.data(packets(5, START_US + 2), through_us=START_US + 4)
    merged = sorted(packets(5) + packets(5, START_US + 2), key=lambda packet: packet[0])
    early = [packet for packet in merged if packet[0] < START_US + 4]
    assert following.until(24 + len(early) * 1016)[: 24 + len(early) * 1016] == capture(early)
    first.end()
    second.end()
    assert following.rest() == capture(merged)


def test_final_job_is_followed_like_a_download(site: Site, done: str) -> None:
    """With nothing left to grow, follow serves the file with its length."""
    answer = site.call("GET", f"api/v1/jobs/{done}/pcap?follow=1")
    assert (answer.status_code, answer.content) == (200, capture(packets(300)))
    assert answer.headers["Content-Length"] == str(len(answer.content))


@pytest.mark.parametrize("with_packets", [False, True])
def test_followed_job_that_comes_to_nothing_breaks_the_connection(
    site: Site, em1: ScriptedWorker, with_packets: bool
) -> None:
    """No client can take a cancelled job's stream for a whole capture: it ends without its last chunk."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    reading = em1.take()
    following = Following(site, job.id)
    reading.begin()
    if with_packets:
        reading.data(packets(5), through_us=START_US + 5)
        following.until(24 + 5 * 1016)
    site.call("POST", f"api/v1/jobs/{job.id}/cancel", json={"keep": False})
    with pytest.raises(requests.RequestException):
        following.rest()


def test_followed_result_that_was_put_together_anew_breaks_the_connection(
    site: Site, em1: ScriptedWorker, em2: ScriptedWorker
) -> None:
    """A packet that came later than its order allows changes the beginning: what was sent is not the result."""
    job = site.ask(query="port 53", **WINDOW)
    first, second = em1.take(), em2.take()
    following = Following(site, job.id)
    first.begin()
    second.begin()
    first.data(packets(5, START_US + 5_000_000), through_us=END_US)
    second.data(packets(5, START_US + 6_000_000), through_us=START_US + 6_000_000)
    following.until(24 + 5 * 1016)
    # Against its own word this source sends something older.
    second.data(packets(5, START_US))
    first.end()
    second.end()
    done = site.final(job.id)
    assert (done.state, done.packets) == (State.COMPLETED, 15)
    with pytest.raises(requests.RequestException):
        following.rest()
    whole = site.call("GET", f"api/v1/jobs/{job.id}/pcap").content
    assert whole == capture(packets(5) + packets(5, START_US + 5_000_000) + packets(5, START_US + 6_000_000))


def test_follower_that_leaves_is_forgotten(site: Site, em1: ScriptedWorker) -> None:
    """A client that goes away in mid-stream leaves no download behind."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    reading = em1.take()
    following = Following(site, job.id)
    reading.begin()
    reading.data(packets(5), through_us=START_US + 5)
    following.until(24 + 5 * 1016)
    following.answer.close()
    wait_until(lambda: _metric(site, "docket_downloads") == 0, "the download to end")
    reading.end()
    assert site.final(job.id).packets == 5


def test_stopping_breaks_off_a_follower(site: Site, em1: ScriptedWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that cannot end in time is broken off, so that its client does not take it for whole."""
    monkeypatch.setattr(app, "DRAIN_S", 0.0)
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    reading = em1.take()
    following = Following(site, job.id)
    reading.begin()
    reading.data(packets(5), through_us=START_US + 5)
    following.until(24 + 5 * 1016)
    site.stop_web()
    with pytest.raises(requests.RequestException):
        following.rest()


def test_stopping_lets_a_download_finish(site: Site, done: str) -> None:
    """A client in mid-download gets the rest after the process was told to stop."""
    with site.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        client.sendall(f"GET /app/docket/api/v1/jobs/{done}/pcap HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = client.recv(1000)
        site.call("GET", "api/v1/health?live")
        stopping = threading.Thread(target=site.stop_web)
        stopping.start()
        while chunk := client.recv(65_536):
            received += chunk
        stopping.join(20)
    assert received.endswith(capture(packets(300)))


def _metric(site: Site, name: str) -> float:
    for line in site.call("GET", "metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"there is no metric {name}")
