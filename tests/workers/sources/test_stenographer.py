"""The kind `stenographer`: what it says it has, how it cuts a window, how it words a question."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from docket.domain.job import Verdict
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.errors import SourceError
from docket.workers.sources.stenographer.store import StenographerSource
from tests.faults import scripts
from tests.faults.certificates import Authority, Pair
from tests.faults.packets import Packet, udp
from tests.faults.stand_in import FILE_US, StandIn
from tests.workers.requests import START_US, US, Heard, SetClock, ask, read, steno_config

HOUR_US = 3600 * US


def at(steno: StandIn, client: Pair, now_us: int, **changes: object) -> StenographerSource:
    return StenographerSource(steno_config(steno, client, **changes), SetClock(now_us))


def test_coverage_reaches_from_the_oldest_file_to_the_flush(steno: StandIn, client: Pair) -> None:
    """Oldest is the start of the oldest file; readable is what is older than the usual lag."""
    now_us = START_US + 8 * FILE_US
    coverage = at(steno, client, now_us).coverage()
    assert (coverage.oldest_us, coverage.readable_until_us) == (START_US, now_us - 120 * US)
    assert (coverage.stats["current_files"], coverage.flush_lag_us) == (5, 120 * US)


def test_newest_file_proves_that_everything_before_it_is_readable(steno: StandIn, client: Pair) -> None:
    """A short file that is whole already shows that the flush was quicker than usual."""
    now_us = START_US + 4 * FILE_US + 30 * US
    assert at(steno, client, now_us).coverage().readable_until_us == START_US + 4 * FILE_US


def test_old_newest_file_shows_that_the_capture_stands(steno: StandIn, client: Pair) -> None:
    """Without a new file for far too long, nothing is known to be recorded after the last one was begun."""
    coverage = at(steno, client, START_US + HOUR_US).coverage()
    [gap] = coverage.gaps
    assert (gap.after_us, gap.before_us) == (START_US + 4 * FILE_US, coverage.readable_until_us)
    assert coverage.readable_until_us == START_US + HOUR_US - 120 * US


def test_files_count_more_than_the_counters(steno: StandIn, client: Pair) -> None:
    """The counters may be ten seconds old; the list of files is not."""
    steno.counters["oldest_timestamp"] = (START_US - HOUR_US) * 1000
    assert at(steno, client, START_US + HOUR_US).coverage().oldest_us == START_US


def test_what_a_server_says_of_itself_has_bounds(steno: StandIn, client: Pair) -> None:
    """No redirect is read, no cookie is kept, and a number that is none is an error of the source."""
    steno.headers = {"Set-Cookie": "a=b", "Location": "/"}
    steno.status, steno.script = 302, scripts.endless
    source = at(steno, client, START_US + HOUR_US)
    finding = read(source, ask(START_US, START_US + FILE_US))
    assert (finding.verdict, "HTTP status 302" in finding.sentence) == (Verdict.REFUSED, True)
    asked: list[scripts.Asked] = []

    def script(one: scripts.Asked) -> Iterator[bytes]:
        asked.append(one)
        return scripts.serve(one)

    steno.status, steno.script = 200, script
    assert read(source, ask(START_US, START_US + FILE_US)).verdict is Verdict.COMPLETE
    assert ["cookie" in one.headers for one in asked] == [False]
    steno.counters["absurd"] = "9" * 5_000
    with pytest.raises(SourceError, match="a counter that cannot be"):
        source.coverage()
    source.close()


def test_server_without_lists_of_files_is_believed_by_its_counters(
    steno: StandIn, client: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no list of files, the counters tell the oldest packet."""
    monkeypatch.setattr("docket.workers.sources.stenographer.store._file_starts", lambda _: [])
    coverage = at(steno, client, START_US + HOUR_US).coverage()
    assert (coverage.oldest_us, coverage.readable_until_us) == (START_US, START_US + HOUR_US - 120 * US)


def test_coverage_of_a_store_that_refuses_is_an_error(steno: StandIn, client: Pair) -> None:
    """A store that is there and says no is told as that."""
    source = StenographerSource(steno_config(steno, client, server_name="other"))
    with pytest.raises(SourceError, match="name mismatch"):
        source.coverage()


@pytest.mark.parametrize(
    ("after_us", "before_us", "cuts"),
    [
        (0, HOUR_US, []),
        (HOUR_US // 2, HOUR_US * 3 // 2, []),
        (0, HOUR_US + 1, [HOUR_US]),
        (HOUR_US - 1, 2 * HOUR_US + 1, [HOUR_US, 2 * HOUR_US]),
        (HOUR_US, 3 * HOUR_US, [2 * HOUR_US]),
    ],
)
def test_long_windows_are_cut_at_round_times(
    steno: StandIn, client: Pair, after_us: int, before_us: int, cuts: list[int]
) -> None:
    """No slice is longer than the setting, none overlaps, nothing is left out."""
    slices = StenographerSource(steno_config(steno, client)).slices(Window(after_us, before_us))
    edges = [after_us, *cuts, before_us]
    assert slices == [Window(*edge) for edge in pairwise(edges)]


def test_question_is_asked_wider_with_the_time_first(steno: StandIn, client: Pair) -> None:
    """Stenographer picks whole files by their start, so it is asked two minutes more on both sides."""
    source = StenographerSource(steno_config(steno, client))
    wording = source.wording(parse("port 53"), Window(START_US, START_US + 60 * US))
    assert wording.sent == ("after 2023-11-14T22:11:00.000000Z and before 2023-11-14T22:16:00.000000Z and port 53")


def test_every_packet_appears_once_over_several_slices(steno: StandIn, client: Pair, packets: list[Packet]) -> None:
    """Slices are asked wider than they are and overlap at the store, but not in the answer."""
    source = StenographerSource(steno_config(steno, client, slice_s=60))
    heard = Heard()
    read(source, ask(START_US + 30 * US, START_US + 210 * US), heard)
    assert len(steno.queries) == 4
    assert heard.times_us == [packet.time_us for packet in packets[300:2100:2]]
    reached = [fragment.through_us for fragment in heard.latest if fragment.through_us is not None]
    assert (reached == sorted(reached), reached[-1]) == (True, START_US + 210 * US)


def test_slice_that_is_cut_does_not_keep_the_others_from_being_read(steno: StandIn, client: Pair) -> None:
    """The verdict is cut, but what the later slices hold is there."""
    turns = [scripts.serve, scripts.half_record(after=400), scripts.serve]
    steno.script = lambda asked: turns.pop(0)(asked)
    source = StenographerSource(steno_config(steno, client, slice_s=60))
    heard = Heard()
    finding = read(source, ask(START_US, START_US + 180 * US), heard)
    assert (finding.verdict, finding.usable) == (Verdict.CUT, True)
    # 80 s of the first answer's 200 ms steps came in the second slice, which begins at 60 s.
    steps = [*range(400), *range(600, 900)]
    assert heard.times_us == [START_US + step * US // 5 for step in steps]


def test_slow_slices_make_the_later_ones_shorter(steno: StandIn, client: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice that took long is a warning: the rest is read in halves."""
    monkeypatch.setattr("docket.workers.interface.reader.LONG_SLICE_S", 0.0)
    monkeypatch.setattr("docket.workers.interface.reader.SHORTEST_SLICE_US", 20 * US)
    source = StenographerSource(steno_config(steno, client, slice_s=60))
    heard = Heard()
    read(source, ask(START_US, START_US + 120 * US), heard)
    assert (len(steno.queries), len(heard.times_us)) == (3, 600)


def test_slices_without_data_are_not_asked(steno: StandIn, client: Pair) -> None:
    """What lies before the oldest file or in the future costs the store nothing."""
    clock = SetClock(START_US + 5 * FILE_US + 30 * US)
    source = StenographerSource(steno_config(steno, client, slice_s=60), clock)
    request = ask(
        START_US - HOUR_US, START_US + HOUR_US, wait_for_flush=False, requested_at_us=clock.time_us, deadline_s=60
    )
    heard = Heard()
    finding = read(source, request, heard, clock=clock)
    assert len(steno.queries) == 6
    assert (finding.verdict, len(heard.times_us)) == ("aged-out", 1500)
    assert "had not yet written" in finding.sentence


def test_limits_go_along_with_room_for_what_is_trimmed(
    steno: StandIn, client: Pair, packets: list[Packet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stenographer is told a limit that its packets beyond the window cannot use up."""
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(
        steno,
        "script",
        lambda asked: seen.append(asked.headers) or [b""],  # type: ignore[func-returns-value]
    )
    read(StenographerSource(steno_config(steno, client)), ask(START_US, START_US + FILE_US, packets=5))
    assert int(seen[0]["steno-limit-packets"]) > 5 + len(packets)
    assert int(seen[0]["steno-limit-bytes"]) > 10**10


def test_several_threads_hold_a_share_each(authority: Authority, server: Pair, client: Pair) -> None:
    """Data begins where the last of the capture's threads has some."""
    with StandIn([udp(START_US)], authority, server) as steno:
        source = at(steno, client, START_US + HOUR_US)
        source_files = {"/debug/t0/files": [START_US], "/debug/t1/files": [START_US + FILE_US]}

        class Two:
            def get(self, path: str) -> str | None:
                names = source_files.get(path)
                return None if names is None else "Thread\n" + "".join(f"\t{name}\n" for name in names)

        assert source._see(Two()).coverage.oldest_us == START_US + FILE_US  # type: ignore[arg-type]


def test_no_stop_hides_in_the_last_file_of_several_threads(authority: Authority, server: Pair, client: Pair) -> None:
    """Nothing tells when that file was done, so the gap begins with it; the minute before it is whole."""
    with StandIn([udp(START_US)], authority, server) as steno:
        source = at(steno, client, START_US + 70 * FILE_US)
        minutes = [*range(10), *range(60, 70)]
        source_files = {
            f"/debug/t{thread}/files": [START_US + minute * FILE_US + thread * 5_000_000 for minute in minutes]
            for thread in range(2)
        }

        class Two:
            def get(self, path: str) -> str | None:
                names = source_files.get(path)
                return None if names is None else "Thread\n" + "".join(f"\t{name}\n" for name in names)

        [gap] = source._see(Two()).coverage.gaps  # type: ignore[arg-type]
    assert (gap.after_us, gap.before_us) == (source_files["/debug/t0/files"][9], source_files["/debug/t1/files"][10])
