"""Spoiled Ethernet frames match what tcpdump finds in them, byte for byte the same places."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from docket.packet.match import match
from docket.packet.records import scan
from tests.packet.decoded import block_of, decoded
from tests.packet.made import TAG_TYPES, Maker
from tests.packet.questions import random_question
from tests.packet.test_hostile import mutated

COUNT = 2_000
_LOOKED_BEHIND = (*TAG_TYPES, 0x8847, 0x8848)
_EXTENSIONS = (0, 43, 44, 60, 135)


class _Plain(Maker):
    tag_types = ()
    extensions = ((),)
    wires = False


def comparable(frame: bytes) -> bool:
    """Whether both mean the same: not behind tags, labels and extension headers, nor in an impossible IPv4 header."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0800 and len(frame) > 14:
        return frame[14] & 0x0F >= 5
    if kind == 0x86DD and len(frame) > 20:
        return frame[20] not in _EXTENSIONS
    return kind not in _LOOKED_BEHIND


@pytest.mark.parametrize("seed", range(3))
def test_spoiled_frames_match_as_in_tcpdump(seed: int, tmp_path: Path) -> None:
    """Single terms find the same frames, however the bytes were changed, taken out or put in."""
    chance = random.Random(seed)
    maker = _Plain(seed)
    made = [mutated(maker.ethernet(1).data, chance) for _ in range(COUNT)]
    made = [frame for frame in made if comparable(frame)]
    capture = tmp_path / "spoiled.pcap"
    capture.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + block_of(made))
    headers = decoded(made, 1)
    asked = 0
    while asked < 60:
        question = random_question(chance, depth=3)
        if question.tcpdump is None:
            continue
        asked += 1
        command = ["tcpdump", "-O", "-n", "-r", str(capture), "-w", "-", question.tcpdump]
        written = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        expected = [time_ns // 1_000_000_000 for time_ns in scan(written, start=24).records.time_ns.tolist()]
        found = match(headers, question.node)
        assert np.flatnonzero(found.mask).tolist() == expected, question.tcpdump
        assert not found.undecided.any()
