"""Parts become one PCAP in strict time order, whatever way they come in."""

from __future__ import annotations

import hashlib
import random
import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docket.domain.request_message import Limits
from docket.errors import SpoolError
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.workers.collector.external_sort import ExternalSort
from docket.workers.collector.merge import NO_LIMITS, STEP_BYTES, Merge
from docket.workers.collector.record_stream import RecordStream
from tests.workers.packet_records import START_US, US, in_file, in_order, record, records, split, write_part


def streams_of(directory: Path, bodies: Sequence[bytes], *, ended: bool = True) -> list[RecordStream]:
    """One stream per body, over part files that are whole."""
    streams = []
    for place, body in enumerate(bodies):
        path = directory / f"part{place}.pcap"
        stream = RecordStream(f"s{place}:em1", place, path)
        stream.grow(write_part(path, body))
        if ended:
            stream.end()
        streams.append(stream)
    return streams


def run(merge: Merge | ExternalSort, step_bytes: int = 1 << 16) -> None:
    """Step until nothing more can be done."""
    while merge.step(step_bytes):
        pass


def merged(directory: Path, bodies: Sequence[bytes], limits: Limits = NO_LIMITS) -> Merge:
    """Merge whole parts, by sorting anew where they are too far out of order, and return what wrote the result."""
    streams = streams_of(directory, bodies)
    merge = Merge(directory / "job.pcap.partial", streams, limits)
    run(merge)
    if merge.disordered:
        resort = ExternalSort(directory / "job.pcap.sorting", streams, limits, directory, run_bytes=4_000)
        run(resort)
        resort.remove_runs()
        assert resort.merge is not None
        merge = resort.merge
    merge.close()
    return merge


times = st.lists(st.integers(0, 3 * US).map(lambda offset: START_US + offset), max_size=60)
nearly_sorted = times.map(sorted).flatmap(
    lambda given: st.lists(st.integers(-3, 3), min_size=len(given), max_size=len(given)).map(
        lambda shifts: [given[i] for i in sorted(range(len(given)), key=lambda i: i + shifts[i])]
    )
)


@given(parts=st.lists(times | nearly_sorted, min_size=1, max_size=5), size=st.sampled_from([0, 40, 3_000]))
@settings(max_examples=150, deadline=None)
def test_every_record_comes_out_once_and_in_total_order(parts: list[list[int]], size: int) -> None:
    """Whatever the times are, sorted or not, the result is the sorted truth, byte for byte."""
    bodies = [records(f"s{place}", part, size) for place, part in enumerate(parts)]
    with tempfile.TemporaryDirectory() as directory:
        merge = merged(Path(directory), bodies)
        assert in_file(merge.output) == in_order(*bodies)


@given(data=st.data(), parts=st.lists(times.map(sorted) | nearly_sorted, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_the_way_the_bytes_trickle_in_does_not_show(data: st.DataObject, parts: list[list[int]]) -> None:
    """Parts that grow record by record, in any interleaving, give the file that whole parts give."""
    bodies = [records(f"s{place}", part, 900) for place, part in enumerate(parts)]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        streams = streams_of(directory, bodies)
        growing = [RecordStream(stream.name, stream.place, stream.path) for stream in streams]
        merge = Merge(directory / "growing.partial", growing)
        left = [[len(piece) for _, piece in split(body)] for body in bodies]
        while any(left):
            place = data.draw(st.sampled_from([place for place, sizes in enumerate(left) if sizes]))
            count = data.draw(st.integers(1, len(left[place])))
            growing[place].grow(growing[place].size_bytes + sum(left[place][:count]))
            del left[place][:count]
            merge.step(2_000)
        for stream in growing:
            stream.end()
        run(merge)
        merge.close()
        # A live merge may find that a record was later than the slack allows; then it says so.
        assert merge.disordered or in_file(merge.output) == in_order(*bodies)
        assert sorted(in_file(merge.output)) == sorted(in_order(*bodies))


@given(parts=st.lists(times, min_size=1, max_size=4), packets=st.integers(1, 80), size=st.integers(1, 6_000))
@settings(max_examples=150, deadline=None)
def test_limits_are_exact_and_the_earliest_packets_win(parts: list[list[int]], packets: int, size: int) -> None:
    """Both limits together let in exactly the longest beginning of the truth that fits."""
    bodies = [records(f"s{place}", part, 50) for place, part in enumerate(parts)]
    truth = in_order(*bodies)
    expected: list[tuple[int, bytes]] = []
    for entry in truth[:packets]:
        if sum(len(piece) for _, piece in expected) + len(entry[1]) > size:
            break
        expected.append(entry)
    with tempfile.TemporaryDirectory() as directory:
        merge = merged(Path(directory), bodies, Limits(bytes=size, packets=packets))
        assert (in_file(merge.output), merge.limit_reached) == (expected, len(expected) < len(truth))


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    """The SHA-256 is taken as the file is written, and fits it."""
    merge = merged(tmp_path, [records("a", [START_US, START_US + 5]), records("b", [START_US + 2])])
    assert merge.sha256 == hashlib.sha256(merge.output.read_bytes()).hexdigest()


def test_records_of_the_same_time_stand_in_the_order_of_their_sources(tmp_path: Path) -> None:
    """Ten thousand records of one microsecond from three parts: first all of the first part, as they came."""
    bodies = [records(f"s{place}", [START_US] * 10_000) for place in range(3)]
    merge = merged(tmp_path, bodies)
    assert (in_file(merge.output), merge.disordered) == (in_order(*bodies), False)


def test_a_single_part_comes_through_unchanged(tmp_path: Path) -> None:
    """With one source the result's records are the part's bytes."""
    body = records("a", range(START_US, START_US + 30_000), 100)
    merge = merged(tmp_path, [body])
    assert merge.output.read_bytes()[FILE_HEADER_BYTES:] == body


def test_no_packet_at_all_makes_an_empty_capture(tmp_path: Path) -> None:
    """Known absence is a result too: a capture of exactly its header."""
    merge = merged(tmp_path, [b"", b""])
    assert (merge.output.stat().st_size, in_file(merge.output)) == (FILE_HEADER_BYTES, [])


def test_a_record_larger_than_a_block_is_merged(tmp_path: Path) -> None:
    """The largest record there can be passes through the smallest blocks."""
    bodies = [record(START_US + place, bytes(262_000)) * 3 for place in range(2)]
    merge = merged(tmp_path, bodies)
    assert in_file(merge.output) == in_order(*bodies)


def test_nothing_is_written_before_every_source_has_come_so_far(tmp_path: Path) -> None:
    """While one of two sources is silent, no order is settled."""
    streams = streams_of(tmp_path, [records("a", [START_US]), b""], ended=False)
    streams[0].end()
    merge = Merge(tmp_path / "out", streams)
    assert (merge.step(), merge.packets) == (0, 0)
    streams[1].grow(FILE_HEADER_BYTES, through_us=START_US + 1)
    assert (merge.step() > 0, merge.packets) == (True, 1)


def test_of_a_growing_part_only_the_last_records_wait(tmp_path: Path) -> None:
    """Many blocks within one second: all but some hundreds of records are merged before the part ends."""
    body = records("a", range(START_US, START_US + 20_000), 200)
    stream = RecordStream("a:em1", 0, tmp_path / "part")
    stream.grow(write_part(stream.path, body))
    merge = Merge(tmp_path / "out", [stream])
    run(merge)
    assert (merge.packets >= 20_000 - 2_048, in_file(merge.output)) == (True, in_order(body)[: merge.packets])


def test_a_late_record_is_noticed_and_kept(tmp_path: Path) -> None:
    """A record older than what is written already does not get lost; the merge says that the order is broken."""
    body = records("a", [START_US, START_US + 10 * US, START_US + 20 * US])
    path = tmp_path / "part"
    stream = RecordStream("a:em1", 0, path)
    stream.grow(write_part(path, body))
    merge = Merge(tmp_path / "out", [stream])
    merge.step()
    body += record(START_US + 1, b"late")
    stream.grow(write_part(path, body))
    stream.end()
    run(merge)
    assert (merge.disordered, sorted(in_file(merge.output))) == (True, in_order(body))


def test_small_disorder_needs_no_second_pass(tmp_path: Path) -> None:
    """Stenographer's block order, where neighbours trade places, is put right on the way."""
    chaos = random.Random(7)
    shuffled = sorted(range(20_000), key=lambda n: n + chaos.randrange(100))
    body = records("a", [START_US + n for n in shuffled], 200)
    streams = streams_of(tmp_path, [body, records("b", range(START_US, START_US + 20_000, 3), 200)])
    merge = Merge(tmp_path / "out", streams)
    run(merge, 1 << 17)
    assert (merge.disordered, [time for time, _ in in_file(merge.output)]) == (
        False,
        sorted(time for time, _ in in_file(merge.output)),
    )


def test_great_disorder_is_sorted_in_bounded_runs(tmp_path: Path) -> None:
    """A part in reverse is cut into runs, which are gone afterwards, and comes out in order."""
    bodies = [records("a", range(START_US + 5_000, START_US, -1), 60), records("b", range(START_US, START_US + 900))]
    merge = merged(tmp_path, bodies)
    assert (in_file(merge.output), list(tmp_path.glob("*.run"))) == (in_order(*bodies), [])


@pytest.mark.parametrize("size", [0, 3_000])
def test_what_is_no_record_ends_the_part_with_the_good_ones_before(tmp_path: Path, size: int) -> None:
    """Garbage in a part costs what follows it, nothing else, and is told."""
    good = records("a", range(START_US, START_US + 40), size)
    other = records("b", range(START_US, START_US + 40, 2), size)
    streams = streams_of(tmp_path, [good + b"\xff" * 5_000, other])
    merge = Merge(tmp_path / "out", streams)
    run(merge)
    assert (in_file(merge.output), list(merge.faults)) == (in_order(good, other), ["s0:em1"])


def test_half_a_record_at_the_end_is_told(tmp_path: Path) -> None:
    """A part that ends inside a record gives its whole ones and the fault."""
    good = records("a", [START_US, START_US + 1])
    streams = streams_of(tmp_path, [good + record(START_US + 2, b"x" * 50)[:-1]])
    merge = Merge(tmp_path / "out", streams)
    run(merge)
    assert (in_file(merge.output), merge.faults) == (
        split(good),
        {"s0:em1": "the last packet came only in part"},
    )


def test_sixteen_parts_stay_within_32_mib(tmp_path: Path) -> None:
    """What the merge holds at any time does not grow with the parts: these have 42 MB in all."""
    bodies = [records(f"s{place}", range(START_US, START_US + 8_000), 300) for place in range(16)]
    streams = streams_of(tmp_path, bodies)
    del bodies
    tracemalloc.start()
    merge = Merge(tmp_path / "out", streams)
    run(merge, STEP_BYTES)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (merge.packets, most_bytes < 32 << 20) == (128_000, True)


def test_a_part_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path) -> None:
    """A part that vanished from the disk raises SpoolError, not OSError."""
    streams = streams_of(tmp_path, [records("a", [START_US])])
    streams[0].path.unlink()
    with pytest.raises(SpoolError):
        Merge(tmp_path / "out", streams).step()
