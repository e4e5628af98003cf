"""A program of its own: reads one packet as tshark's PDML from its input and writes what is in it as JSON.

`detail` runs it in the sandbox, beside tshark: the XML is made of a stranger's bytes, and the parser is a large library
written in C. pyshark understands PDML; what it tells of layers and streams goes out with the tree of fields.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import lxml.objectify
import msgspec
from pyshark.packet.packet import Packet
from pyshark.tshark.output_parser.tshark_xml import DEL_BAD_XML_CHARS, packet_from_xml_packet

MOST_INPUT_BYTES = 64_000_000
MOST_ITEMS = 20_000
DEEPEST = 60
LONGEST_TEXT = 2_000
LONGEST_VALUE = 64
"""Hex digits of a field's bytes that go out: enough to see in which of the packet's buffers the field lies."""

_STREAMED = ("tcp", "udp")


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One line of the tree."""

    depth: int
    name: str
    """As in display filters; empty for plain text."""
    text: str
    shown: str
    """The value as display filters have it."""
    start: int
    length: int
    value: str
    """The beginning of the bytes, as hex digits."""


class Dissection(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out."""

    items: tuple[Item, ...]
    truncated: bool
    layers: tuple[str, ...]
    streams: tuple[str, ...]
    """`tcp 5`, the outermost first."""


def main() -> None:
    data = sys.stdin.buffer.read(MOST_INPUT_BYTES)
    begin, end = data.find(b"<packet>"), data.rfind(b"</packet>")
    if begin < 0 or end < 0:
        sys.exit("there is no packet in the input")
    sys.stdout.buffer.write(msgspec.json.encode(dissect(data[begin : end + len(b"</packet>")])))


def dissect(xml: bytes) -> Dissection:
    """The packet in one PDML element."""
    # As pyshark makes it, but without anything from outside the document.
    parser = lxml.objectify.makeparser(
        huge_tree=True, recover=True, encoding="utf-8", resolve_entities=False, no_network=True
    )
    plain = xml.decode(errors="ignore").translate(DEL_BAD_XML_CHARS).encode()
    element = lxml.objectify.fromstring(plain, parser)
    items: list[Item] = []
    truncated = False
    for item in _items(element):
        if len(items) == MOST_ITEMS:
            truncated = True
            break
        items.append(item)
    packet = packet_from_xml_packet(element)
    return Dissection(
        items=tuple(items),
        truncated=truncated,
        layers=tuple(layer.layer_name for layer in packet.layers)[:DEEPEST],
        streams=tuple(_streams(packet)),
    )


def _items(element: Any) -> Iterator[Item]:
    """The visible lines, each before what is inside it, as `tshark -V` prints them."""
    for layer in element.iterchildren("proto"):
        name = layer.get("name", "")
        if name == "geninfo":
            continue
        if name == "fake-field-wrapper":
            for field in layer.iterchildren():
                yield from _field(field, 0)
        else:
            yield from _field(layer, 0)


def _field(element: Any, depth: int) -> Iterator[Item]:
    if element.get("hide") == "yes" or depth > DEEPEST:
        return
    shown = element.get("show", "")
    yield Item(
        depth,
        element.get("name", "")[:LONGEST_TEXT],
        (element.get("showname") or shown)[:LONGEST_TEXT],
        shown[:LONGEST_TEXT],
        _number(element.get("pos")),
        _number(element.get("size")),
        (element.get("unmaskedvalue") or element.get("value") or "")[:LONGEST_VALUE],
    )
    for inner in element.iterchildren():
        yield from _field(inner, depth + 1)


def _streams(packet: Packet) -> Iterator[str]:
    for layer in packet.layers:
        if layer.layer_name in _STREAMED and layer.has_field("stream"):
            yield f"{layer.layer_name} {int(layer.get_field_value('stream'))}"


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0


if __name__ == "__main__":
    main()
