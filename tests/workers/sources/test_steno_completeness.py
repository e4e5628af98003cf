"""An answer that ends like a good one although it is not whole, and good ones that must raise no alarm."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.config.model import StenographerConfig
from docket.domain.job import Verdict
from docket.workers.interface.verdict_texts import Finding
from docket.workers.sources.stenographer import completeness
from docket.workers.sources.stenographer.store import StenographerSource
from tests.faults import scripts
from tests.faults.certificates import Authority, Pair
from tests.faults.packets import Packet, udp
from tests.faults.scripts import Asked
from tests.faults.stand_in import FILE_US, StandIn
from tests.services.recording import StoredFile
from tests.services.stenographer import Monitored, StoredStenographer
from tests.services.truth import packets_of
from tests.workers.requests import START_US, US, ask, read, steno_config

MINUTE_US = 60 * US
AFTER_US, BEFORE_US = START_US + MINUTE_US, START_US + 20 * MINUTE_US


@pytest.fixture
def burst(steno: StandIn) -> StandIn:
    """Five minutes of packets at the beginning of the twenty that are asked for, and then none until long after."""
    steno.packets = [*steno.packets, udp(START_US + 30 * MINUTE_US, 7777)]
    steno.empty_files = tuple(range(START_US // FILE_US * FILE_US, START_US + 30 * MINUTE_US, 5 * FILE_US))
    return steno


def verdict(source: StenographerSource, query: str = "port 53") -> tuple[Verdict, str]:
    finding = read(source, ask(AFTER_US, BEFORE_US, query))
    return finding.verdict, finding.sentence


@pytest.mark.usefixtures("burst")
@pytest.mark.parametrize("query", ["port 53", "udp"])
def test_silence_after_the_last_packet_is_no_alarm(source: StenographerSource, query: str) -> None:
    """Fifteen quiet minutes at the end of the window are what they are."""
    assert verdict(source, query)[0] is Verdict.COMPLETE


def test_a_packet_from_after_the_window_is_proof_enough(source: StenographerSource, steno: StandIn) -> None:
    """Then nothing more is asked."""
    assert read(source, ask(START_US, START_US + 3 * MINUTE_US, "udp")).verdict is Verdict.COMPLETE
    assert len(steno.queries) == 1


@pytest.mark.parametrize("after", [0, 1, 700, 1499])
def test_the_index_knows_how_many_packets_there_are(source: StenographerSource, burst: StandIn, after: int) -> None:
    """A single packet too few is found, also when none came; the answer's own question is not asked again."""
    burst.script = scripts.clean_end(after)
    found, sentence = verdict(source)
    assert (found, "not whole: its index has" in sentence) == (Verdict.CUT, True)
    assert len(burst.queries) == 1


@pytest.mark.parametrize("after", [0, 700, 1499])
@pytest.mark.parametrize("query", ["port 53", "udp"])
def test_without_an_index_a_second_look_finds_what_is_missing(
    source: StenographerSource, burst: StandIn, query: str, after: int
) -> None:
    """A store that stopped once, for whatever reason, is caught by its own next answer."""
    burst.shows_index = False
    burst.script = scripts.once(scripts.clean_end(after))
    found, sentence = verdict(source, query)
    assert (found, "a further packet, from 2023-11-14 22:1" in sentence) == (Verdict.CUT, True)


@pytest.mark.parametrize("shows_index", [True, False])
def test_a_large_answer_is_not_counted_again(
    source: StenographerSource, burst: StandIn, monkeypatch: pytest.MonkeyPatch, shows_index: bool
) -> None:
    """Of a large answer only the files after its last packet are looked at, and that is enough."""
    monkeypatch.setattr(completeness, "MOST_PACKETS", 100)
    burst.shows_index = shows_index
    assert verdict(source)[0] is Verdict.COMPLETE
    burst.script = scripts.once(scripts.clean_end(700))
    assert verdict(source)[0] is Verdict.CUT


def test_of_many_files_a_sample_is_looked_at(
    source: StenographerSource, burst: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample spreads over all files and holds the last one."""
    monkeypatch.setattr(completeness, "MOST_FILES", 3)
    assert verdict(source)[0] is Verdict.COMPLETE
    burst.script = scripts.clean_end(0)
    found, sentence = verdict(source)
    assert (found, "after the last one that came" in sentence) == (Verdict.CUT, True)


def test_fresh_packets_are_no_alarm(source: StenographerSource, burst: StandIn) -> None:
    """Files that were finished while the answer was being read hold packets that nobody was promised."""

    def grow(asked: Asked) -> list[bytes]:
        answer = list(scripts.serve(asked))
        burst.packets = [*burst.packets, *(udp(START_US + 11 * MINUTE_US + step * US) for step in range(200))]
        return answer

    for shows_index in (True, False):
        burst.shows_index = shows_index
        burst.script = scripts.once(grow)
        assert verdict(source)[0] is Verdict.COMPLETE


def copied(stored: StoredFile, directory: Path) -> StoredFile:
    """A pair of files that a test may damage."""
    pair = StoredFile(directory / "packets" / stored.packets.name, directory / "index" / stored.index.name)
    for source, target in ((stored.packets, pair.packets), (stored.index, pair.index)):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o644)
    return pair


@pytest.fixture
def damaged(two_stenographers: dict[str, Monitored], steno_directory: Path) -> Iterator[StoredStenographer]:
    """The real server, with em1's first packet file cut off in the middle as a bad disk might."""
    directory = steno_directory / "damaged"
    files = [copied(stored, directory) for stored in two_stenographers["em1"].recording.files]
    with files[0].packets.open("r+b") as file:
        file.truncate(1 << 17)
    server = StoredStenographer(directory / "server", files)
    try:
        server.start()
        yield server
    finally:
        server.close()
        shutil.rmtree(directory)


def asked_of(server: StoredStenographer, truth: Path, query: str) -> Finding:
    settings = StenographerConfig("rock01:em1", server.url, server.cert, server.key, server.ca, flush_lag_s=0)
    source = StenographerSource(settings)
    times_us = [packet.time_us for packet in packets_of(truth)]
    try:
        return read(source, ask(min(times_us), max(times_us) + 1, query))
    finally:
        source.close()


@pytest.mark.stenographer
@pytest.mark.parametrize("query", ["port 53", "tcp", "ip proto 132 or udp"])
def test_a_real_server_with_a_bad_disk(
    two_stenographers: dict[str, Monitored], damaged: StoredStenographer, query: str
) -> None:
    """It ends its answer with status 200 in mid-file; the index gives it away. A whole disk raises no alarm."""
    truth = two_stenographers["em1"].truth
    finding = asked_of(damaged, truth, query)
    assert (finding.verdict, "ended like a good one" in finding.sentence) == (Verdict.CUT, True)
    assert asked_of(two_stenographers["em1"].stenographer, truth, query).verdict is Verdict.COMPLETE


def test_the_index_cannot_be_read(
    packets: list[Packet], authority: Authority, server: Pair, client: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is not known whether the answer is whole, and that is what is said."""
    monkeypatch.setattr(StandIn, "positions", lambda *_: "ERROR: index lookup failure")
    with StandIn(packets, authority, server) as steno:
        source = StenographerSource(steno_config(steno, client))
        found, sentence = verdict(source)
        source.close()
    assert (found, "is not known: its index cannot be read" in sentence) == (Verdict.CUT, True)
