"""Random queries of the whole language find the packets that they mean, and those that tcpdump finds."""

from __future__ import annotations

import random
import struct
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from docket.domain.query.canonical import parse
from docket.packet.decode import decode
from docket.packet.match import match
from docket.packet.records import scan
from tests.packet.decoded import block_of, decoded
from tests.packet.levels import Packet
from tests.packet.linked import MAKERS, packets
from tests.packet.made import Maker
from tests.packet.questions import random_question, some_and_none, widened

QUESTIONS = 2_000
PACKETS = 400
_PER_LINK_TYPE = QUESTIONS // len(MAKERS) + 1


@pytest.mark.parametrize("linktype", sorted(MAKERS))
def test_a_question_finds_what_it_means(linktype: int) -> None:
    """A text finds the packets whose levels, as their maker noted them, fit; of whole ones none is undecided."""
    chance = random.Random(linktype)
    made = packets(linktype, PACKETS, seed=1000 + linktype, depth=4)
    headers = decoded([packet.data for packet in made], linktype)
    for _ in range(_PER_LINK_TYPE):
        question = random_question(chance)
        found = match(headers, parse(question.text).root)
        assert found.mask.tolist() == [question.means(packet) for packet in made], question.text
        assert not found.undecided.any(), question.text


@pytest.mark.parametrize("linktype", sorted(MAKERS))
def test_looking_inside_makes_plain_words_mean_any_level(linktype: int) -> None:
    """With `look_inside` a query without scopes finds what the same query with `any` before each term finds."""
    chance = random.Random(7)
    headers = decoded([packet.data for packet in packets(linktype, PACKETS, seed=linktype)], linktype)
    for _ in range(40):
        question = random_question(chance)
        if "inner" not in question.text and "any" not in question.text:
            inside = match(headers, question.node, look_inside=True)
            assert inside.mask.tolist() == match(headers, widened(question.node)).mask.tolist(), question.text


@pytest.mark.parametrize("linktype", [1, 101, 113, 127, 276])
def test_a_cut_packet_is_right_or_undecided(linktype: int) -> None:
    """Of packets that were cut anywhere, those decided are decided as if whole; the undecided are counted apart."""
    chance = random.Random(linktype)
    whole = packets(linktype, PACKETS, seed=2000 + linktype)
    cuts = [chance.choice((len(packet.data), chance.randrange(len(packet.data) + 1))) for packet in whole]
    kept = [packet.data[:cut] for packet, cut in zip(whole, cuts, strict=True)]
    headers = decoded(kept, linktype, [len(packet.data) for packet in whole])
    seen: Counter[str] = Counter()
    for _ in range(150):
        question = random_question(chance)
        found = match(headers, question.node)
        assert not (found.mask & found.undecided).any()
        expected = np.array([question.means(packet) for packet in whole])
        assert (found.mask == expected)[~found.undecided].all(), question.text
        seen.update(undecided=int(found.undecided.sum()), decided=int((~found.undecided).sum()))
    assert 0 < seen["undecided"] < seen["decided"]


class _Bare(Maker):
    """Packets that tcpdump can look into.

    It does not look behind tags, labels, extension headers and the fourth address of 802.11, and counts the padding
    behind an 802.11 header from the beginning of the radiotap header.
    """

    tag_types = ()
    extensions = ((),)
    wires = False
    orders = "<"
    wifi_ways = (0, 1, 2)
    pads = False


_AS_TCPDUMP = (1, 101, 105, 108, 113, 119, 122, 127, 163, 228, 229, 276, 0, 100, 104, 10)


@pytest.mark.parametrize("linktype", _AS_TCPDUMP)
def test_tcpdump_finds_the_same(linktype: int, tmp_path: Path) -> None:
    """Where tcpdump can say the same, it finds the same packets. Its optimizer is off, for it loses short packets."""
    chance = random.Random(3000 + linktype)
    maker = _Bare(linktype)
    made = [MAKERS[linktype](maker, 2) for _ in range(PACKETS)]
    made = [packet for packet in made if not packet.outer.vlans and not packet.outer.labels]
    capture = _written(made, linktype, tmp_path)
    headers = decoded([packet.data for packet in made], linktype)
    asked = 0
    while asked < 40:
        question = random_question(chance)
        if question.tcpdump is None or ("ether" in question.text and linktype != 1):
            continue
        asked += 1
        indices = np.flatnonzero(match(headers, question.node).mask).tolist()
        assert indices == _tcpdump(capture, question.tcpdump), question.tcpdump


def _written(made: list[Packet], linktype: int, directory: Path) -> Path:
    capture = directory / "made.pcap"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, linktype)
    capture.write_bytes(header + block_of([packet.data for packet in made]))
    return capture


def _tcpdump(capture: Path, text: str) -> list[int]:
    """The indices of the packets that pass a filter; their seconds tell them."""
    command = ["tcpdump", "-O", "-n", "-r", str(capture), "-w", "-", text]
    written = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return [time_ns // 1_000_000_000 for time_ns in scan(written, start=24).records.time_ns.tolist()]


def test_many_hosts_and_ports_are_one_look_up(tmp_path: Path) -> None:
    """Long lists, also excluded ones, find the same as their terms one by one."""
    made = packets(1, PACKETS, seed=11)
    capture = _written(made, 1, tmp_path)
    scanned = scan(capture.read_bytes(), start=24)
    headers = decode(capture.read_bytes(), scanned.records)
    chance = random.Random(5)
    for _ in range(100):
        parts = [random_question(chance, 3) for _ in range(20)]
        some, none = chance.sample(parts, 12), chance.sample(parts, 8)
        expected = [
            any(part.means(packet) for part in some) and not any(part.means(packet) for part in none) for packet in made
        ]
        assert match(headers, some_and_none(some, none)).mask.tolist() == expected
