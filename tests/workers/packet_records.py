"""Packet records made by hand, and what a capture file holds. For tests of merge and collector."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from docket.packet.pcap import FILE_HEADER_BYTES, RECORD_HEADER, file_header, parse_file_header, scan

US = 1_000_000
START_US = 1_795_528_920 * US
"""2026-11-24T14:02:00Z."""


def record(time_us: int, body: bytes) -> bytes:
    return RECORD_HEADER.pack(time_us // US, time_us % US, len(body), len(body)) + body


def records(source: str, times_us: Iterable[int], size_bytes: int = 0) -> bytes:
    """One record per time; the body names source and rank, so that every record is one of a kind."""
    return b"".join(record(time, f"{source}#{n}".encode().ljust(size_bytes)) for n, time in enumerate(times_us))


def split(body: bytes) -> list[tuple[int, bytes]]:
    """The records of a run: (time, whole record) each."""
    times, offsets, end = scan(body, 0)
    assert end == len(body)
    return [(time, body[offsets[i] : offsets[i + 1]]) for i, time in enumerate(times)]


def in_file(path: Path) -> list[tuple[int, bytes]]:
    """The records of a capture file, whose header must be one of ours."""
    data = path.read_bytes()
    assert parse_file_header(data).native
    return split(data[FILE_HEADER_BYTES:])


def in_order(*parts: bytes) -> list[tuple[int, bytes]]:
    """The truth: every record of every part, by time, then by the part's place, then as they came."""
    ranked = [
        (time, place, n, record) for place, body in enumerate(parts) for n, (time, record) in enumerate(split(body))
    ]
    return [(time, record) for time, _, _, record in sorted(ranked, key=lambda entry: entry[:3])]


def write_part(path: Path, body: bytes) -> int:
    """Make a part file; returns its size."""
    return path.write_bytes(file_header() + body)
