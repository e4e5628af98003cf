"""Where gaps begin, and what lies where no packet should be: told from packets, not from names and usual intervals."""

import itertools
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.job import Verdict
from docket.domain.timewindow import Window
from docket.index.index_files import IndexLayout
from docket.index.selector import IndexSelector
from docket.packet.pcap import file_header
from docket.workers.sources import gaps
from docket.workers.sources.base import Gap
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from docket.workers.sources.stenographer import file_ends, store
from docket.workers.sources.stenographer.session import StenoSession
from docket.workers.sources.stenographer.store import StenographerSource
from tests.faults.certificates import Pair
from tests.faults.packets import Packet, capture, udp
from tests.faults.stand_in import StandIn
from tests.index.captures import index_directory
from tests.workers.requests import START_US, US, Heard, SetClock, ask, read, steno_config

MINUTE_US = 60 * US
HOLE = (START_US + 4 * MINUTE_US + 20 * US, START_US + 60 * MINUTE_US)
"""Twenty seconds after a file was begun."""
NOW_US = START_US + 66 * MINUTE_US


@pytest.fixture
def stopped(steno: StandIn, client: Pair) -> StenographerSource:
    """A stenographer that was stopped for an hour in the middle of a file."""
    later = [udp(HOLE[1] + second * US, 53) for second in range(300)]
    steno.packets = [packet for packet in steno.packets if packet.time_us < HOLE[0]] + later
    return StenographerSource(steno_config(steno, client, flush_lag_s=0), SetClock(NOW_US))


def asked(source: StenographerSource | CaptureFilesSource, first_us: int, last_us: int, query: str = "port 53") -> str:
    request = ask(first_us, last_us, query, wait_for_flush=False, requested_at_us=NOW_US)
    return read(source, request, clock=SetClock(NOW_US)).verdict.value


@pytest.mark.parametrize("query", ["port 53", "port 7777", ""])
def test_hole_in_a_stenographer_begins_with_the_last_packet(stopped: StenographerSource, query: str) -> None:
    """Behind the last packet of the last file nothing is known, though files usually last longer; before it all is."""
    begin_us, whole = HOLE[0], Verdict.EMPTY if query == "port 7777" else Verdict.COMPLETE
    assert asked(stopped, begin_us - MINUTE_US, begin_us - US, query) == whole
    assert asked(stopped, begin_us - MINUTE_US, begin_us + 10 * US, query) == Verdict.GAP
    assert asked(stopped, begin_us + US, begin_us + 10 * US, query) == Verdict.GAP
    assert asked(stopped, HOLE[1], HOLE[1] + MINUTE_US, query) == whole


def test_end_of_a_file_is_looked_for_once(stopped: StenographerSource, steno: StandIn) -> None:
    """What was seen of a finished file does not change."""
    for _ in range(3):
        asked(stopped, HOLE[0], HOLE[0] + US, "port 7777")
    assert sum("port" not in query for query in steno.queries) == 1


def test_end_that_another_question_sees_meanwhile_counts(
    stopped: StenographerSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that looked at the disks just before does not begin the gap with the start of the file."""
    look = file_ends.FileEnds.look

    def look_after_another(
        ends: file_ends.FileEnds, session: StenoSession, gaps: list[Gap], window: Window, stop: threading.Event
    ) -> bool:
        look(ends, session, gaps, Window(0, NOW_US), stop)
        return look(ends, session, gaps, window, stop)

    monkeypatch.setattr(file_ends.FileEnds, "look", look_after_another)
    assert asked(stopped, HOLE[0] - 10 * US, HOLE[0] - US) == Verdict.COMPLETE


def test_end_that_is_seen_while_gaps_are_worked_out_counts(
    stopped: StenographerSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gap that was just begun with the start of a file is put right by what another question sees at that moment."""
    begin_us = HOLE[0]
    asked(stopped, begin_us - 10 * US, begin_us - US)
    ends_us, rotation_gaps, calls = dict(stopped._ends.latest_us), gaps.rotation_gaps, itertools.count(1)
    fresh = StenographerSource(stopped._config, SetClock(NOW_US))

    def see_meanwhile(*arguments: Any) -> list[Gap]:
        found = rotation_gaps(*arguments)
        if next(calls) == 2:  # at the look after the answer
            fresh._ends.latest_us.update(ends_us)
        return found

    monkeypatch.setattr(store, "rotation_gaps", see_meanwhile)
    assert ends_us
    assert asked(fresh, begin_us - 10 * US, begin_us - US) == Verdict.COMPLETE


def test_end_of_a_large_file_is_not_looked_for(stopped: StenographerSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the gap begins where the looking ended: too early, but never too late."""
    monkeypatch.setattr(file_ends, "MOST_BYTES", 1000)
    assert asked(stopped, HOLE[0] - 10 * US, HOLE[0] - US) == Verdict.GAP


def directory(path: Path, *, at: str = "own", index: Path | None = None) -> CaptureFilesSource:
    """Ten files of a minute, a hole of half an hour, ten more; the times of the files are their own or a copy's."""
    for number in [*range(10), *range(40, 50)]:
        start_us = START_US + number * MINUTE_US
        write(path / f"{number:02}.pcap", [udp(start_us + second * US, 53) for second in range(60)])
        if at == "copy":
            os.utime(path / f"{number:02}.pcap", (NOW_US / US, NOW_US / US))
    selector = None if index is None else index_directory(path, IndexLayout(index))
    config = CaptureFilesConfig(name="rock01:em2", path=path, flush_lag_s=0)
    return CaptureFilesSource(config, SetClock(NOW_US), selector)


def write(path: Path, packets: list[Packet], *, written_us: int | None = None) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(file_header() + capture(packets))
    written_s = (packets[-1].time_us if written_us is None else written_us) / US
    os.utime(path, (written_s, written_s))


@pytest.mark.parametrize("at", ["own", "copy"])
@pytest.mark.parametrize("indexed", [True, False])
def test_hole_in_a_directory_is_found_whatever_the_files_times(tmp_path: Path, at: str, indexed: bool) -> None:
    """A copy's times say nothing: the index or the packets do."""
    source = directory(tmp_path / "em2", at=at, index=tmp_path / "index" if indexed else None)
    assert asked(source, START_US + 20 * MINUTE_US, START_US + 21 * MINUTE_US, "port 7777") == Verdict.GAP
    assert asked(source, START_US + 8 * MINUTE_US, START_US + 10 * MINUTE_US - US) == Verdict.COMPLETE


def test_a_hole_is_in_the_coverage_as_soon_as_the_index_knows_it(tmp_path: Path) -> None:
    """Before anything was asked: the page says it to a user who chooses the window."""
    directory(tmp_path / "em2", at="copy")
    config = CaptureFilesConfig(name="rock01:em2", path=tmp_path / "em2", flush_lag_s=0)
    source = CaptureFilesSource(config, SetClock(NOW_US), IndexSelector(tmp_path / "index"))
    hole = START_US + 20 * MINUTE_US
    assert not any(gap.after_us <= hole < gap.before_us for gap in source.coverage().gaps)
    index_directory(tmp_path / "em2", IndexLayout(tmp_path / "index"))
    assert any(gap.after_us <= hole < gap.before_us for gap in source.coverage().gaps)


@pytest.mark.parametrize("content", [b"", b"\n\r\r", b"\xd4\xc3\xb2", file_header()[:10]])
def test_file_that_ends_before_its_first_packet_is_named(tmp_path: Path, content: bytes) -> None:
    """A later file was written since, so nothing will come any more: what was in it is lost."""
    source = directory(tmp_path / "em2")
    lost = tmp_path / "em2" / "05.pcap"
    lost.write_bytes(content)
    written_s = (START_US + 6 * MINUTE_US) / US
    os.utime(lost, (written_s, written_s))
    request = ask(START_US + 5 * MINUTE_US, START_US + 6 * MINUTE_US, requested_at_us=NOW_US)
    finding = read(source, request, clock=SetClock(NOW_US))
    assert (finding.verdict, "05.pcap" in finding.sentence) == (Verdict.CUT, True)


def test_packets_of_a_clock_that_is_ahead_are_found(tmp_path: Path) -> None:
    """A window of the future is read, too, and what is there comes; it is not called whole."""
    source = directory(tmp_path / "em2")
    ahead = [udp(NOW_US + 10 * MINUTE_US + second * US, 53) for second in range(60)]
    write(tmp_path / "em2" / "50.pcap", ahead, written_us=NOW_US)
    heard = Heard()
    request = ask(NOW_US + 10 * MINUTE_US, NOW_US + 11 * MINUTE_US, wait_for_flush=False, requested_at_us=NOW_US)
    finding = read(source, request, heard, clock=SetClock(NOW_US))
    assert (finding.verdict, heard.body) == (Verdict.NOT_YET, capture(ahead))


def test_a_usual_silence_is_said(tmp_path: Path) -> None:
    """A recorder that pauses for three minutes after each file is whole; the sentence says how long, and how usual."""
    for number in range(12):
        start_us = START_US + 4 * number * MINUTE_US
        write(tmp_path / f"{number:02}.pcap", [udp(start_us + second * US, 53) for second in range(61)])
    source = CaptureFilesSource(CaptureFilesConfig(name="rock01:em2", path=tmp_path, flush_lag_s=0), SetClock(NOW_US))
    request = ask(START_US + 20 * MINUTE_US, START_US + 24 * MINUTE_US, "port 53", requested_at_us=NOW_US)
    finding = read(source, request, clock=SetClock(NOW_US))
    assert finding.verdict == Verdict.COMPLETE
    assert "rock01:em2 recorded nothing for 3 min, from " in finding.sentence
    assert finding.sentence.endswith(": it was as quiet 5 times before.")
    request = ask(START_US + 20 * MINUTE_US, START_US + 21 * MINUTE_US, "port 53", requested_at_us=NOW_US)
    assert "recorded nothing" not in read(source, request, clock=SetClock(NOW_US)).sentence
