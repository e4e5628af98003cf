"""The decoder finds in each packet what its maker put there, on every link type and in every tunnel."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from docket.errors import CaptureError
from docket.packet.decode import MOST_INNER_LAYERS, decode
from docket.packet.link import FIRST_HEADERS
from docket.packet.records import NO_RECORDS
from tests.packet.decoded import decoded, levels_of
from tests.packet.linked import MAKERS, packets
from tests.packet.made import MACS
from tests.services import frames

COUNT = 600
_SAME = {12: 101, 14: 101, 8: 101, 240: 1, 241: 1, 242: 113, 274: 1}
"""Link types whose packets are those of another one, behind bytes that say nothing."""


@pytest.mark.parametrize("linktype", MAKERS)
def test_every_level_is_found(linktype: int) -> None:
    """Addresses, ports, protocols, tags, labels and MAC addresses of all levels are those that were put there."""
    made = packets(linktype, COUNT, seed=linktype)
    headers = decoded([packet.data for packet in made], linktype)
    for packet, found in zip(made, levels_of(headers), strict=True):
        assert found == packet.levels, packet.data.hex()
    assert not any(layer.open.any() for layer in headers.layers)


def test_each_link_type_is_tried() -> None:
    """Every link type that can be looked into is made above, or is one of those behind some bytes."""
    assert set(FIRST_HEADERS) == set(MAKERS) | set(_SAME)


def test_made_packets_are_of_every_sort() -> None:
    """Tunnels occur up to four deep, so that equality above says something."""
    made = packets(1, 3000, seed=5)
    depths = Counter(len(packet.levels) for packet in made)
    assert set(depths) == {1, 2, 3, 4, 5}
    assert min(depths.values()) > 20


def test_too_many_tunnels_are_said_to_be_unknown() -> None:
    """A packet with more than four tunnels in each other is read to the fourth, and flagged behind it."""
    made = [packet for packet in packets(1, 6000, seed=3, depth=6) if len(packet.levels) > MOST_INNER_LAYERS + 1]
    assert made
    headers = decoded([packet.data for packet in made], 1)
    for packet, found in zip(made, levels_of(headers), strict=True):
        known = MOST_INNER_LAYERS + 1
        assert found[:known] == packet.levels[:known]
    assert headers.layers[MOST_INNER_LAYERS + 1].open.all()


def test_bytes_before_the_first_header_are_skipped() -> None:
    """Ethernet behind a preamble is Ethernet."""
    made = packets(1, 200, seed=9)
    headers = decoded([bytes(8) + packet.data for packet in made], 274)
    assert levels_of(headers) == [packet.levels for packet in made]


def test_upper_bits_of_the_link_type_are_ignored() -> None:
    """The bits that tell of a frame check sequence do not make another link type."""
    made = packets(1, 20, seed=1)
    headers = decoded([packet.data for packet in made], 1 | 0x1000_0000 | 0x0400_0000)
    assert levels_of(headers) == [packet.levels for packet in made]


def test_an_unknown_link_type_is_refused_by_number() -> None:
    """USB cannot be filtered by addresses; that is an error with a sentence, not silence."""
    with pytest.raises(CaptureError, match="link type 189"):
        decode(b"", NO_RECORDS, 189)


def test_nothing_to_decode_is_fine() -> None:
    """No records give headers of no records."""
    assert decode(b"", NO_RECORDS).count == 0


def test_two_runs_make_the_same_packets() -> None:
    """The seed decides all."""
    assert packets(1, 50, seed=4) == packets(1, 50, seed=4)
    assert replace(packets(1, 1, seed=4)[0]) == packets(1, 1, seed=4)[0]


@pytest.mark.parametrize("receiver", ["4c:5e:0c:11:22:33", "60:45:cb:12:34:56", "00:1b:21:00:00:01"])
@pytest.mark.parametrize("tagged", [False, True])
def test_frames_behind_labels_are_told_from_packets(receiver: str, tagged: bool) -> None:
    """Ethernet behind a label without a control word is found as an inner frame, whatever its address begins with."""
    packet = frames.ip("10.1.2.3", "10.9.0.1", 6, frames.tcp("10.1.2.3", "10.9.0.1", (40001, 443), b"data"))
    inner = frames.ethernet(MACS[0], receiver, packet)
    inner = frames.tagged(inner, 5) if tagged else inner
    outer = frames.ethernet(MACS[0], MACS[1], (77 << 12 | 0x140).to_bytes(4, "big") + inner, ethertype=0x8847)
    (found,) = levels_of(decoded([outer], 1))
    assert [(str(level.source), level.ports) for level in found[1:]] == [("10.1.2.3", (40001, 443))]
    assert (found[0].labels, found[1].vlans) == ((77,), (5,) if tagged else ())
