"""Following a stream: what two ends said to each other, put together by tshark. For the inspector.

tshark is asked once, for the bytes; text, hex and raw in both directions or one are made of those, so that a stream
is followed only once whatever is looked at.
"""

from __future__ import annotations

import base64
import os
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

import msgspec

from docket.domain.decoding import prepare
from docket.errors import DissectionError
from docket.spool.file_io import write_whole
from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.tshark_programs import tshark

PROTOCOLS = ("tcp", "udp", "tls", "http")
MOST_BYTES = 32_000_000
"""Of one stream; what lies behind is not shown, and the answer says so."""
MOST_SEGMENTS = 200_000
MOST_KEPT = 8
"""Streams of one result, beside its list."""
WALL_S = 300.0
MEMORY_BYTES = 1_500_000_000

_VALUE = re.compile(rb"^  (?:- |  )(peer|host|port|packet|timestamp): ?(.*)$")
_DATA = re.compile(rb"^      ([A-Za-z0-9+/]+={0,2})$")
_LOST = re.compile(rb"\[(\d+) bytes missing in capture file\]\0?")


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """What one packet, or one message, brought."""

    sender: int
    """0 or 1: which of the two nodes."""
    offset: int
    """Into the bytes of the stream, both directions together."""
    length: int
    packet: int = 0
    """That brought its last byte; from 1 on, 0 where it is not known."""
    time_us: int = 0
    lost: bool = False
    """The dissector's words for bytes that no packet brought."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as it is kept; its bytes lie beside it."""

    protocol: str
    number: int
    filter: str
    nodes: tuple[str, str]
    segments: tuple[Segment, ...]
    truncated: bool
    note: str

    def sizes(self) -> tuple[int, int]:
        """Bytes that each node sent."""
        first = sum(segment.length for segment in self.segments if segment.sender == 0)
        return first, sum(segment.length for segment in self.segments) - first


def missing_bytes(stream: Stream, data: bytes, senders: Sequence[int]) -> int:
    """How many bytes of these senders no packet brought, as the dissector counts them."""
    lost = (segment for segment in stream.segments if segment.lost and segment.sender in senders)
    found = (_LOST.fullmatch(data[segment.offset : segment.offset + segment.length]) for segment in lost)
    return sum(int(one[1]) for one in found if one)


def follow(
    capture: Capture, protocol: str, number: int, stop: Event, marks: array[int], cut: array[int] | None = None
) -> tuple[Stream, bytes]:
    """Put a stream together; of `cut`, packets with no other stream, it is the first one. Raises DissectionError."""
    stream_filter = f"{'udp' if protocol == 'udp' else 'tcp'}.stream eq {number}"
    arguments = ("-q", "-z", f"follow,{protocol},yaml,{number if cut is None else 0}")
    limits = Limits(WALL_S, WALL_S, MEMORY_BYTES, 2_000_000_000, nice=5 if cut is None else 0)
    reader = _Reader(cut)
    source = capture.reopen() if cut is None else -1
    try:
        child = SandboxedProcess(
            tshark(*capture.arguments, *arguments),
            limits,
            source if cut is None else capture.cut(cut, marks),
            stop=stop,
            readable=capture.readable,
        )
    finally:
        if source >= 0:
            os.close(source)
    with child:
        if all(reader.take(line) for line in child.lines()):
            child.finish()
            reader.complete()
    stream = Stream(
        protocol=protocol,
        number=number,
        filter=stream_filter,
        nodes=(reader.nodes[0], reader.nodes[1]),
        segments=tuple(reader.segments),
        truncated=reader.truncated,
        note="",
    )
    return stream, b"".join(reader.pieces)


class _Reader:
    """Reads the lines of `-z follow,…,yaml`: first both peers, then for each segment packet, peer, time and data."""

    def __init__(self, cut: array[int] | None) -> None:
        self.nodes = ["", ""]
        self.segments: list[Segment] = []
        self.pieces: list[bytes] = []
        self.truncated = False
        self._cut = cut
        self._values: dict[str, str] = {}
        self._data: list[bytes] = []
        self._size = 0

    def take(self, line: bytes) -> bool:
        """False: no further lines are wanted."""
        data = _DATA.match(line)
        if data:
            self._data.append(data[1])
            return True
        value = _VALUE.match(line)
        if value is None:
            return True
        name, text = value[1].decode(), value[2].decode("utf-8", "replace")[:200]
        if line.startswith(b"  - ") and not self.complete():
            return False
        self._values[name] = text
        if name == "port" and self._values.get("host"):
            self.nodes[self._number("peer") & 1] = f"{self._values['host']}:{text}"
        return True

    def complete(self) -> bool:
        """The segment whose lines have been read; False if there is no room for it."""
        values, self._values = self._values, {}
        encoded, self._data = b"".join(self._data), []
        if "packet" not in values:
            return True
        try:
            piece = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise DissectionError("it did not answer with bytes") from error
        if self._size + len(piece) > MOST_BYTES or len(self.segments) >= MOST_SEGMENTS:
            self.truncated = True
            return False
        packet, sender = int(values["packet"] or 0), int(values.get("peer") or 0) & 1
        if self._cut is not None and 1 <= packet <= len(self._cut):
            packet = self._cut[packet - 1]
        time_us = _micros(values.get("timestamp", ""))
        lost = _LOST.fullmatch(piece) is not None
        self.segments.append(Segment(sender, self._size, len(piece), packet, time_us, lost))
        self.pieces.append(piece)
        self._size += len(piece)
        return True

    def _number(self, name: str) -> int:
        text = self._values.get(name, "")
        return int(text) if text.isdigit() else 0


def _micros(text: str) -> int:
    """Of seconds since 1970 with a fraction; 0 for what is none."""
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 1_000_000 + int((fraction + "000000")[:6]) if (seconds + fraction).isdigit() else 0


def as_text(data: bytes) -> str:
    """Bytes as text: UTF-8 where all of it is, else as tshark shows them. What cannot be printed is a dot, but for the
    ends of lines."""
    if data.isascii():
        return data.translate(_PRINTABLE).decode("ascii")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.translate(_PRINTABLE).decode("ascii")
    return "".join(one if one.isprintable() or one in "\r\n" else "." for one in text)


def as_hex(data: bytes, offset: int) -> str:
    """Bytes as tshark dumps them; `offset` counts within what this sender has said."""
    lines = []
    for place in range(0, len(data), 16):
        row = data[place : place + 16]
        digits = " ".join(f"{byte:02x}" for byte in row[:8]) + "  " + " ".join(f"{byte:02x}" for byte in row[8:])
        text = row.translate(_DUMPABLE).decode("ascii")
        # tshark puts a blank after the eighth character, and takes one off the end of a line.
        spaced = f"{text[:8]} {text[8:]}" if len(text) >= 8 else text
        lines.append(f"{offset + place:08X}  {digits:<49} {spaced.removesuffix(' ')}")
    return "\n".join(lines)


def transcript(stream: Stream, data: bytes, form: str, senders: Sequence[int]) -> Iterator[str]:
    """The whole stream in the form `text` or `hex`, as `tshark -z follow` prints it, in pieces."""
    said = [0, 0]
    for segment in stream.segments:
        piece = data[segment.offset : segment.offset + segment.length]
        if segment.sender in senders:
            indent = "\t" if segment.sender else ""
            if form == "hex":
                dump = as_hex(piece, said[segment.sender])
                yield "".join(f"{indent}{line}\n" for line in dump.splitlines())
            else:
                yield f"{indent}{len(piece)}\n{as_text(piece)}\n"
        said[segment.sender] += segment.length


_DUMPABLE = bytes(byte if 0x20 <= byte <= 0x7E else 0x2E for byte in range(256))
_PRINTABLE = bytes(byte if byte in (0x0A, 0x0D) else _DUMPABLE[byte] for byte in range(256))


def read_stream(path: Path) -> Stream | None:
    """A stream that is kept; its bytes lie beside it. None where it is not."""
    try:
        return msgspec.msgpack.decode(path.with_suffix(".stream").read_bytes(), type=Stream)
    except (OSError, msgspec.DecodeError):
        return None


def write_stream(path: Path, stream: Stream, data: bytes) -> None:
    """Keep it in place of the oldest where there are many. Raises SpoolError."""
    kept = sorted(path.parent.glob("*-*.stream"), key=lambda old: old.stat().st_mtime_ns)
    for old in kept[: max(len(kept) + 1 - MOST_KEPT, 0)]:
        old.unlink(missing_ok=True)
        old.with_suffix(".bytes").unlink(missing_ok=True)
    write_whole(path.with_suffix(".bytes"), data)
    write_whole(path.with_suffix(".stream"), msgspec.msgpack.encode(stream))


prepare(Stream)
