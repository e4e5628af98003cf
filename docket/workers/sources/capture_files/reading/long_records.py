"""Finds the records of rare classic captures: record headers of 24 bytes, or the two lengths swapped. Pure."""

from __future__ import annotations

import struct

import numpy as np

from docket.domain.timewindow import NS_PER_S
from docket.packet.records import LARGEST_RECORD_BYTES, NO_RECORDS, Records, Scanned
from docket.workers.sources.capture_files.formats import Classic


def scan_long(data: bytes, form: Classic) -> Scanned:
    """As `records.scan`, one record at a time."""
    unpack = struct.Struct(form.byte_order + "IIII").unpack_from
    found: list[tuple[int, int, int, int]] = []
    at, size, damaged_at = 0, len(data), None
    per_fraction = 1 if form.nanoseconds else 1000
    while at + form.record_header_bytes <= size:
        seconds, fraction, captured, original = unpack(data, at)
        if form.swapped_lengths == "yes" or (form.swapped_lengths == "maybe" and captured > original):
            captured, original = original, captured
        if captured > LARGEST_RECORD_BYTES:
            damaged_at = at
            break
        data_at = at + form.record_header_bytes
        if data_at + captured > size:
            break
        found.append((data_at, captured, original, seconds * NS_PER_S + fraction * per_fraction))
        at = data_at + captured
    if not found:
        return Scanned(NO_RECORDS, at, damaged_at)
    columns = np.array(found, dtype=np.int64)
    return Scanned(Records(columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3]), at, damaged_at)
