"""What a stand-in for stenographer sends when it is told to: good answers, and every way of a bad one.

A script is a function from `Asked` to the pieces of the answer. Each piece goes out at once as one HTTP chunk.
Raising `Break` in it breaks the connection; returning ends the answer like a good one.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from docket.packet.pcap import file_header
from tests.faults.packets import Packet, record


class Break(Exception):
    """Raised by a script to break the connection here; `reset` sends a TCP reset in place of an orderly end."""

    def __init__(self, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


@dataclass(frozen=True, slots=True)
class ApiError:
    """Given back by a script in place of pieces: a whole answer with this status."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """One query as it came: its text and headers, the packets that the real one would send, and who asks."""

    text: str
    headers: dict[str, str]
    packets: Sequence[Packet]
    gone: Callable[[], bool]
    """Whether the asker has left, or the stand-in is being closed."""


Script = Callable[[Asked], Iterable[bytes] | ApiError]


def serve(asked: Asked) -> Iterator[bytes]:
    """What the real one does: header, matching packets in order, normal end; limits of the headers are kept."""
    yield file_header(snaplen=65536)
    limits = {name: int(value) for name, value in asked.headers.items() if name.startswith("steno-limit-")}
    packets, size = 0, 0
    for packet in asked.packets:
        yield record(packet)
        packets, size = packets + 1, size + len(packet.data)
        if packets >= limits.get("steno-limit-packets", 1 << 62) or size >= limits.get("steno-limit-bytes", 1 << 62):
            return


def status(code: int, text: str = "could not parse query\n") -> Script:
    """An error with a text, as Go's http.Error writes it."""
    return lambda _asked: ApiError(code, text)


def web_page(_asked: Asked) -> ApiError:
    """Somebody else's web page, with status 200."""
    return ApiError(200, "<html><body><h1>Log in</h1></body></html>", "text/html")


def clean_end(after: int) -> Script:
    """A normal end after so many packets, as if that were all."""
    return lambda asked: itertools.islice(serve(asked), after + 1)


def once(script: Script) -> Script:
    """The script for the first query, and good answers to all later ones."""
    turns = itertools.chain([script], itertools.repeat(serve))
    return lambda asked: next(turns)(asked)


def half_record(after: int) -> Script:
    """So many packets, or all if there are fewer, half a record, and then a normal end."""

    def script(asked: Asked) -> Iterator[bytes]:
        yield from itertools.islice(serve(asked), after + 1)
        whole = record(asked.packets[after]) if after < len(asked.packets) else bytes(16)
        yield whole[:-5]

    return script


def broken(after: int, *, reset: bool = False) -> Script:
    """So many packets, and then the connection breaks: no last chunk, no word."""

    def script(asked: Asked) -> Iterator[bytes]:
        yield from itertools.islice(serve(asked), after + 1)
        raise Break(reset)

    return script


def silent(after: int) -> Script:
    """So many packets, and then nothing for as long as somebody listens. -1: not even the file's header."""

    def script(asked: Asked) -> Iterator[bytes]:
        yield from itertools.islice(serve(asked), after + 1)
        while not asked.gone():
            time.sleep(0.02)
        raise Break

    return script


def slow(pause_s: float) -> Script:
    """A pause before every packet."""

    def script(asked: Asked) -> Iterator[bytes]:
        for piece in serve(asked):
            yield piece
            time.sleep(pause_s)

    return script


def endless(asked: Asked) -> Iterator[bytes]:
    """The same packets again and again, until the asker leaves."""
    yield file_header()
    while not asked.gone():
        yield b"".join(map(record, asked.packets))


def garbage(_asked: Asked) -> Iterator[bytes]:
    """A good header, and then bytes that are no records."""
    yield file_header()
    yield bytes(range(255, 0, -1)) * 8


def link_type(number: int) -> Script:
    """Good packets that say they are of another link type."""

    def script(asked: Asked) -> Iterator[bytes]:
        yield file_header(linktype=number)
        yield from map(record, asked.packets)

    return script


def foreign(magic: int, order: str, per_us: int) -> Script:
    """Another classic form of PCAP: `order` < or >, `per_us` 1000 for nanoseconds."""

    def script(asked: Asked) -> Iterator[bytes]:
        yield struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
        for packet in asked.packets:
            yield record(packet, order + "IIII", per_us)

    return script


nanoseconds = foreign(0xA1B23C4D, "<", 1000)
big_endian = foreign(0xA1B2C3D4, ">", 1)


def out_of_order(asked: Asked) -> Iterator[bytes]:
    """Every packet, the latest first."""
    yield file_header()
    yield from map(record, sorted(asked.packets, reverse=True))
