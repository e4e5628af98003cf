"""Packets decoded and held against a query, with tcpdump and the same filter on the same file in the same run."""

from __future__ import annotations

import random
import resource
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.figure import Figure, Report
from bench.harness import Stage
from docket.domain.query.canonical import parse
from docket.packet.decode import decode
from docket.packet.match import match
from docket.packet.occurring_values import occurring
from docket.packet.pcap import FILE_HEADER_BYTES, file_header
from docket.packet.records import Records, scan
from tests.services import frames
from tests.services.needs import program

PACKETS = 400_000
BLOCK_BYTES = 1 << 20
QUERIES = {
    "host 10.1.2.3 and port 443": "(ip host 10.1.2.3) and (tcp port 443 or udp port 443)",
    "net 10.0.0.0/8 and udp": "(ip net 10.0.0.0/8) and (udp or ip6 proto 17)",
}
"""As Docket reads it, and as tcpdump says the same of packets without tags."""
BAR_US, GOAL_US = 0.6, 0.3
INDEX_BAR_US, INDEX_GOAL_US = 2.5, 1.09
"""400,000 and 920,000 packets a second."""


def measure(stage: Stage, runs: int) -> Report:
    """Each run: reading alone, reading and filtering, and tcpdump on the same file, which is warm."""
    tcpdump = program("tcpdump", "tcpdump")
    capture = _capture(stage.scratch() / "mixed.pcap")
    size_mb = capture.stat().st_size / 1e6
    what = f"{PACKETS:,} packets, {size_mb:.0f} MB"
    figures = [_filtering(tcpdump, capture, text, runs, what) for text in QUERIES]
    indexed = [_per_packet(lambda: _values(capture)) for _ in range(runs)]
    title = f"all values of a capture for an index, {what}"
    figures.append(Figure(title, "µs of processor per packet", tuple(indexed), bar=INDEX_BAR_US, stretch=INDEX_GOAL_US))
    return Report(tuple(figures))


def _filtering(tcpdump: str, capture: Path, text: str, runs: int, what: str) -> Figure:
    read, filtered, theirs = [], [], []
    for _ in range(runs):
        read.append(_per_packet(lambda: _read(capture)))
        filtered.append(_per_packet(lambda: _filter(capture, text)))
        theirs.append(_per_packet(lambda: _tcpdump(tcpdump, capture, QUERIES[text])))
    if _filter(capture, text) != _tcpdump(tcpdump, capture, QUERIES[text]):
        raise RuntimeError(f"tcpdump found other packets for {text}")
    beyond = tuple(with_filter - without for with_filter, without in zip(filtered, read, strict=True))
    title = f"exact filter `{text}` beyond reading, {what}"
    return Figure(
        title, "µs of processor per packet", beyond, "tcpdump, reading too", tuple(theirs), bar=BAR_US, stretch=GOAL_US
    )


def _per_packet(work: Callable[[], object]) -> float:
    """Processor time of this process and of the program that it ran: other work on the machine does not count."""
    began_s = _processor_s()
    work()
    return (_processor_s() - began_s) / PACKETS * 1e6


def _processor_s() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _blocks(capture: Path) -> Iterator[tuple[bytes, Records]]:
    """The whole records of the file, block by block."""
    with capture.open("rb") as file:
        file.seek(FILE_HEADER_BYTES)
        rest = b""
        while data := file.read(BLOCK_BYTES):
            block = rest + data
            scanned = scan(block)
            yield block, scanned.records
            rest = block[scanned.end :]


def _read(capture: Path) -> int:
    return sum(len(records) for _, records in _blocks(capture))


def _filter(capture: Path, text: str) -> int:
    root = parse(text).root
    return sum(int(match(decode(block, records), root).mask.sum()) for block, records in _blocks(capture))


def _values(capture: Path) -> int:
    return sum(found.records.size for block, records in _blocks(capture) for found in occurring(decode(block, records)))


def _tcpdump(tcpdump: str, capture: Path, text: str) -> int:
    command = [tcpdump, "-n", "-r", str(capture), "-w", "-", text]
    written = subprocess.run(command, capture_output=True, check=True).stdout
    return len(scan(written, start=FILE_HEADER_BYTES).records)


def _capture(path: Path) -> Path:
    """TCP and UDP of both versions of IP among a thousand hosts; every twentieth packet is in a VXLAN tunnel."""
    chance = random.Random(1)
    some = [_frame(chance) for _ in range(5_000)]
    time_us = 1_700_000_000_000_000
    with path.open("wb") as file:
        file.write(file_header())
        for _ in range(PACKETS):
            time_us += chance.randrange(1, 20)
            frame = chance.choice(some)
            file.write(struct.pack("<IIII", *divmod(time_us, 1_000_000), len(frame), len(frame)) + frame)
    return path


def _frame(chance: random.Random) -> bytes:
    if chance.random() < 0.05:
        tunnel = frames.udp("10.8.0.1", "10.8.0.2", (40001, 4789), bytes([8, 0, 0, 0, 0, 0, 7, 0]) + _frame(chance))
        return _framed(frames.ip("10.8.0.1", "10.8.0.2", frames.UDP, tunnel))
    sixth = chance.random() < 0.2
    one, other = (f"2001:db8::{n:x}" if sixth else f"10.1.{n >> 8}.{n & 255}" for n in chance.choices(range(1024), k=2))
    ports = (chance.randrange(1024, 65_536), chance.choice((53, 80, 443, 8080)))
    payload = chance.randbytes(chance.choice((0, 0, 20, 60, 200, 600, 1400)))
    if chance.random() < 0.3:
        return _framed(frames.ip(one, other, frames.UDP, frames.udp(one, other, ports, payload)))
    return _framed(frames.ip(one, other, frames.TCP, frames.tcp(one, other, ports, payload)))


def _framed(packet: bytes) -> bytes:
    return frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)
