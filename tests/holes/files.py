"""The files of a recording as bytes, whole or damaged; which packets are still in them is known. No code of Docket."""

from __future__ import annotations

import gzip
import os
import random
import struct
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.holes.recording import US, Frame, Recording
from tests.workers.sources import capture_formats

Key = tuple[int, int, bytes]


@dataclass(slots=True)
class Made:
    """What was written."""

    recorded: list[Frame] = field(default_factory=list)
    """All that the recorder wrote, odd records included."""
    intact: Counter[Key] = field(default_factory=Counter)
    """What any program still reads."""
    damaged: bool = False
    late_copies: bool = False
    """The files' times are those of a copy."""


def write(chance: random.Random, recording: Recording, directory: Path) -> Made:
    """All files of the recording, with their times."""
    made = Made()
    form = chance.choice(("little", "big", "nano", "pcapng", "pcapng", "little"))
    damaged = chance.randrange(len(recording.files)) if recording.files and chance.random() < 0.4 else None
    made.late_copies = chance.random() < 0.25
    packed = chance.random() < 0.15
    for number, frames in enumerate(recording.files):
        kinds = {one.linktype for one in frames}
        pieces, frames = (_pcapng if form == "pcapng" or len(kinds) > 1 else _classic)(chance, frames, form)
        made.recorded += frames
        data, whole = b"".join(pieces), len(frames)
        last = number == len(recording.files) - 1
        if number == damaged:
            data, whole = _damage(chance, pieces)
            made.damaged = True
        name = f"{chance.choice(('trace', 'a', 'z'))}-{number:03}.pcap"
        if packed and not last:
            data, name = gzip.compress(data, 1), name + ".gz"
            if number == damaged and chance.random() < 0.3:
                data, whole = data[: chance.randrange(len(data))], 0
        made.intact.update(one.key for one in frames[:whole])
        path = directory / chance.choice(("", "", "day", "day/hour")) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        written_us = recording.now_us - 100_000 if made.late_copies else _last_write(recording, number)
        os.utime(path, ns=(written_us * 1000, written_us * 1000))
    (directory / "notes.txt").write_text("no capture")
    return made


def _last_write(recording: Recording, number: int) -> int:
    """The true time of the last packet, whatever the recorder's clock said."""
    times = [one.time_ns // 1000 for one in recording.files[number]]
    true = sorted(times)[len(times) // 2]
    sensible = [time_us for time_us in times if abs(time_us - true) < 1800 * US]
    return min(max(sensible), recording.now_us)


def _classic(chance: random.Random, frames: list[Frame], form: str) -> tuple[list[bytes], list[Frame]]:
    """The header and each record, and the packets as they are in it."""
    order, magic, per_s = {
        "big": (">", 0xA1B2C3D4, US),
        "nano": ("<", 0xA1B23C4D, 10**9),
    }.get(form, ("<", 0xA1B2C3D4, US))
    pieces = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, frames[0].linktype)]
    written = []
    for one in frames:
        time_ns, data = one.time_ns, one.data
        if form == "nano":
            time_ns += chance.randrange(1000)
        seconds, fraction = divmod(time_ns // (10**9 // per_s), per_s)
        if seconds and chance.random() < 0.01:
            seconds, fraction = seconds - 1, fraction + per_s  # a fraction of a second and more
        if chance.random() < 0.01:
            data = b""
        pieces.append(struct.pack(order + "IIII", seconds, fraction, len(data), len(one.data)) + data)
        written.append(replace(one, time_ns=time_ns, data=data))
    return pieces, written


def _pcapng(chance: random.Random, frames: list[Frame], _form: str) -> tuple[list[bytes], list[Frame]]:
    """With an interface for each link type, and now and then a second section."""
    order = chance.choice("<>")
    fine = chance.random() < 0.3
    types = sorted({one.linktype for one in frames})
    resolution = 9 if fine else None
    begin = capture_formats.section(order) + b"".join(
        capture_formats.interface(order, linktype=kind, resolution=resolution) for kind in types
    )
    pieces, written = [begin], []
    for number, one in enumerate(frames):
        time_ns = one.time_ns + (chance.randrange(1000) if fine else 0)
        ticks = time_ns if fine else time_ns // 1000
        again = begin if number and chance.random() < 0.01 else b""
        pieces.append(again + capture_formats.packet(ticks, one.data, order, number=types.index(one.linktype)))
        written.append(replace(one, time_ns=time_ns))
    return pieces, written


def _damage(chance: random.Random, pieces: list[bytes]) -> tuple[bytes, int]:
    """The file's bytes now, and how many packets of its beginning are untouched."""
    data = bytearray(b"".join(pieces))
    ends = [sum(map(len, pieces[: number + 1])) for number in range(len(pieces))]
    kind = chance.choice(("cut", "cut", "nothing left", "zeros inside", "zeros to the end", "no header", "garbage"))
    at = chance.choice([place for place in range(ends[0], len(data)) if place not in ends] or [len(data) - 1])
    if kind == "cut":
        del data[at:]
    elif kind == "nothing left":
        at = chance.choice((0, 0, 3, 10, ends[0] - 1))
        del data[at:]
    elif kind == "no header":
        at, data[: len(pieces[0])] = 0, bytes(len(pieces[0]))
    else:
        place = chance.randrange(len(pieces) - 1)
        at = ends[place]
        size = len(data) - at if kind == "zeros to the end" else min(len(data) - at, chance.randrange(20, 900))
        data[at : at + size] = b"\xff" * size if kind == "garbage" else bytes(size)
    return bytes(data), sum(end <= at for end in ends[1:])
