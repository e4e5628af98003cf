"""The merge of two finished parts against mergecap on the same files, with their SHA-256 as the collector takes it."""

import random
import struct
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from bench.figure import Figure, Judged, Report
from bench.harness import Stage
from docket.packet.pcap import FILE_HEADER_BYTES, file_header, scan
from docket.workers.collector.merge import Merge, ResultShape
from docket.workers.collector.record_stream import RecordStream
from tests.services.needs import program

PACKETS = 400_000
BLOCK_PACKETS = 10_000


def measure(stage: Stage, runs: int) -> Report:
    """Each run: the same two parts merged by both."""
    mergecap = program("mergecap", "wireshark-common")
    place = stage.scratch()
    parts = [_part(place / f"em{number}.pcap", number) for number in (1, 2)]
    size_mb = sum(part.stat().st_size for part in parts) / 1e6
    theirs, ours = [], []
    for _ in range(runs):
        theirs.append(_seconds(lambda: _mergecap(mergecap, parts, place / "theirs.pcap")))
        ours.append(_seconds(lambda: _docket(parts, place / "ours.pcap")))
    if _records(place / "ours.pcap") != _records(place / "theirs.pcap"):
        raise RuntimeError("the two merges gave different packets")
    what = f"merge of two finished parts with its hash, {size_mb:.0f} MB, {2 * PACKETS:,} packets"
    return Report((Figure(what, "s", tuple(ours), "mergecap and sha256sum", tuple(theirs), Judged.RATIO),))


def _part(path: Path, seed: int) -> Path:
    """A part whose packets alternate closely with those of the other one, which is the hardest case."""
    chance = random.Random(seed)
    bodies = [chance.randbytes(size) for size in (60, 60, 90, 200, 590, 1514)]
    time_us = 1_700_000_000_000_000
    with path.open("wb") as file:
        file.write(file_header())
        for _ in range(0, PACKETS, BLOCK_PACKETS):
            block = []
            for _ in range(BLOCK_PACKETS):
                time_us += chance.randrange(1, 20)
                body = chance.choice(bodies)
                block.append(struct.pack("<IIII", *divmod(time_us, 1_000_000), len(body), len(body)) + body)
            file.write(b"".join(block))
    return path


def _docket(parts: list[Path], output: Path) -> None:
    streams = [_stream(part, place) for place, part in enumerate(parts)]
    # With the list of every packet's source, as the result of two sources has it.
    merge = Merge(output, streams, shape=ResultShape(origin_bytes=1))
    while not merge.done:
        merge.step()
    merge.close()


def _stream(part: Path, place: int) -> RecordStream:
    stream = RecordStream(f"bench:em{place}", place, part, origin=place)
    stream.grow(part.stat().st_size)
    stream.end()
    return stream


def _mergecap(program_path: str, parts: list[Path], output: Path) -> None:
    subprocess.run([program_path, "-F", "pcap", "-w", output, *parts], check=True)
    subprocess.run(["sha256sum", output], check=True, stdout=subprocess.DEVNULL)


def _seconds(work: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _records(path: Path) -> list[bytes]:
    """All records; sorted, since the two order records of the same microsecond differently."""
    content = path.read_bytes()
    _, offsets, _ = scan(content, FILE_HEADER_BYTES)
    return sorted(content[start:end] for start, end in pairwise(offsets))
