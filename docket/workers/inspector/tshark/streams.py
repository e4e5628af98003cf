"""Following a stream: what two ends said to each other, put together by tshark. For the inspector.

tshark is asked once, for the bytes; text, hex and raw in both directions or one are made of those, so that a stream
is followed only once whatever is looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from threading import Event

import msgspec

from docket.errors import DissectionError
from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from docket.workers.inspector.tshark.programs import tshark
from docket.workers.inspector.tshark.result_capture import Capture

PROTOCOLS = ("tcp", "udp", "tls", "http")
MOST_BYTES = 32_000_000
"""Of one stream; what lies behind is not shown, and the answer says so."""
MOST_SEGMENTS = 200_000
WALL_S = 300.0
MEMORY_BYTES = 1_500_000_000

_NODE = re.compile(rb"^Node ([01]): (.*)$")
_END = b"=" * 20
_HEX = re.compile(rb"\t?[0-9a-f]*")


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """What one packet, or one message, brought."""

    sender: int
    """0 or 1: which of the two nodes."""
    offset: int
    """Into the bytes of the stream, both directions together."""
    length: int


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


def follow(capture: Capture, protocol: str, number: int, stop: Event) -> tuple[Stream, bytes]:
    """Put a stream together. Raises DissectionError."""
    source = capture.reopen()
    arguments = ("-q", "-z", f"follow,{protocol},raw,{number}")
    # Twice the bytes as hex digits, and some more for the ends of lines.
    limits = Limits(WALL_S, WALL_S, MEMORY_BYTES, 2_000_000_000)
    reader = _Reader()
    try:
        child = SandboxedProcess(tshark(*arguments), limits, source, stop=stop)
    finally:
        os.close(source)
    with child:
        for line in child.lines(longest=2 * MOST_BYTES):
            if not reader.take(line):
                break
        else:
            child.finish()
    stream = Stream(
        protocol=protocol,
        number=number,
        filter=reader.filter or f"{'udp' if protocol == 'udp' else 'tcp'}.stream eq {number}",
        nodes=(reader.nodes[0], reader.nodes[1]),
        segments=tuple(reader.segments),
        truncated=reader.truncated,
        note="",
    )
    return stream, b"".join(reader.pieces)


class _Reader:
    """Reads the lines of `-z follow,…,raw`."""

    def __init__(self) -> None:
        self.nodes = ["", ""]
        self.filter = ""
        self.segments: list[Segment] = []
        self.pieces: list[bytes] = []
        self.truncated = False
        self._size = 0
        self._begun = False

    def take(self, line: bytes) -> bool:
        """False: no further lines are wanted."""
        if not self._begun:
            self._head(line)
            return True
        if line.startswith(_END):
            return False
        if not _HEX.fullmatch(line) or len(line.lstrip(b"\t")) % 2:
            raise DissectionError("it did not answer with bytes")
        piece = bytes.fromhex(line.lstrip(b"\t").decode())
        if self._size + len(piece) > MOST_BYTES or len(self.segments) >= MOST_SEGMENTS:
            self.truncated = True
            return False
        self.segments.append(Segment(int(line.startswith(b"\t")), self._size, len(piece)))
        self.pieces.append(piece)
        self._size += len(piece)
        return True

    def _head(self, line: bytes) -> None:
        node = _NODE.match(line)
        if node:
            address = node[2].decode("utf-8", "replace")[:200]
            self.nodes[int(node[1])] = "" if address == ":0" else address
            self._begun = node[1] == b"1"
        elif line.startswith(b"Filter: "):
            self.filter = line[8:].decode("utf-8", "replace")[:200]


def as_text(data: bytes) -> str:
    """Bytes as tshark shows them as text: what cannot be printed is a dot, but for the ends of lines."""
    return data.translate(_PRINTABLE).decode("ascii")


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
