"""What tshark prints about a whole file after its packets: the hierarchy of protocols, and its findings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from docket.workers.inspector.row_filters.protocol_filters import Protocol

ARGUMENTS = ("-z", "io,phs", "-z", "expert,note")

MOST_FINDINGS = 100
DEEPEST = 40
_LONGEST_WORDS = 300
_FEWEST_LETTERS = 5
"""Fewer are in the messages of other findings, too."""

_PROTOCOL = re.compile(r"^( *)(\S+) +frames:(\d+) bytes:(\d+)$")
_SECTION = re.compile(r"^(Errors|Warns|Notes) \(\d+\)$")
_FINDING = re.compile(r"^ *(\d+) +(\S+) +(\S+)  (.*)$")
_FRAME_NUMBERS = re.compile(r"\b(frame) #?\d+|\(#\d+\)", re.IGNORECASE)
_SEVERITIES = {"Errors": "error", "Warns": "warning", "Notes": "note"}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the dissector thinks worth a look."""

    severity: str
    """`error`, `warning` or `note`."""
    group: str
    protocol: str
    message: str
    count: int
    filter: str = ""
    """A display filter that shows the packets; empty where no words are left to look for."""


def parse_hierarchy(lines: Iterable[str]) -> tuple[Protocol, ...]:
    """The output of `-z io,phs`, wherever it stands between these lines."""
    flat: list[tuple[int, str, int, int]] = []
    for line in lines:
        found = _PROTOCOL.match(line)
        if found:
            depth = min(len(found[1]) // 2, DEEPEST)
            flat.append((depth, found[2][:64], int(found[3]), int(found[4])))
    tree = _nested(flat)
    # Asking for the layers of a frame makes tshark count the frame itself as the outermost of them.
    return tree[0].children if len(tree) == 1 and tree[0].name == "frame" else tree


def parse_findings(lines: Iterable[str]) -> tuple[Finding, ...]:
    """The output of `-z expert`, the most frequent of each severity first; numbers of frames are left out, so that
    findings of the same kind are one."""
    counts: dict[tuple[str, str, str, str], int] = {}
    filters: dict[str, str] = {}
    severity = ""
    for line in lines:
        section = _SECTION.match(line)
        if section:
            severity = _SEVERITIES[section[1]]
        found = _FINDING.match(line) if severity else None
        if found:
            message = _FRAME_NUMBERS.sub(lambda match: f"{match[1]} …" if match[1] else "", found[4]).strip()[:300]
            key = (severity, found[2][:64], found[3][:64], message)
            counts[key] = counts.get(key, 0) + int(found[1])
            filters.setdefault(message, _filter(found[4]))
    findings = [
        Finding(severity=key[0], group=key[1], protocol=key[2], message=key[3], count=count, filter=filters[key[3]])
        for key, count in counts.items()
    ]
    order = list(_SEVERITIES.values())
    findings.sort(key=lambda one: (order.index(one.severity), -one.count, one.message))
    return tuple(findings[:MOST_FINDINGS])


def _filter(message: str) -> str:
    """A filter for the packets with this message: what stands before the first number of a frame, or before
    anything that tshark has written in another way than it keeps it."""
    number = _FRAME_NUMBERS.search(message)
    text = message[: number.start()] if number else message
    text = text.partition("\\")[0].partition("\ufffd")[0].strip()[:_LONGEST_WORDS]
    if len(text) < _FEWEST_LETTERS:
        return ""
    quoted = text.replace('"', '\\"')
    return f'_ws.expert.message contains "{quoted}"'


def merge_hierarchies(one: Sequence[Protocol], other: Sequence[Protocol]) -> tuple[Protocol, ...]:
    """Counts added up, of two stretches of the same file."""
    merged = {protocol.name: protocol for protocol in one}
    for protocol in other:
        known = merged.get(protocol.name)
        if known is not None:
            protocol = Protocol(
                name=protocol.name,
                packets=known.packets + protocol.packets,
                bytes=known.bytes + protocol.bytes,
                children=merge_hierarchies(known.children, protocol.children),
            )
        merged[protocol.name] = protocol
    return tuple(merged.values())


def _nested(flat: Sequence[tuple[int, str, int, int]]) -> tuple[Protocol, ...]:
    """Lines with their depths, as a tree."""
    found: list[Protocol] = []
    place = 0
    while place < len(flat):
        depth, name, packets, size = flat[place]
        end = place + 1
        while end < len(flat) and flat[end][0] > depth:
            end += 1
        children = _nested(flat[place + 1 : end])
        found.append(Protocol(name=name, packets=packets, bytes=size, children=children))
        place = end
    return tuple(found)
