"""How capture directories come to look as they do: by programs, copies, crashes and clocks. For `layouts`.

300 packets, one a second, are put into files by the programs that people use, and then what happens to files in the
world happens to them. What a function gives or is takes the directory that it changes.
"""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.faults.packets import US_PER_S, Packet, capture, udp
from tests.services.needs import program

BEGIN_US = 1_700_000_000 * US_PER_S
PACKETS = [udp(BEGIN_US + number * US_PER_S, port=(53, 80, 443)[number % 3], size=200) for number in range(300)]
OLD_S = BEGIN_US // US_PER_S + 300
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)

Make = Callable[[Path], None]


def run(place: Path, *command: str | Path, data: bytes | None = None) -> None:
    """Run a program in the directory."""
    found = program(str(command[0]), str(command[0]))
    subprocess.run([found, *command[1:]], cwd=place, input=data, check=True, capture_output=True, timeout=60)


def whole(packets: Iterable[Packet] = PACKETS) -> bytes:
    return HEADER + capture(packets)


def aged(place: Path) -> None:
    """As if each file had last been written when the next one was begun, by their names."""
    files = sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    for after, path in enumerate(reversed(files)):
        os.utime(path, (OLD_S - 60 * after, OLD_S - 60 * after))


def by_minute(place: Path) -> None:
    """A file a minute, as a recorder that rotates by time leaves them."""
    plain = place.parent / f"{place.name}.in"
    plain.write_bytes(whole())
    run(place, "editcap", "-F", "pcap", "-i", "60", plain, "minute.pcap")
    aged(place)


def tcpdump_copy(place: Path) -> None:
    run(place, "tcpdump", "-n", "-Z", "root", "-r", "-", "-w", "one.pcap", data=whole())
    aged(place)


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
        aged(place)

    return make


def converted(kind: str) -> Make:
    """As editcap writes it."""

    def make(place: Path) -> None:
        (place.parent / f"{place.name}.in").write_bytes(whole())
        run(place, "editcap", "-F", kind, place.parent / f"{place.name}.in", f"one.{kind}")
        aged(place)

    return make


def packed(packer: str, *options: str) -> Make:
    """Every file packed by a program, which takes the plain one away."""

    def make(place: Path) -> None:
        for path in minutes(place):
            run(place, packer, *options, path)
            path.unlink(missing_ok=True)
        aged(place)

    return make


def changed(number: int, change: Callable[[bytearray], None]) -> Make:
    """The bytes of one of the files by minute are not what they were."""

    def make(place: Path) -> None:
        path = minutes(place)[number]
        content = bytearray(path.read_bytes())
        change(content)
        path.write_bytes(content)
        aged(place)

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


def names_swapped(place: Path) -> None:
    one, other = minutes(place)[1:3]
    swap = place / "swap"
    one.rename(swap)
    other.rename(one)
    swap.rename(other)


def in_folders(place: Path) -> None:
    for number, path in enumerate(minutes(place)):
        deep = place / "2023" / f"{number:02}" / "pcap"
        deep.mkdir(parents=True)
        path.rename(deep / path.name)


def renamed_to(*names: bytes) -> Make:
    def make(place: Path) -> None:
        for path, name in zip(minutes(place), names, strict=False):
            os.rename(os.fsencode(path), os.fsencode(place) + b"/" + name)

    return make


def links_elsewhere(place: Path) -> None:
    away = place.parent / f"{place.name}.away"
    away.mkdir()
    for path in minutes(place):
        path.rename(away / path.name)
        path.symlink_to(away / path.name)


def three_names(place: Path) -> None:
    for path in minutes(place):
        (place / f"again-{path.name}").hardlink_to(path)
        (place / f"link-{path.name}").symlink_to(path)


def links_in_a_circle(place: Path) -> None:
    (place / "loop").symlink_to(place)
    (place / "to-itself").symlink_to("to-itself")


def special_files(place: Path) -> None:
    os.mkfifo(place / "fifo.pcap")
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(place)  # the path of a socket is short
        try:
            one.bind("socket.pcap")
        finally:
            os.chdir(here)
    os.mknod(place / "null.pcap", 0o600 | 0o020000, os.makedev(1, 3))


def touched(at_s: float | None) -> Make:
    def make(place: Path) -> None:
        for path in minutes(place):
            os.utime(path, None if at_s is None else (at_s, at_s))

    return make


def two_threads(place: Path) -> None:
    """Two threads of a recorder, each with every other packet."""
    for thread in (0, 1):
        (place / f"log.{thread}.pcap").write_bytes(whole(PACKETS[thread::2]))
    aged(place)


def merged_youngest_first(place: Path) -> None:
    """mergecap -a in the wrong order: the first packets are the youngest."""
    for number, part in enumerate((PACKETS[150:], PACKETS[:150])):
        (place.parent / f"{place.name}.{number}").write_bytes(whole(part))
    parts = [place.parent / f"{place.name}.{number}" for number in (0, 1)]
    run(place, "mergecap", "-a", "-w", "merged.pcapng", *parts)
    aged(place)


def dumpcap_ring(*options: str) -> Make:
    """dumpcap with a ring that is large enough."""

    def make(place: Path) -> None:
        run(place, "dumpcap", "-q", "-i", "-", *options, "-w", "ring.pcapng", data=whole())
        aged(place)

    return make


def netsniff(place: Path) -> None:
    plain = place.parent / f"{place.name}.in"
    plain.write_bytes(whole())
    run(place, "netsniff-ng", "--in", plain, "--out", "sniffed.pcap", "--silent")
    aged(place)


def big_endian() -> bytes:
    header = struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
    records = (struct.pack(">IIII", *divmod(one.time_us, US_PER_S), *[len(one.data)] * 2) + one.data for one in PACKETS)
    return header + b"".join(records)


def with_times(change: Mapping[int, tuple[int, int]]) -> bytes:
    """A whole file in which some packets have other seconds and fractions."""
    content = bytearray(whole())
    for number, (seconds, fraction) in change.items():
        struct.pack_into("<II", content, record_at(content, number), seconds, fraction)
    return bytes(content)


def with_inserted(number: int, odd: bytes) -> bytes:
    """A whole file with an odd record in front of a packet."""
    content = whole()
    at = record_at(content, number)
    return content[:at] + odd + content[at:]


def short_snaplen() -> bytes:
    return HEADER[:16] + struct.pack("<II", 64, 1) + capture(PACKETS)


def cut_by(by: int) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        del content[-by:]

    return change


def zeroed(begin: int, length: int) -> Callable[[bytearray], None]:
    """From a packet on, so many bytes of zeros."""

    def change(content: bytearray) -> None:
        at = record_at(content, begin) if begin else 0
        content[at : at + length] = bytes(length)

    return change


def byte_changed(content: bytearray) -> None:
    content[len(content) // 2] ^= 0xFF


def zeros_behind(content: bytearray) -> None:
    content += bytes(4096)


def two_sections(place: Path) -> None:
    """Two sections of pcapng in one file."""
    content = b""
    for number, part in enumerate((PACKETS[:150], PACKETS[150:])):
        plain = place.parent / f"{place.name}.{number}"
        plain.write_bytes(whole(part))
        run(place, "editcap", "-F", "pcapng", plain, f"part{number}")
        content += (place / f"part{number}").read_bytes()
        (place / f"part{number}").unlink()
    one_file(content, "two.pcapng")(place)


def appended(content: bytes) -> Make:
    def make(place: Path) -> None:
        for path in place.iterdir():
            with path.open("ab") as file:
                file.write(content)
        aged(place)

    return make


def shortened(by: int) -> Make:
    def make(place: Path) -> None:
        for path in place.iterdir():
            path.write_bytes(path.read_bytes()[:-by])
        aged(place)

    return make


def written_now(place: Path) -> None:
    """The recorder is still at it."""
    for path in place.iterdir():
        os.utime(path)


def half_a_record_behind(place: Path) -> None:
    """The newest file ends within a record, as one does that is being written."""
    path = minutes(place)[-1]
    path.write_bytes(path.read_bytes() + bytes(7))
    os.utime(path)


def one_packed(place: Path) -> None:
    """One minute packed, the others not."""
    path = minutes(place)[2]
    run(place, "gzip", "-q", path)
    aged(place)


def gzip_of_two_parts(place: Path) -> None:
    """Two parts of gzip, one behind the other, in one file."""
    run(place, "gzip", "-q", *minutes(place)[1:3])
    one, other = sorted(place.glob("*.gz"))
    # The second member goes on without a file header, as a program does that appends.
    rest = gzip.decompress(other.read_bytes())[len(HEADER) :]
    one.write_bytes(one.read_bytes() + gzip.compress(rest))
    other.unlink()
    aged(place)


def with_a_tar(packed_s: int) -> Make:
    """Captures packed by tar beside the others, at that time after the first packet, in seconds."""

    def make(place: Path) -> None:
        plain = place.parent / f"{place.name}.pcap"
        plain.write_bytes(whole(PACKETS[:5]))
        run(place, "tar", "-cf", "old.tar", "-C", plain.parent, plain.name)
        packed_at_s = BEGIN_US // US_PER_S + packed_s
        os.utime(place / "old.tar", (packed_at_s, packed_at_s))

    return make


def directory_gone(place: Path) -> None:
    shutil.rmtree(place)
