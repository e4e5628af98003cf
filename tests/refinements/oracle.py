"""What a refinement must keep, by tshark, tcpdump and editcap on the downloaded file, and by how its packets were made.

Shares no code with Docket. What no program of the world can say (Docket's query and direction on tunnels, copies behind
a router) is known from how the packets were put together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.packet.levels import Packet
from tests.refinements.tools import Frame, editcap, let_through, outermost_packets, shown, write


@dataclass(frozen=True, slots=True)
class Truth:
    """What is kept, or that the product must refuse the packet filter."""

    frames: list[Frame]
    refused: bool = False
    is_full: bool = False
    """The limit was reached, and more would have been kept."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A result as it was downloaded: the file that is offered, and all packets with their sources."""

    path: Path
    frames: list[Frame]
    packets: Mapping[tuple[str, int], Packet]
    """By source and time in microseconds, as they were made."""

    def made(self, one: Frame) -> Packet:
        return self.packets[one.interface, one.time_ns // 1_000]


def truth(result: Downloaded, order: Mapping[str, Any], work: Path) -> Truth:
    """Filters first, on the whole file; then duplicates; then lengths."""
    kept = set(range(len(result.frames)))
    if "filter" in order:
        kept &= shown(result.path, order["filter"])
    if "bpf" in order:
        through = let_through(work / "bpf.pcap", result.frames, order["bpf"])
        if through is None:
            return Truth([], refused=True)
        kept &= through
    if "question" in order:
        kept &= _where(result, order["question"].means)
    if "sender" in order:
        kept &= _where(result, lambda packet: _sent_by(packet, order["sender"]))
    if "sources" in order:
        kept &= {number for number, one in enumerate(result.frames) if one.interface in order["sources"]}
    return _after_filters([result.frames[number] for number in sorted(kept)], order, work / "step.pcapng")


def _after_filters(frames: list[Frame], order: Mapping[str, Any], path: Path) -> Truth:
    for option, name in (("-A", "after"), ("-B", "before")):
        if name in order.get("window", {}):
            seconds, micros = divmod(order["window"][name], 1_000_000)
            frames = editcap(path, frames, option, f"{seconds}.{micros:06}")
    equal_ms, tap_ms = order.get("drop_duplicates_ms", 0), order.get("drop_tap_duplicates_ms", 0)
    if tap_ms or equal_ms:
        frames = _without_copies(frames, equal_ms * 1_000, max(equal_ms, tap_ms) * 1_000, path)
    most = order.get("packets")
    is_full = most is not None and len(frames) > most
    frames = frames[:most] if is_full else frames
    if "snaplen" in order:
        frames = editcap(path, frames, "-s", str(order["snaplen"]))
    return Truth(frames, is_full=is_full)


def _where(result: Downloaded, holds: Callable[[Packet], bool]) -> set[int]:
    return {number for number, one in enumerate(result.frames) if holds(result.made(one))}


def _sent_by(packet: Packet, sender: Mapping[str, Any]) -> bool:
    """One IP header, at any depth, has the address, and the ports behind it."""
    address, port = ip_address(sender["address"]), sender.get("port")
    return any(
        level.source == address and (port is None or (level.ports is not None and level.ports[0] == port))
        for level in packet.levels
    )


def _without_copies(frames: list[Frame], equal_us: int, tap_us: int, path: Path) -> list[Frame]:
    """Without equal packets, as editcap drops them; and without those that another source has seen before."""
    if equal_us:
        # In microseconds, as the product compares; and what differs in its length on the wire is not the same packet.
        coarse = [
            replace(one, time_ns=one.time_ns // 1_000 * 1_000, data=one.data + one.wire_length.to_bytes(4))
            for one in frames
        ]
        left = {_identity(one) for one in editcap(path, coarse, "-w", f"{equal_us / 1e6:.6f}")}
        frames = [one for one, rough in zip(frames, coarse, strict=True) if _identity(rough) in left]
    return _first_of_taps(frames, tap_us, path)


def _identity(one: Frame) -> tuple[str, int]:
    return one.interface, one.time_ns


def _first_of_taps(frames: list[Frame], within_us: int, path: Path) -> list[Frame]:
    """Each packet of a source stands for one of every other source."""
    if len({one.interface for one in frames}) < 2:
        return frames
    places = outermost_packets(write(path, frames))
    firsts: dict[bytes, list[tuple[int, set[str]]]] = {}
    kept = []
    for one, place in zip(frames, places, strict=True):
        time_us, seen = one.time_ns // 1_000, firsts.setdefault(_behind_routers(one, place), [])
        for first_us, sources in seen:
            if time_us - first_us <= within_us and one.interface not in sources:
                sources.add(one.interface)
                break
        else:
            seen.append((time_us, {one.interface}))
            kept.append(one)
    return kept


def _behind_routers(one: Frame, place: tuple[int, int] | None) -> bytes:
    """What stays of a packet behind a router: its IP packet without hop count and checksum.

    All of it, where the recorder cut it within that header.
    """
    if place is None or len(one.data) < place[0] + {4: 20, 6: 40}[place[1]]:
        return bytes([one.linktype % 256]) + one.data
    packet = bytearray(one.data[place[0] :])
    if place[1] == 4:
        packet[8:9] = packet[10:12] = b"\0"
    else:
        packet[7:8] = b"\0"
    return bytes(packet)


def same(found: Sequence[Frame], wanted: Sequence[Frame]) -> bool:
    """Times, bytes, lengths, order, and the source of each."""
    return [_facts(one) for one in found] == [_facts(one) for one in wanted]


def difference(found: Sequence[Frame], wanted: Sequence[Frame]) -> str:
    """The first packet in which they differ."""
    pairs = enumerate(zip_longest(map(_facts, found), map(_facts, wanted)))
    return next((f"packet {number}: {one}, wanted {other}" for number, (one, other) in pairs if one != other), "")


def _facts(one: Frame) -> tuple[int, bytes, int, str, int]:
    return one.time_ns, one.data, one.wire_length, one.interface, one.linktype
