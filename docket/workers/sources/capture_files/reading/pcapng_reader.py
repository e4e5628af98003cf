"""Reads pcapng: several sections of either byte order, interfaces with clocks, link types and offsets of their own.

Blocks that hold no packets are passed over, whatever their length. The format is that of
draft-ietf-opsawg-pcapng; what Wireshark takes for damage is damage here too.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator

import numpy as np

from docket.packet.octets import Integers, Mask, Wide, bytes_of, distinct, sliding
from docket.packet.records import LARGEST_RECORD_BYTES as _LARGEST
from docket.packet.records import ByteOrder, Records
from docket.workers.sources.capture_files.reading.byte_stream import ByteStream
from docket.workers.sources.capture_files.reading.interfaces import Interface, dropped, parse_interface
from docket.workers.sources.capture_files.reading.record_block import FileEnd, RecordBlock, Stretch, extent_of

_SECTION = 0x0A0D_0D0A
_INTERFACE, _OLD_PACKET, _SIMPLE, _STATISTICS, _PACKET = 1, 2, 3, 5, 6
_TELLING = frozenset((_SECTION, _INTERFACE, _STATISTICS))
_HOLDING_PACKETS = frozenset((_PACKET, _OLD_PACKET, _SIMPLE))
_BYTE_ORDERS: dict[bytes, ByteOrder] = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_LARGEST_KEPT_BYTES = 16 * 1024 * 1024
"""A block that must be read whole; Wireshark takes no longer ones."""
_PACKET_DATA_AT = 28


class _Damage(Exception):
    """At an offset of the data that are being looked at."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


class PcapngReader:
    """`stream` stands at a section header; or at a block, with the blocks in force there as `prologue`."""

    def __init__(self, stream: ByteStream, length_bytes: int | None = None, prologue: bytes = b"") -> None:
        self.end = FileEnd()
        self.finest_nanoseconds = False
        self._stream = stream
        self._stretch = Stretch(stream, length_bytes)
        self._order: ByteOrder = "<"
        self._interfaces: list[Interface] = []
        self._prologue: list[bytes] = []
        self._prologue_bytes = 0
        if prologue:
            for _ in self._blocks_of(prologue, 0):
                pass

    def blocks(self) -> Iterator[RecordBlock]:
        """The packets; see `CaptureReader`."""
        rest = b""
        while chunk := self._stretch.read():
            data = rest + chunk if rest else chunk
            base = self._stream.position - len(data)
            try:
                end = yield from self._blocks_of(data, base)
            except _Damage as damage:
                self.end.fault = f"at byte {base + damage.at:,} {damage}"
                return
            if end > len(data):
                self._stretch.skip(end - len(data))
                end = len(data)
            rest = data[end:]
        self._finish(rest)

    def _finish(self, rest: bytes) -> None:
        stream, end = self._stream, self.end
        if stream.fault:
            end.fault = end.fault or stream.fault
        elif rest and not rest.strip(b"\0"):
            end.fault = f"there are zeros instead of packets from byte {stream.position - len(rest):,} on"
        elif rest or stream.ended_early:
            what = "of a block" if rest else "of its compressed data"
            end.unfinished = f"it ends in the middle {what}, after {stream.position:,} bytes"
            end.unfinished_us = self._time_us(rest)

    def _time_us(self, rest: bytes) -> int | None:
        if len(rest) < 20:
            return None
        kind, _, number, high, low = struct.unpack_from(self._order + "IIIII", rest)
        if kind != _PACKET or number >= len(self._interfaces):
            return None
        ticks = np.array([high << 32 | low], dtype=np.uint64)
        return int(self._interfaces[number].time_ns(ticks)[0]) // 1000

    def _blocks_of(self, data: bytes, base: int) -> Generator[RecordBlock, None, int]:
        """The packets of whole blocks. Returns where the rest begins, which may be behind the data: something to
        pass over. Raises _Damage."""
        at = 0
        while True:
            places, at, stopped = self._chain(data, at)
            if places:
                yield from self._packets(data, np.array(places, dtype=np.int64), base)
            if not stopped:
                return at
            if stopped == "damage":
                raise _Damage(at, "there is no block" if data[at : at + 12].strip(b"\0") else "there are zeros")
            length = self._other(data, at)
            if length is None:
                return at
            at += length

    def _chain(self, data: bytes, at: int) -> tuple[list[int], int, str]:
        """Offsets of the packet blocks from here on, up to a block of another kind that says something."""
        unpack = struct.Struct(self._order + "II").unpack_from
        places: list[int] = []
        size = len(data)
        while at + 12 <= size:
            kind, length = unpack(data, at)
            if kind in _TELLING:
                return places, at, "other"
            if length < 12 or length & 3:
                return places, at, "damage"
            if kind in _HOLDING_PACKETS:
                if length > _LARGEST_KEPT_BYTES:
                    return places, at, "damage"
                if at + length > size:
                    break
                places.append(at)
            elif kind == 0:
                return places, at, "damage"
            at += length
        return places, at, ""

    def _other(self, data: bytes, at: int) -> int | None:
        """Take in a block that is no packet; gives its length, or None if it is not whole. Raises _Damage."""
        kind = int.from_bytes(data[at : at + 4], "little")
        if kind == _SECTION:
            self._begin_section(data, at)
        (length,) = struct.unpack_from(self._order + "I", data, at + 4)
        if length < 20 or length & 3 or length > _LARGEST_KEPT_BYTES:
            raise _Damage(at, "a block has no sensible length")
        if at + length > len(data):
            return None
        block = data[at : at + length]
        if kind == _SECTION:
            self._interfaces, self._prologue, self._prologue_bytes = [], [], 0
            self.end.sections += 1
            self._keep(block, at)
        elif struct.unpack_from(self._order + "I", block)[0] == _INTERFACE:
            found = parse_interface(block[8:-4], self._order)
            self._interfaces.append(found)
            self._keep(block, at)
            self.finest_nanoseconds = self.finest_nanoseconds or found.nanoseconds
        else:
            number, lost = dropped(block[8:-4], self._order)
            if number < len(self._interfaces) and (lost or self.end.drops.get((self.end.sections, number))):
                self.end.drops[self.end.sections, number] = lost
        return int(length)

    def _keep(self, block: bytes, at: int) -> None:
        """Note a block that what follows cannot be read without. Raises _Damage where they are too many."""
        self._prologue.append(block)
        self._prologue_bytes += len(block)
        if self._prologue_bytes > _LARGEST_KEPT_BYTES:
            raise _Damage(at, f"the descriptions of interfaces take more than {_LARGEST_KEPT_BYTES >> 20} MiB")

    def _prologue_here(self) -> bytes:
        if len(self._prologue) > 1:
            self._prologue = [b"".join(self._prologue)]
        return self._prologue[0] if self._prologue else b""

    def _begin_section(self, data: bytes, at: int) -> None:
        order = _BYTE_ORDERS.get(data[at + 8 : at + 12])
        if order is None:
            raise _Damage(at, "a section has no order of bytes")
        self._order = order

    def _packets(self, data: bytes, places: Integers, base: int) -> Iterator[RecordBlock]:
        """Raises _Damage behind the good ones."""
        u4 = sliding(bytes_of(data), self._order + "u4")
        lengths = u4[places + 4].astype(np.int64)
        end = int(places[-1] + lengths[-1])
        bad = u4[places + lengths - 4] != lengths
        simple = u4[places] == _SIMPLE
        bad |= ~simple & (lengths < _PACKET_DATA_AT + 4)
        first_bad, damage = _first(bad), None
        if first_bad is not None:
            damage = _Damage(int(places[first_bad]), "a block ends otherwise than it begins")
            places, lengths, simple = places[:first_bad], lengths[:first_bad], simple[:first_bad]
        self.end.undated += int(simple.sum())
        places, lengths = places[~simple], lengths[~simple]
        old = u4[places] == _OLD_PACKET
        interface = u4[places + 8].astype(np.int64)
        if old.any():
            interface[old] = sliding(bytes_of(data), self._order + "u2")[places[old] + 8]
        captured = u4[places + 20].astype(np.int64)
        first_bad = _first(
            (interface >= len(self._interfaces)) | (captured > lengths - _PACKET_DATA_AT - 4) | (captured > _LARGEST)
        )
        if first_bad is not None:
            damage = _Damage(int(places[first_bad]), "a packet does not fit into its block, or names no interface")
            places, interface, captured = places[:first_bad], interface[:first_bad], captured[:first_bad]
        if places.size:
            ticks = u4[places + 12].astype(np.uint64) << np.uint64(32) | u4[places + 16]
            original = u4[places + 24].astype(np.int64)
            records = Records(places + _PACKET_DATA_AT, captured, original, self._times(interface, ticks))
            extent = extent_of(self._stream, base + int(places[0]), end - int(places[0]), self._prologue_here())
            for linktype, nanoseconds, chosen in self._by_link_type(interface):
                yield RecordBlock(data, records.chosen(chosen), linktype, nanoseconds, False, extent, base)
        if damage is not None:
            raise damage

    def _times(self, interface: Integers, ticks: Wide) -> Integers:
        numbers = distinct(interface)
        if numbers.size == 1:
            return self._interfaces[int(numbers[0])].time_ns(ticks)
        times = np.zeros(ticks.size, dtype=np.int64)
        for number in numbers:
            chosen = interface == number
            times[chosen] = self._interfaces[int(number)].time_ns(ticks[chosen])
        return times

    def _by_link_type(self, interface: Integers) -> Iterator[tuple[int, bool, Mask | slice]]:
        """Link type, whether some clock is fine, and which packets."""
        used = [(int(number), self._interfaces[int(number)]) for number in distinct(interface)]
        types = {one.linktype for _, one in used}
        fine = any(one.nanoseconds for _, one in used)
        if len(types) == 1:
            yield types.pop(), fine, slice(None)
            return
        for linktype in sorted(types):
            yield linktype, fine, np.isin(interface, [number for number, one in used if one.linktype == linktype])


def _first(flags: Mask) -> int | None:
    """Index of the first one that is set."""
    return int(np.argmax(flags)) if flags.any() else None
