"""Figures of the recorder for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

PACKETS = Counter("docket_record_packets", "Packets that the kernel gave to the recorder.", ["interface"])
DROPPED = Counter("docket_record_dropped_packets", "Packets that found no room in the kernel's buffer.", ["interface"])
RING_BYTES = Gauge("docket_record_ring_bytes", "What the files of the ring take up.", ["interface"])
RING_MAX_BYTES = Gauge("docket_record_ring_max_bytes", "The bound of the ring.", ["interface"])
REMOVED_FILES = Counter("docket_record_removed_files", "Files that left the ring.", ["interface"])
RECORDING = Gauge("docket_record_recording", "1 while the interface is recorded.", ["interface"])


def begin(interface: str) -> None:
    """Every series begins with 0: Prometheus sees no increase in one that was not there."""
    for family in (PACKETS, DROPPED, REMOVED_FILES):
        family.labels(interface)
    for gauge in (RING_BYTES, RECORDING):
        gauge.labels(interface)
