"""A thousand captures that were broken on purpose: every one is answered, nothing hangs, no process stays.

Each is a handful of packets of the sample, mutated in its bytes, in its records or in its lengths, from a seed that
is its number. On a machine of one's own every tenth is tried; where CI is set, all of them.
"""

import os
import random
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from docket.domain.clock import Clock
from docket.packet.pcap import FILE_HEADER_BYTES, RECORD_HEADER, file_header, scan
from docket.spool.layout import Spool
from docket.workers.inspector.capture_index import CaptureIndex
from docket.workers.inspector.tasks import Gates
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.interface.scheduler import Scheduler
from tests.services import needs
from tests.workers.inspector.inspector_harness import Office
from tests.workers.inspector.processes import dissectors

CAPTURES = 1_000
CHUNK = 100
EVERY = 1 if os.environ.get("CI") else 10
MOST_PACKETS = 12

Frame = tuple[int, bytes, int]
"""Time, bytes, length on the wire."""


def mutated(frames: list[Frame], seed: int) -> bytes:
    """One broken capture."""
    chance = random.Random(seed)
    begin = chance.randrange(len(frames) - MOST_PACKETS)
    chosen = frames[begin : begin + chance.randrange(1, MOST_PACKETS)]
    mutate: Callable[[random.Random, Frame], Frame] = chance.choice([flipped, cut, grown, spliced, filled])
    linktype = chance.choice([1, 1, 1, 1, 1, 1, 101, 113, 127, 228])
    records = []
    for frame in chosen:
        time, data, wire = mutate(chance, frame) if chance.random() < 0.8 else frame
        records.append(RECORD_HEADER.pack(*divmod(time, 1_000_000), len(data), wire) + data)
    capture = file_header(linktype) + b"".join(records)
    if chance.random() < 0.15:  # also the file itself, as a full disk or a bad one leaves it
        place = chance.randrange(FILE_HEADER_BYTES, len(capture))
        damaged = bytearray(capture[: place if chance.random() < 0.5 else len(capture)])
        if len(damaged) > place:
            damaged[place] ^= 1 << chance.randrange(8)
        capture = bytes(damaged)
    return capture


def flipped(chance: random.Random, frame: Frame) -> Frame:
    """Some bits the other way round, where headers are likely to be."""
    time, data, wire = frame
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 12)):
        changed[int(len(changed) * chance.random() ** 2)] ^= 1 << chance.randrange(8)
    return time, bytes(changed), wire


def cut(chance: random.Random, frame: Frame) -> Frame:
    """Captured only in part."""
    time, data, wire = frame
    return time, data[: chance.randrange(1, len(data) + 1)], wire


def grown(chance: random.Random, frame: Frame) -> Frame:
    """Random bytes behind, and a length on the wire that is not true."""
    time, data, _ = frame
    return time, data + chance.randbytes(chance.randrange(1, 3_000)), chance.choice([0, 1, len(data), 2**31])


def spliced(chance: random.Random, frame: Frame) -> Frame:
    """A piece of itself in another place: nested layers, repeated options."""
    time, data, wire = frame
    begin, place = chance.randrange(len(data)), chance.randrange(len(data))
    piece = data[begin : begin + chance.randrange(1, 200)] * chance.randrange(1, 20)
    return time, data[:place] + piece + data[place:], wire


def filled(chance: random.Random, frame: Frame) -> Frame:
    """Lengths and counts at their extremes."""
    time, data, wire = frame
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        place = chance.randrange(max(len(changed) - 2, 1))
        changed[place : place + 2] = struct.pack("!H", chance.choice([0, 1, 0x7FFF, 0x8000, 0xFFFF]))
    return time, bytes(changed), wire


@pytest.fixture(scope="module")
def frames(sample: bytes) -> list[Frame]:
    timestamps, offsets, _ = scan(sample, FILE_HEADER_BYTES)
    found = []
    for place, time in enumerate(timestamps):
        record = sample[offsets[place] : offsets[place + 1]]
        found.append((time, record[16:], RECORD_HEADER.unpack_from(record)[3]))
    return found


@pytest.mark.parametrize("first", range(0, CAPTURES, CHUNK))
def test_each_is_surveyed_and_leaves_nothing(frames: list[Frame], tmp_path: Path, first: int) -> None:
    """Every capture gets its summary, and every packet of it its row, whatever is in them."""
    needs.program("tshark", "tshark")
    office = Office(tmp_path)
    gates = Gates(Scheduler(2), Scheduler(2))
    seeds = range(first, first + CHUNK, EVERY)

    def survey(seed: int) -> tuple[int, str, bool]:
        job = jobs[seed]
        capture_index = CaptureIndex(Spool(office.spool.path), Capture.open(office.spool, job.id), gates, Clock())
        summary = capture_index.survey(threading.Event())
        rows = capture_index.rows
        whole = rows is not None and rows.rows == summary.packets
        capture_index.close()
        return seed, summary.state, whole

    try:
        jobs = {seed: office.place(mutated(frames, seed), sound=False) for seed in seeds}
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(survey, seeds))
    finally:
        office.close()
    odd = [(seed, state) for seed, state, whole in found if state not in ("complete", "partial", "failed") or not whole]
    assert odd == []
    assert dissectors() == []


def test_service_answers_on(
    frames: list[Frame], office: Office, sample: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Between broken captures, announced on the bus and looked at in every way, the service goes on as before."""
    for seed in range(CAPTURES, CAPTURES + 12):
        job = office.place(mutated(frames, seed), sound=False)
        summary = office.inspected(job)
        assert summary.state in ("complete", "partial", "failed")
        if summary.packets:
            assert office.ask("packet", job.id, number=1)["bytes"] != []
            assert office.settled("packets", job.id, filter="frame")["rows"] != []
        for ask in ("transactions", "objects", "archive", "conversations", "stream", "transcript"):
            heading, _ = office.answer(ask, job.id, protocol="tcp", form="text")
            assert [fault.code for fault in heading.faults] in ([], ["not-dissected"]), heading
    assert "Traceback" not in caplog.text
    good = office.place(sample)
    assert office.inspected(good).state == "complete"
    assert dissectors() == []
