"""One packet in full: the tree of its fields and its bytes, so that a field's bytes can be marked. For the inspector.

tshark is asked twice at the same time: for the lines and dumps that it prints for people, and for the same tree with
positions, which `dissect` reads with pyshark. Both list the same items in the same order; what is shown is the text
that tshark prints, brackets and all.
"""

from __future__ import annotations

import os
import re
import sys
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Event

import msgspec

import docket
from docket.domain.decoding import prepare
from docket.errors import DissectionError
from docket.workers.inspector.tshark.pdml import Dissection, Item
from docket.workers.inspector.tshark.process import Buffer, Limits, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import MARK_EVERY, Capture
from docket.workers.inspector.tshark.tshark_programs import tshark

EXACT_PACKETS = 20_000
"""Up to this packet the file is read from its beginning, in less than a second; further on only when asked to."""
CONTEXT_PACKETS = 2_000
"""So many packets before the one that is asked for are read otherwise."""

QUICK_S = 20.0
EXACT_S = 120.0
MEMORY_BYTES = 1_500_000_000
OUTPUT_BYTES = 64_000_000

_OF_FRAMES = re.compile(r"frame\.number|[\w.]+\.(\w*frame\w*|segment|fragment)|[\w.]*_(in|to)")
"""Fields whose value is the number of a packet."""
_PIECES = re.compile(r"^\[\d+ (Reassembled|[\w ]*Fragments)[^#]*#")
"""The heading of what was put together: `[2 Reassembled TCP Segments (520 bytes): #248(185), #252(335)]`."""
_PIECE = re.compile(r"(?<=#)\d+(?=\()|(?<=^\[Frame: )\d+(?=,)")
_NUMBER = re.compile(r"\d+(?=\D*$)")
_HEADING = re.compile(r"^Frame \d+")
_DUMPS_BEGIN = re.compile(rb"\n\n(?=(?:[^\n]* \(\d+ bytes?\):\n)?0000  )")
_DUMP_NAME = re.compile(r"^(.*) \(\d+ bytes?\):$")
_DUMP_ROW = re.compile(r"^[0-9a-f]{4,}  ((?:[0-9a-f]{2} ?){1,16})")
_PLAIN_VALUE = re.compile(r"-?\d+(\.\d+)?|0x[0-9a-f]+|[0-9a-f.:]*[.:][0-9a-f.:]*", re.IGNORECASE)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the tree and what is below it."""

    text: str
    name: str = ""
    """The field as display filters call it; empty where there is none."""
    filter: str = ""
    """A display filter for this very value; empty where there is none."""
    buffer: int = 0
    """Which of the packet's buffers the bytes are in."""
    start: int = 0
    length: int = 0
    """Nothing is to be marked if this is 0."""
    children: tuple[Node, ...] = ()


class Bytes(msgspec.Struct, frozen=True, kw_only=True):
    """A buffer: the frame itself, or what was put together from several."""

    name: str
    hex: str
    """Two digits for each byte."""


class PacketDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one packet."""

    job: str
    number: int
    exact: bool
    """False: only the packets just before it were read; numbers of frames and streams, and what depends on earlier
    packets, may differ from what a reading of the whole file says."""
    time: str
    relative_s: float
    """Since the first packet."""
    length: int
    """On the wire."""
    captured: int
    layers: tuple[str, ...]
    streams: tuple[str, ...]
    """`tcp 5`: what can be followed."""
    tree: tuple[Node, ...]
    bytes: tuple[Bytes, ...]
    truncated: bool
    """The tree goes on."""
    error: str
    """Why it could not be dissected; the bytes are there all the same."""
    capture_source: str = ""
    """The source that recorded it."""


class Dissected(msgspec.Struct, frozen=True, kw_only=True):
    """What `dissect_packet` finds."""

    layers: tuple[str, ...]
    streams: tuple[str, ...]
    tree: tuple[Node, ...]
    bytes: tuple[Bytes, ...]
    truncated: bool


def reads_from_start(number: int) -> bool:
    """Whether this packet is near enough to the beginning to be exact in any case."""
    return number <= EXACT_PACKETS


def dissect_packet(
    capture: Capture, marks: array[int], number: int, stop: Event, *, exact: bool, context: array[int] | None = None
) -> Dissected:
    """Dissect one packet: with all before it, or with those of `context`, which ends with it, or with the last ones.

    Raises DissectionError.
    """
    before = number - 1 if exact else min(number - 1, CONTEXT_PACKETS)
    begin = 1 if exact else _at_mark(number - before)
    numbers: Sequence[int] = range(begin, number + 1) if exact or context is None else context
    wanted = len(numbers)
    arguments = (*capture.arguments, "-c", str(wanted), "-Y", f"frame.number == {wanted}")
    limits = Limits(EXACT_S if exact else QUICK_S, memory_bytes=MEMORY_BYTES, output_bytes=OUTPUT_BYTES, nice=0)

    def source() -> Iterable[Buffer]:
        return capture.pieces(begin, marks, wanted) if isinstance(numbers, range) else capture.cut(numbers, marks)

    with (
        SandboxedProcess(
            tshark(*arguments, "-T", "pdml"), limits, source(), stop=stop, readable=capture.readable
        ) as positions,
        SandboxedProcess(_dissector(), limits, positions, stop=stop, readable=_own_code()) as dissector,
        SandboxedProcess(
            tshark(*arguments, "-V", "-x"), limits, source(), stop=stop, readable=capture.readable
        ) as printer,
    ):
        printed = printer.output()
        encoded = dissector.output()
        positions.finish()
    try:
        dissection = msgspec.json.decode(encoded, type=Dissection)
    except msgspec.DecodeError as error:
        raise DissectionError(f"its dissection cannot be read: {error}") from error
    lines, dumps = read_printed(printed)
    return Dissected(
        layers=dissection.layers,
        streams=dissection.streams,
        tree=numbered(_tree(dissection.items, lines, dumps), numbers),
        bytes=dumps,
        truncated=dissection.truncated,
    )


def read_printed(printed: bytes) -> tuple[list[str], tuple[Bytes, ...]]:
    """Split the output of `tshark -V -x` for one packet into the lines of its tree and its buffers."""
    split = _DUMPS_BEGIN.search(printed)
    tree = printed[: split.start()] if split else printed
    dumps = printed[split.end() :].decode("utf-8", "replace").splitlines() if split else []
    found: list[Bytes] = []
    name, digits = "Frame", ""
    for line in [*dumps, ""]:
        heading, row = _DUMP_NAME.match(line), _DUMP_ROW.match(line)
        if row:
            digits += row[1].replace(" ", "")
        elif digits:
            found.append(Bytes(name=name, hex=digits))
            digits = ""
        if heading and not row:
            name = heading[1]
    return tree.decode("utf-8", "replace").rstrip("\n").split("\n"), tuple(found)


def _at_mark(number: int) -> int:
    """The last packet before whose place in the file is known."""
    return (number - 1) // MARK_EVERY * MARK_EVERY + 1


def _tree(items: tuple[Item, ...], lines: list[str], dumps: tuple[Bytes, ...]) -> tuple[Node, ...]:
    """Items with their depths, as a tree, with the text that tshark prints."""
    if len(lines) >= len(items):
        texts = [line[4 * item.depth :] for item, line in zip(items, lines, strict=False)]
    else:
        texts = [item.text for item in items]
    buffers = [bytes.fromhex(dump.hex) for dump in dumps]
    built, _ = _nodes(items, texts, buffers, 0, 0)
    return tuple(built)


def _nodes(
    items: tuple[Item, ...], texts: list[str], buffers: list[bytes], place: int, depth: int
) -> tuple[list[Node], int]:
    """The nodes of one depth from a place on, and the place behind them."""
    found: list[Node] = []
    while place < len(items) and items[place].depth >= depth:
        item, text = items[place], texts[place]
        children, place = _nodes(items, texts, buffers, place + 1, item.depth + 1)
        buffer = _buffer(item, buffers, children)
        inside = buffer < len(buffers) and item.start + item.length <= len(buffers[buffer])
        found.append(
            Node(
                text=text,
                name="" if item.name.startswith("_ws.") else item.name,
                filter=_filter(item),
                buffer=buffer,
                start=item.start if inside else 0,
                length=item.length if inside else 0,
                children=tuple(children),
            )
        )
    return found, place


def numbered(tree: Sequence[Node], numbers: Sequence[int]) -> tuple[Node, ...]:
    """The same tree with `numbers` in place of 1, 2, 3 …, wherever it names a packet; the last is the packet itself."""
    if not numbers or (numbers[0] == 1 and numbers[-1] == len(numbers)):
        return tuple(tree)
    return tuple(_renumbered(node, numbers) for node in tree)


def _renumbered(node: Node, numbers: Sequence[int]) -> Node:
    text, (field, equals, value) = node.text, node.filter.partition(" == ")
    if node.name == "frame":
        text = _HEADING.sub(f"Frame {numbers[-1]}", text)
    elif _PIECES.match(text) or text.startswith("[Frame: "):
        text, value = _PIECE.sub(lambda one: _in_file(one[0], numbers), text), _in_file(value, numbers)
    elif _OF_FRAMES.fullmatch(node.name):
        text, value = _in_file(text, numbers), _in_file(value, numbers)
    children = tuple(_renumbered(child, numbers) for child in node.children)
    return msgspec.structs.replace(node, text=text, filter=f"{field}{equals}{value}", children=children)


def _in_file(text: str, numbers: Sequence[int]) -> str:
    """With the last number in it taken for the place of a packet among `numbers`."""
    found = _NUMBER.search(text)
    if found is None or not 1 <= int(found[0]) <= len(numbers):
        return text
    return f"{text[: found.start()]}{numbers[int(found[0]) - 1]}{text[found.end() :]}"


def _buffer(item: Item, buffers: list[bytes], children: list[Node]) -> int:
    """The buffer in which a field lies: tshark does not say, but its bytes do."""
    if item.length and item.value and len(item.value) % 2 == 0:
        value = bytes.fromhex(item.value)
        for place, buffer in enumerate(buffers):
            if buffer[item.start : item.start + len(value)] == value[: item.length]:
                return place
    inner = [child.buffer for child in children if child.length]
    return max(inner, key=inner.count) if inner else 0


def _filter(item: Item) -> str:
    """A display filter that shows the packets with this value."""
    if not item.name or item.name.startswith("_ws."):
        return ""
    if not item.shown:
        return item.name
    if _PLAIN_VALUE.fullmatch(item.shown):
        return f"{item.name} == {item.shown}"
    quoted = item.shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'{item.name} == "{quoted}"'


def _dissector() -> list[str]:
    return [os.path.realpath(sys.executable), "-I", "-c", _LAUNCH, *sys.path]


_LAUNCH = "import sys; sys.path[:] = sys.argv[1:]; from docket.workers.inspector.tshark.pdml import main; main()"
"""The program with this very process's way to its modules, whatever installed them."""


def _own_code() -> list[str]:
    """The directories that Python and Docket are in."""
    package = Path(docket.__file__).parent
    return [sys.base_prefix, sys.prefix, str(package), *(path for path in sys.path if path)]


prepare(Dissection)
