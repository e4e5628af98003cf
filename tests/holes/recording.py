"""What passed a line, what of it a recorder wrote, into which files. For `files` and `oracle`; no code of Docket."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

US = 1_000_000
BEGIN_US = 1_700_000_000 * US
HOSTS = ("10.1.2.3", "10.1.2.4", "172.16.0.9")
PORTS = (53, 80, 443)
ETHERNET, RAW, COOKED, COOKED2 = 1, 101, 113, 276


@dataclass(frozen=True, slots=True)
class Frame:
    """A packet on the line."""

    time_ns: int
    linktype: int
    data: bytes
    host: str
    port: int
    tcp: bool

    @property
    def key(self) -> tuple[int, int, bytes]:
        """What must come out again."""
        return self.time_ns, self.linktype, self.data

    @property
    def short(self) -> bool:
        """Recorded without the bytes that decide."""
        return not self.data


QUESTIONS: dict[str, Callable[[Frame], bool]] = {
    "": lambda _: True,
    "port 53": lambda frame: frame.port == 53,
    "udp": lambda frame: not frame.tcp,
    "host 10.1.2.3": lambda frame: frame.host == "10.1.2.3",
    "not port 53": lambda frame: frame.port != 53,
    "host 10.1.2.4 and port 443": lambda frame: frame.host == "10.1.2.4" and frame.port == 443,
    "tcp and net 172.16.0.0/16": lambda frame: frame.tcp and frame.host == "172.16.0.9",
    "port 7777": lambda _: False,
}


def frame(chance: random.Random, time_ns: int, linktype: int) -> Frame:
    host, port, tcp = chance.choice(HOSTS), chance.choice(PORTS), chance.random() < 0.5
    payload = chance.randbytes(chance.choice((4, 40, 300)))
    head = struct.pack(">HHIIBBHHH", 40_000, port, 1, 0, 0x50, 2, 1000, 0, 0) if tcp else b""
    datagram = head + payload if tcp else struct.pack(">HHHH", 40_000, port, 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(host) + socket.inet_aton("10.9.8.7")
    start = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 6 if tcp else 17, 0)
    links = {
        ETHERNET: b"\x02" * 12 + b"\x08\x00",
        RAW: b"",
        COOKED: struct.pack(">HHH8sH", 0, 1, 6, b"\x02" * 6, 0x0800),
        COOKED2: struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, b"\x02" * 6),
    }
    return Frame(time_ns, linktype, links[linktype] + start + addresses + datagram, host, port, tcp)


@dataclass(slots=True)
class Recording:
    """Of one recorder."""

    period_us: int
    """It begins a new file so often at the least, as long as packets come."""
    wire: list[Frame] = field(default_factory=list)
    holes: list[tuple[int, int]] = field(default_factory=list)
    """When it did not run; the last one may have no end before `now_us`."""
    files: list[list[Frame]] = field(default_factory=list)
    now_us: int = 0
    odd_clock: bool = False
    longest_pause_us: int = 0

    @property
    def recorded(self) -> list[Frame]:
        return [one for file in self.files for one in file]

    def running(self, time_us: int) -> bool:
        return not any(begin <= time_us < end for begin, end in self.holes)


def random_recording(chance: random.Random) -> Recording:
    """Some hours or minutes of it."""
    recording = Recording(chance.choice((60, 120, 300)) * US)
    span_us = recording.period_us * chance.randrange(6, 30)
    count = chance.randrange(60, 300)
    end_us = BEGIN_US + span_us
    late_us = chance.choice((2 * US, 30 * US, 20 * recording.period_us))
    recording.now_us = end_us + late_us
    for _ in range(chance.choice((0, 1, 1, 1, 2))):
        length_us = recording.period_us * chance.randrange(12, 40)
        begin_us = BEGIN_US + chance.randrange(span_us // 10, span_us)
        recording.holes.append((begin_us, begin_us + length_us))
    if late_us > 10 * recording.period_us:
        recording.holes.append((end_us, recording.now_us))  # it stopped
    ends = max([recording.now_us, *(end for _, end in recording.holes)])
    if chance.random() < 0.7:
        # So that there is something behind the last hole, most of the time.
        ends += 3 * recording.period_us
        recording.now_us = max(recording.now_us, ends + 2 * US)
    _pass(chance, recording, ends, count)
    _rotate(chance, recording)
    if chance.random() < 0.3:
        _odd_clock(chance, recording)
    return recording


def _pass(chance: random.Random, recording: Recording, end_us: int, count: int) -> None:
    """Packets on the line, about evenly."""
    types = chance.choice(([ETHERNET],) * 6 + ([RAW], [COOKED], [COOKED2], [ETHERNET, RAW]))
    step_us = (end_us - BEGIN_US) // count
    for number in range(count):
        time_us = BEGIN_US + number * step_us + chance.randrange(step_us)
        recording.wire.append(frame(chance, time_us * 1000, chance.choice(types) if number else types[0]))
    recording.longest_pause_us = 2 * step_us


def _rotate(chance: random.Random, recording: Recording) -> None:
    """By time, as tcpdump -G, or by number, as by size; each run of the recorder begins a file."""
    by_time = chance.random() < 0.6
    most = chance.randrange(5, 60)
    latest = None
    for one in recording.wire:
        time_us = one.time_ns // 1000
        if not recording.running(time_us):
            continue
        run = sum(end <= time_us for _, end in recording.holes)
        turn = time_us // recording.period_us if by_time else 0
        if (run, turn) != latest or (not by_time and len(recording.files[-1]) >= most):
            recording.files.append([])
            latest = run, turn
        recording.files[-1].append(one)


def _odd_clock(chance: random.Random, recording: Recording) -> None:
    """A clock that was not set when a file began, or that was set while it grew."""
    if not recording.files:
        return
    recording.odd_clock = True
    file = chance.choice(recording.files)
    kind = chance.choice(("1970", "hour before", "hour ahead", "file ahead", "step back"))
    moved_ns = {"hour before": -3600, "hour ahead": 3600, "file ahead": 3600, "step back": -40}.get(kind, 0) * 10**9
    if kind == "1970":
        file[0] = replace(file[0], time_ns=chance.randrange(5000) * 10**9)
        return
    begin, end = {"file ahead": (0, len(file)), "step back": (len(file) // 2 + 1, len(file))}.get(kind, (0, 1))
    file[begin:end] = [replace(one, time_ns=one.time_ns + moved_ns) for one in file[begin:end]]
