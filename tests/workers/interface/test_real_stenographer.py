"""A worker's reading of the real stenographer, against what tcpdump saw on the same cable."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig, StenographerConfig
from docket.domain.job import Verdict
from docket.packet.pcap import FILE_HEADER_BYTES, scan
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from docket.workers.sources.stenographer.store import StenographerSource
from tests.services.stenographer import Monitored, StoredStenographer
from tests.services.waiting import wait_until
from tests.workers.requests import US, Heard, ask, read

pytestmark = pytest.mark.stenographer


def config(server: StoredStenographer, **changes: object) -> StenographerConfig:
    settings = {
        "name": "rock01:em1",
        "url": server.url,
        "cert": server.cert,
        "key": server.key,
        "ca": server.ca,
        "flush_lag_s": 0,
    }
    return StenographerConfig(**(settings | changes))  # type: ignore[arg-type]


def split(data: bytes, start: int = 0) -> list[bytes]:
    """Records as a multiset can be compared: sorted."""
    _, offsets, end = scan(data, start)
    assert end == len(data)
    return sorted(data[begin:stop] for begin, stop in pairwise(offsets))


@pytest.fixture
def em1(two_stenographers: dict[str, Monitored]) -> Monitored:
    return two_stenographers["em1"]


@pytest.fixture
def em1_source(em1: Monitored) -> Iterator[StenographerSource]:
    source = StenographerSource(config(em1.stenographer))
    yield source
    source.close()


def test_everything_of_the_window_and_nothing_else(em1: Monitored, em1_source: StenographerSource) -> None:
    """The middle half of the recording equals the truth, packet for packet, to the microsecond at both edges."""
    truth = em1.truth.read_bytes()
    times_us = sorted(scan(truth, FILE_HEADER_BYTES)[0])
    first_us, last_us = times_us[len(times_us) // 4], times_us[len(times_us) * 3 // 4]
    heard = Heard()
    finding = read(em1_source, ask(first_us, last_us, ""), heard)
    everything = split(truth, FILE_HEADER_BYTES)
    expected = [record for record in everything if first_us <= scan(record)[0][0] < last_us]
    assert (finding.verdict, split(heard.body)) == (Verdict.COMPLETE, expected)


@pytest.mark.parametrize("most_packets", [None, 10**9, 2**62])
def test_window_of_one_microsecond_is_answered(
    em1: Monitored, em1_source: StenographerSource, most_packets: int | None
) -> None:
    """However short the window and high the limit: what stenographer is given is a number that it can read."""
    times_us = scan(em1.truth.read_bytes(), FILE_HEADER_BYTES)[0]
    finding = read(em1_source, ask(times_us[0], times_us[0] + 1, "", packets=most_packets), Heard())
    assert finding.verdict is Verdict.COMPLETE


@pytest.mark.parametrize("query", ["port 53", "tcp", "icmp", "ip proto 58", "port 80 or port 443"])
def test_both_kinds_of_source_agree(em1: Monitored, em1_source: StenographerSource, tmp_path: Path, query: str) -> None:
    """A directory of capture files answers a question with the same packets as stenographer."""
    (tmp_path / "truth.pcap").write_bytes(em1.truth.read_bytes())
    files = CaptureFilesSource(CaptureFilesConfig(name="rock01:files", path=tmp_path, flush_lag_s=0))
    times_us = scan(em1.truth.read_bytes(), FILE_HEADER_BYTES)[0]
    request = ask(min(times_us), max(times_us) + 1, query)
    bodies = []
    for source in (em1_source, files):
        heard = Heard()
        assert read(source, request, heard).verdict is Verdict.COMPLETE
        bodies.append(split(heard.body))
    assert bodies[0] == bodies[1]


def test_window_before_the_recording_is_aged_out(em1: Monitored, em1_source: StenographerSource) -> None:
    """The real server tells from when on it has packets."""
    start_us = em1.recording.files[0].start_us
    finding = read(em1_source, ask(start_us - 3600 * US, start_us + US, ""))
    assert (finding.verdict, finding.usable) == (Verdict.AGED_OUT, True)
    assert "the first 1 h of your window are gone" in finding.sentence


def test_query_of_the_real_server_can_be_limited(em1: Monitored, em1_source: StenographerSource) -> None:
    """A limit is kept to the packet."""
    times_us = scan(em1.truth.read_bytes(), FILE_HEADER_BYTES)[0]
    heard = Heard()
    finding = read(em1_source, ask(min(times_us), max(times_us) + 1, "", packets=10), heard)
    assert (finding.verdict, len(heard.times_us)) == (Verdict.LIMITED, 10)


def test_real_server_that_is_killed_and_comes_back_is_used(stored_stenographer: StoredStenographer) -> None:
    """A stenographer that is restarted while a job asks for it costs time, not the answer."""
    source = StenographerSource(config(stored_stenographer))
    start_us = source.coverage().oldest_us
    assert start_us is not None
    stored_stenographer.kill()
    findings: list[Verdict] = []
    heard = Heard()

    def run() -> None:
        findings.append(read(source, ask(start_us, start_us + US, ""), heard, patience_s=30).verdict)

    reader = threading.Thread(target=run)
    reader.start()
    wait_until(lambda: heard.sentences, "word that it is away")
    stored_stenographer.start()
    reader.join(30)
    source.close()
    assert findings == [Verdict.COMPLETE]


def test_other_sensors_ca_is_refused(two_stenographers: dict[str, Monitored]) -> None:
    """Each real server belongs to a CA of its own; the other's is the wrong one."""
    em1, em2 = two_stenographers["em1"].stenographer, two_stenographers["em2"].stenographer
    finding = read(StenographerSource(config(em1, ca=em2.ca)), ask(0, US))
    assert (finding.verdict, "wrong CA" in finding.sentence) == (Verdict.REFUSED, True)


def test_other_sensors_client_is_refused(two_stenographers: dict[str, Monitored]) -> None:
    """A client certificate of another sensor is not taken, and that is said."""
    em1, em2 = two_stenographers["em1"].stenographer, two_stenographers["em2"].stenographer
    finding = read(StenographerSource(config(em1, cert=em2.cert, key=em2.key)), ask(0, US))
    assert (finding.verdict, "did not accept Docket's client" in finding.sentence) == (Verdict.REFUSED, True)
