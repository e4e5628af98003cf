"""Show the sample traffic as that of the last hour, in rotated files as dumpcap leaves them. For `docket run --demo`.

Conversations are spread over the hour; inside a conversation the packets keep their distances, and what both
interfaces saw of it keeps the same times.
"""

import os
import struct
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from docket.packet.pcap import FILE_HEADER_BYTES, RECORD_HEADER, file_header, scan

INTERFACES = ("em1", "em2")

_US_PER_S = 1_000_000
_BEGIN_US = 3_590 * _US_PER_S
"""The first packet, before now: a little less than an hour, so that "the last hour" finds it when asked soon."""
_END_US = 60 * _US_PER_S
_FILE_US = 600 * _US_PER_S
_PAUSE_US = 2 * _US_PER_S
"""After a silence this long, packets between the same ends are a conversation of their own."""

_IPV4, _ARP, _IPV6 = b"\x08\x00", b"\x08\x06", b"\x86\xdd"
_VLAN = b"\x81\x00"
_TCP, _UDP = 6, 17
_VXLAN_PORT = 4789
_PORTS = struct.Struct("!HH")


class _Packet(NamedTuple):
    time_us: int
    interface: str
    record: bytes
    """Header and frame."""


def place_demo(directory: Path, now_us: int) -> list[tuple[str, Path]]:
    """Write the sample below the directory as traffic from an hour to a minute before now_us (µs since 1970).

    Each interface gets a directory of its name with one file per ten minutes. Gives (source name, file) pairs, such
    as ("demo:em1", directory / "em1" / "em1_00001_20261124140000.pcap"). Raises OSError if it cannot write.
    """
    return place_between(directory, now_us - _BEGIN_US, now_us - _END_US, first_number=1)


def place_between(directory: Path, begin_us: int, end_us: int, *, first_number: int) -> list[tuple[str, Path]]:
    """The same, with the first packet at begin_us and the last conversation begun by end_us (µs since 1970).

    Files are numbered from first_number on.
    """
    heard = sorted((packet for name in INTERFACES for packet in _read(name)), key=lambda packet: packet.time_us)
    placed: dict[str, list[tuple[int, bytes]]] = {name: [] for name in INTERFACES}
    for time_us, packet in zip(_spread(heard, begin_us, end_us), heard, strict=True):
        placed[packet.interface].append((time_us, packet.record))
    written = []
    for name, packets in placed.items():
        packets.sort(key=lambda packet: packet[0])
        written += [(f"demo:{name}", path) for path in _write(directory / name, name, packets, first_number)]
    return written


def _read(interface: str) -> Iterable[_Packet]:
    content = (Path(__file__).parent / f"{interface}.pcap").read_bytes()
    times, places, _ = scan(content, FILE_HEADER_BYTES)
    for index, time_us in enumerate(times):
        yield _Packet(time_us, interface, content[places[index] : places[index + 1]])


def _spread(packets: list[_Packet], begin_us: int, end_us: int) -> Iterable[int]:
    """Give each packet its new time; the packets are those of all interfaces, in the order of their times."""
    first_us, last_us = packets[0].time_us, packets[-1].time_us
    stretch = (end_us - begin_us) / max(1, last_us - first_us)
    began: dict[tuple[object, ...], int] = {}
    latest: dict[tuple[object, ...], int] = defaultdict(lambda: -_PAUSE_US)
    for packet in packets:
        ends = _ends(packet.record[RECORD_HEADER.size :])
        if packet.time_us - latest[ends] > _PAUSE_US:
            began[ends] = packet.time_us
        latest[ends] = packet.time_us
        start_us = began[ends]
        yield begin_us + int((start_us - first_us) * stretch) + packet.time_us - start_us


def _ends(frame: bytes) -> tuple[object, ...]:
    """Tell the conversation of a packet, the same in both directions and with or without a VLAN tag."""
    kind, packet = (frame[16:18], frame[18:]) if frame[12:14] == _VLAN else (frame[12:14], frame[14:])
    if kind == _IPV4:
        protocol, hosts, payload = packet[9], (packet[12:16], packet[16:20]), packet[(packet[0] & 15) * 4 :]
        whole = not int.from_bytes(packet[6:8]) & 0x3FFF
    elif kind == _IPV6:
        protocol, hosts, payload = packet[6], (packet[8:24], packet[24:40]), packet[40:]
        whole = True
    elif kind == _ARP:
        return (kind, frozenset((packet[14:18], packet[24:28])))
    else:
        return (kind, frozenset((frame[:6], frame[6:12])))
    if protocol in (_TCP, _UDP) and whole:
        ports = _PORTS.unpack_from(payload)
        # The two directions of a tunnel have ports that do not mirror each other.
        if _VXLAN_PORT not in ports:
            return (protocol, frozenset(zip(hosts, ports, strict=True)))
    return (protocol, frozenset(hosts))


def _write(directory: Path, interface: str, packets: list[tuple[int, bytes]], first_number: int) -> list[Path]:
    """Write packets into one file per ten minutes, with strictly ascending times."""
    directory.mkdir(parents=True, exist_ok=True)
    files: dict[int, list[bytes]] = {}
    ends_us: dict[int, int] = {}
    begin_us = packets[0][0]
    last_us = begin_us - 1
    for placed_us, record in packets:
        last_us = max(placed_us, last_us + 1)
        number = (last_us - begin_us) // _FILE_US
        _, _, length, wire_length = RECORD_HEADER.unpack_from(record)
        header = RECORD_HEADER.pack(*divmod(last_us, _US_PER_S), length, wire_length)
        files.setdefault(number, []).append(header + record[RECORD_HEADER.size :])
        ends_us[number] = last_us
    written = []
    for place, (number, records) in enumerate(files.items(), start=first_number):
        begun = time.strftime("%Y%m%d%H%M%S", time.gmtime((begin_us + number * _FILE_US) // _US_PER_S))
        path = directory / f"{interface}_{place:05}_{begun}.pcap"
        path.write_bytes(b"".join((file_header(), *records)))
        # As dumpcap would have left it: last touched when its last packet came.
        os.utime(path, ns=(ends_us[number] * 1000, ends_us[number] * 1000))
        written.append(path)
    return written
