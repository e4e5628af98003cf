"""Capture directories as programs, copies, crashes and clocks leave them, each with the verdict that it must get.

300 packets, one a second, are put into files by the programs that people use, and then what happens to files in the
world happens to them. A question asks for 280 of the packets; those that a layout no longer has are listed with it.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.packets import US_PER_S, Packet, capture, udp
from tests.services.needs import program

BEGIN_US = 1_700_000_000 * US_PER_S
PACKETS = [udp(BEGIN_US + number * US_PER_S, port=(53, 80, 443)[number % 3], size=200) for number in range(300)]
FIRST, LAST = 10, 290
"""The packets that are asked for: of `PACKETS`, the last not included."""
OLD_S = BEGIN_US // US_PER_S + 300
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)

Make = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Layout:
    """One directory; `make` fills it."""

    name: str
    make: Make
    verdict: str = "complete"
    lost: frozenset[int] = field(default_factory=frozenset)
    """Numbers of packets that are no longer there."""
    odd: Packet | None = None
    """One that is there besides, of no bytes: whether it matches a filter is not known, and must be said."""
    may_lack: bool = False
    """How much of a packed file can be unpacked is its packer's affair."""
    window: tuple[int, int] = (FIRST, LAST)
    """In seconds after the first packet."""

    @property
    def expected(self) -> list[Packet]:
        first, last = self.window
        inside = range(max(first, 0), min(last, len(PACKETS)))
        return [PACKETS[number] for number in inside if number not in self.lost] + ([self.odd] if self.odd else [])


def run(place: Path, *command: str | Path, data: bytes | None = None) -> None:
    """Run a program in the directory."""
    found = program(str(command[0]), str(command[0]))
    subprocess.run([found, *command[1:]], cwd=place, input=data, check=True, capture_output=True, timeout=60)


def whole(packets: Iterable[Packet] = PACKETS) -> bytes:
    return HEADER + capture(packets)


def _old(place: Path) -> None:
    """As if each file had last been written when the next one was begun, by their names."""
    files = sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    for after, path in enumerate(reversed(files)):
        os.utime(path, (OLD_S - 60 * after, OLD_S - 60 * after))


def by_minute(place: Path) -> None:
    """A file a minute, as a recorder that rotates by time leaves them."""
    plain = place.parent / f"{place.name}.in"
    plain.write_bytes(whole())
    run(place, "editcap", "-F", "pcap", "-i", "60", plain, "minute.pcap")
    _old(place)


def _tcpdump(place: Path) -> None:
    run(place, "tcpdump", "-n", "-Z", "root", "-r", "-", "-w", "one.pcap", data=whole())
    _old(place)


def minutes(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*.pcap*") if path.is_file())


def then(*steps: Make) -> Make:
    """One after the other."""

    def make(place: Path) -> None:
        for step in steps:
            step(place)

    return make


def one_file(content: bytes, name: str = "one.pcap") -> Make:
    def make(place: Path) -> None:
        (place / name).write_bytes(content)
        _old(place)

    return make


def converted(kind: str) -> Make:
    """As editcap writes it."""

    def make(place: Path) -> None:
        (place.parent / f"{place.name}.in").write_bytes(whole())
        run(place, "editcap", "-F", kind, place.parent / f"{place.name}.in", f"one.{kind}")
        _old(place)

    return make


def packed(packer: str, *options: str) -> Make:
    """Every file packed by a program, which takes the plain one away."""

    def make(place: Path) -> None:
        for path in minutes(place):
            run(place, packer, *options, path)
            path.unlink(missing_ok=True)
        _old(place)

    return make


def changed(number: int, change: Callable[[bytearray], None]) -> Make:
    """The bytes of one of the files by minute are not what they were."""

    def make(place: Path) -> None:
        path = minutes(place)[number]
        content = bytearray(path.read_bytes())
        change(content)
        path.write_bytes(content)
        _old(place)

    return make


def beside(name: str, content: bytes) -> Make:
    """Another file in the same directory."""

    def make(place: Path) -> None:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (OLD_S - 100, OLD_S - 100))

    return make


def foreign(kind: str) -> Make:
    """A capture beside the others in a format that is not read."""

    def make(place: Path) -> None:
        plain = place.parent / f"{place.name}.plain"
        plain.write_bytes(whole(PACKETS[:5]))
        run(place, "editcap", "-F", kind, plain, f"other.{kind}")
        os.utime(place / f"other.{kind}", (OLD_S - 100, OLD_S - 100))

    return make


def removed(*numbers: int) -> Make:
    def make(place: Path) -> None:
        files = minutes(place)
        for number in numbers:
            files[number].unlink()

    return make


def lost(*numbers: int) -> frozenset[int]:
    """The packets of these files by minute; editcap puts one more into the first."""
    return frozenset(packet for number in numbers for packet in range(number * 60 + bool(number), number * 60 + 61))


def record_at(content: bytes | bytearray, number: int) -> int:
    """Where a record of a classic file begins."""
    place = len(HEADER)
    for _ in range(number):
        place += 16 + int.from_bytes(content[place + 8 : place + 12], "little")
    return place


def _renamed(place: Path) -> None:
    one, other = minutes(place)[1:3]
    swap = place / "swap"
    one.rename(swap)
    other.rename(one)
    swap.rename(other)


def _by_hour(place: Path) -> None:
    for number, path in enumerate(minutes(place)):
        deep = place / "2023" / f"{number:02}" / "pcap"
        deep.mkdir(parents=True)
        path.rename(deep / path.name)


def _named(*names: bytes) -> Make:
    def make(place: Path) -> None:
        for path, name in zip(minutes(place), names, strict=False):
            os.rename(os.fsencode(path), os.fsencode(place) + b"/" + name)

    return make


def _linked(place: Path) -> None:
    away = place.parent / f"{place.name}.away"
    away.mkdir()
    for path in minutes(place):
        path.rename(away / path.name)
        path.symlink_to(away / path.name)


def _twice(place: Path) -> None:
    for path in minutes(place):
        (place / f"again-{path.name}").hardlink_to(path)
        (place / f"link-{path.name}").symlink_to(path)


def _loop(place: Path) -> None:
    (place / "loop").symlink_to(place)
    (place / "to-itself").symlink_to("to-itself")


def _special(place: Path) -> None:
    os.mkfifo(place / "fifo.pcap")
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(place)  # the path of a socket is short
        try:
            one.bind("socket.pcap")
        finally:
            os.chdir(here)
    os.mknod(place / "null.pcap", 0o600 | 0o020000, os.makedev(1, 3))


def _touched(at_s: float | None) -> Make:
    def make(place: Path) -> None:
        for path in minutes(place):
            os.utime(path, None if at_s is None else (at_s, at_s))

    return make


def _threads(place: Path) -> None:
    """Two threads of a recorder, each with every other packet."""
    for thread in (0, 1):
        (place / f"log.{thread}.pcap").write_bytes(whole(PACKETS[thread::2]))
    _old(place)


def _merged(place: Path) -> None:
    """mergecap -a in the wrong order: the first packets are the youngest."""
    for number, part in enumerate((PACKETS[150:], PACKETS[:150])):
        (place.parent / f"{place.name}.{number}").write_bytes(whole(part))
    parts = [place.parent / f"{place.name}.{number}" for number in (0, 1)]
    run(place, "mergecap", "-a", "-w", "merged.pcapng", *parts)
    _old(place)


def _ring(*options: str) -> Make:
    """dumpcap with a ring that is large enough."""

    def make(place: Path) -> None:
        run(place, "dumpcap", "-q", "-i", "-", *options, "-w", "ring.pcapng", data=whole())
        _old(place)

    return make


def _netsniff(place: Path) -> None:
    plain = place.parent / f"{place.name}.in"
    plain.write_bytes(whole())
    run(place, "netsniff-ng", "--in", plain, "--out", "sniffed.pcap", "--silent")
    _old(place)


def _big_endian() -> bytes:
    header = struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
    records = (struct.pack(">IIII", *divmod(one.time_us, US_PER_S), *[len(one.data)] * 2) + one.data for one in PACKETS)
    return header + b"".join(records)


def _times(change: Mapping[int, tuple[int, int]]) -> bytes:
    """A whole file in which some packets have other seconds and fractions."""
    content = bytearray(whole())
    for number, (seconds, fraction) in change.items():
        struct.pack_into("<II", content, record_at(content, number), seconds, fraction)
    return bytes(content)


def _inserted(number: int, odd: bytes) -> bytes:
    """A whole file with an odd record in front of a packet."""
    content = whole()
    at = record_at(content, number)
    return content[:at] + odd + content[at:]


def _short_header() -> bytes:
    return HEADER[:16] + struct.pack("<II", 64, 1) + capture(PACKETS)


def _cut(by: int) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        del content[-by:]

    return change


def _zeroed(begin: int, length: int) -> Callable[[bytearray], None]:
    """From a packet on, so many bytes of zeros."""

    def change(content: bytearray) -> None:
        at = record_at(content, begin) if begin else 0
        content[at : at + length] = bytes(length)

    return change


def _turned(content: bytearray) -> None:
    content[len(content) // 2] ^= 0xFF


def _zero_end(content: bytearray) -> None:
    content += bytes(4096)


def _sections(place: Path) -> None:
    """Two sections of pcapng in one file."""
    content = b""
    for number, part in enumerate((PACKETS[:150], PACKETS[150:])):
        plain = place.parent / f"{place.name}.{number}"
        plain.write_bytes(whole(part))
        run(place, "editcap", "-F", "pcapng", plain, f"part{number}")
        content += (place / f"part{number}").read_bytes()
        (place / f"part{number}").unlink()
    one_file(content, "two.pcapng")(place)


def _appended(content: bytes) -> Make:
    def make(place: Path) -> None:
        for path in place.iterdir():
            with path.open("ab") as file:
                file.write(content)
        _old(place)

    return make


def _shortened(by: int) -> Make:
    def make(place: Path) -> None:
        for path in place.iterdir():
            path.write_bytes(path.read_bytes()[:-by])
        _old(place)

    return make


def _growing(place: Path) -> None:
    """The newest file ends within a record, as one does that is being written."""
    path = minutes(place)[-1]
    path.write_bytes(path.read_bytes() + bytes(7))
    os.utime(path)


def _unpacked(place: Path) -> None:
    """One minute packed, the others not."""
    path = minutes(place)[2]
    run(place, "gzip", "-q", path)
    _old(place)


def _members(place: Path) -> None:
    """Two parts of gzip, one behind the other, in one file."""
    run(place, "gzip", "-q", *minutes(place)[1:3])
    one, other = sorted(place.glob("*.gz"))
    # The second member goes on without a file header, as a program does that appends.
    import gzip

    rest = gzip.decompress(other.read_bytes())[len(HEADER) :]
    one.write_bytes(one.read_bytes() + gzip.compress(rest))
    other.unlink()
    _old(place)


def _archive(place: Path) -> None:
    plain = place.parent / f"{place.name}.pcap"
    plain.write_bytes(whole(PACKETS[:5]))
    run(place, "tar", "-cf", "old.tar", "-C", plain.parent, plain.name)
    os.utime(place / "old.tar", (OLD_S - 100, OLD_S - 100))


def _gone(place: Path) -> None:
    shutil.rmtree(place)


FOREIGN = ("snoop", "netmon1", "netmon2", "nettl", "5views", "lanalyzer", "ngsniffer", "observer", "visual", "k12text")
"""Formats that editcap writes and Docket does not read."""

OF_PROGRAMS: Sequence[Layout] = (
    Layout("tcpdump, one file", _tcpdump),
    Layout("editcap -i, a file a minute", by_minute),
    Layout("dumpcap, ring of pcapng", _ring("-b", "packets:50", "-b", "files:20")),
    Layout("dumpcap, ring of pcap", _ring("-P", "-b", "packets:50", "-b", "files:20")),
    Layout("netsniff-ng", _netsniff),
    *(Layout(f"editcap -F {kind}", converted(kind)) for kind in ("pcapng", "nsecpcap", "modpcap")),
    Layout("gzip", then(by_minute, packed("gzip", "-q"))),
    Layout("zstd", then(by_minute, packed("zstd", "-q", "--rm"))),
    Layout("lz4", then(by_minute, packed("lz4", "-q", "-m", "--rm"))),
    Layout("xz", then(by_minute, packed("xz", "-q"))),
    Layout("bzip2", then(by_minute, packed("bzip2", "-q"))),
    Layout("one of them packed", then(by_minute, _unpacked)),
    Layout("two threads", _threads),
    Layout("mergecap -a, the youngest first", _merged),
    Layout("two sections of pcapng", _sections),
    Layout("big-endian file", one_file(_big_endian())),
    Layout("longer than the snaplen says", one_file(_short_header())),
)

OF_PLACES: Sequence[Layout] = (
    Layout("folders three deep", then(by_minute, _by_hour)),
    Layout("names swapped", then(by_minute, _renamed)),
    Layout("names without an ending", then(by_minute, _named(b"a", b"b", b"c", b"d", b"e"))),
    Layout("names of blanks and bytes", then(by_minute, _named(b"a b.pcap", b"c\nd.pcap", b"\xff\xfe.pcap"))),
    Layout("links to files elsewhere", then(by_minute, _linked)),
    Layout("every file by three names", then(by_minute, _twice)),
    Layout("links in a circle", then(by_minute, _loop)),
    Layout("a pipe, a socket, a device", then(by_minute, _special)),
    Layout("logs beside them", then(by_minute, beside("eve.json", b'{"event_type": "alert"}\n' * 90))),
    Layout("pictures and programs beside", then(by_minute, beside("a.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))))),
    Layout("copied just now", then(by_minute, _touched(None))),
    Layout("written in 1970, says the disk", then(by_minute, _touched(1.0))),
    Layout("a tar beside them", then(by_minute, _archive)),
)

OF_CLOCKS: Sequence[Layout] = (
    Layout("the first packet of 1970", one_file(_times({0: (1, 0)})), "complete"),
    Layout("one packet of 2106", one_file(_times({5: (0xFFFFFFF0, 0)})), "complete"),
    Layout("set back a minute in mid-file", one_file(whole([*PACKETS[60:], *PACKETS[:60]]))),
    Layout("fraction of a million", one_file(_times({5: (1_700_000_005, 1_000_000)})), "complete"),
)

OF_DAMAGE: Sequence[Layout] = (
    Layout("last record cut off", then(by_minute, changed(1, _cut(5))), "cut", frozenset({120})),
    Layout("zeros for packets", then(by_minute, changed(1, _zeroed(30, 30 * 216))), "cut", frozenset(range(91, 121))),
    Layout("zeros at the end", then(by_minute, changed(1, _zero_end)), "cut"),
    Layout("zeros for a header", then(by_minute, changed(1, _zeroed(0, 24))), "cut", lost(1)),
    Layout("a file of zeros", then(by_minute, changed(1, _zeroed(0, 24 + 60 * 216))), "cut", lost(1)),
    Layout(
        "record of length 0",
        one_file(_inserted(50, struct.pack("<IIII", 1_700_000_049, 5, 0, 60))),
        odd=Packet(BEGIN_US + 49 * US_PER_S + 5, b""),
    ),
    Layout(
        "pcapng cut in mid-block", then(converted("pcapng"), _shortened(3_000)), "not-yet", frozenset(range(287, 300))
    ),
    Layout("rubbish behind pcapng", then(converted("pcapng"), _appended(b"\x07" * 64)), "cut"),
    Layout("gzip cut off", then(one_file(whole()), packed("gzip", "-q"), _shortened(400)), "not-yet", may_lack=True),
    Layout("older gzip cut off", then(by_minute, packed("gzip", "-q"), changed(1, _cut(60))), "cut", may_lack=True),
    Layout(
        "older zstd cut off", then(by_minute, packed("zstd", "-q", "--rm"), changed(1, _cut(9))), "cut", may_lack=True
    ),
    Layout("a byte of gzip changed", then(by_minute, packed("gzip", "-q"), changed(1, _turned)), "cut", may_lack=True),
    Layout("gzip of two parts", then(by_minute, _members)),
    Layout("an empty file among them", then(by_minute, beside("empty.pcap", b"")), "cut"),
    Layout("ten bytes of a header", then(by_minute, beside("short.pcap", HEADER[:10])), "cut"),
    *(Layout(f"{kind} beside them", then(by_minute, foreign(kind)), "cut") for kind in FOREIGN),
)

OF_HOLES: Sequence[Layout] = (
    Layout("a minute is missing", then(by_minute, removed(2)), "gap", lost(2)),
    Layout("three minutes are missing", then(by_minute, removed(1, 2, 3)), "gap", lost(1, 2, 3)),
    Layout("the last two are missing", then(by_minute, removed(3, 4)), "gap", lost(3, 4)),
    Layout("the first is missing", then(by_minute, removed(0)), "aged-out", lost(0)),
    Layout("asked inside of a hole", then(by_minute, removed(1, 2, 3)), "gap", lost(1, 2, 3), window=(100, 200)),
    Layout("asked long after the last", by_minute, "gap", window=(4_000, 7_600)),
    Layout("asked long before the first", by_minute, "aged-out", window=(-7_600, -4_000)),
    Layout("asked across the end", by_minute, "gap", window=(200, 4_000)),
    Layout("asked across the beginning", by_minute, "aged-out", window=(-4_000, 100)),
    Layout("half a record, being written", then(by_minute, _growing), window=(10, 200)),
    Layout("an empty directory", lambda _place: None, "aged-out", frozenset(range(300))),
    Layout("no directory", _gone, "refused", frozenset(range(300))),
)

LAYOUTS: Sequence[Layout] = (*OF_PROGRAMS, *OF_PLACES, *OF_CLOCKS, *OF_DAMAGE, *OF_HOLES)
