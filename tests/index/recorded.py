"""Directories as recorders leave them, random questions about them, and what tcpdump answers file by file."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from docket.config.model import CaptureFilesConfig
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.index.selector import IndexSelector
from docket.packet.pcap import FILE_HEADER_BYTES, file_header, parse_file_header
from docket.packet.records import scan
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.index.captures import FIRST_S
from tests.services import frames
from tests.services.answers import whole_answer
from tests.services.needs import program

US = 1_000_000
HOSTS = [f"10.1.{n}.7" for n in range(60)]
SPAN_S = 600
RING = ("-b", "filesize:20", "-b", "files:8")

Packet = tuple[int, int, bytes]
"""Time in nanoseconds, length on the wire, bytes."""


def traffic(path: Path, seed: int, packets: int) -> Path:
    """Ten minutes in which the hosts change, as a capture."""
    chance = random.Random(seed)
    body = b"".join(_record(chance, number / packets) for number in range(packets))
    path.write_bytes(file_header() + body)
    return path


def _record(chance: random.Random, share: float) -> bytes:
    begin = int(share * (len(HOSTS) - 12))
    one, other = chance.sample(HOSTS[begin : begin + 12], 2)
    ports = (chance.randrange(1024, 1100), chance.choice((53, 80, 443)))
    tcp = chance.random() < 0.5
    payload = b"x" * chance.choice((0, 40, 400))
    data = frames.tcp(one, other, ports, payload) if tcp else frames.udp(one, other, ports, payload)
    packet = frames.ip(one, other, frames.TCP if tcp else frames.UDP, data)
    frame = frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)
    time_us = FIRST_S * US + int(share * SPAN_S * US)
    head = (time_us // US, time_us % US, len(frame), len(frame))
    return b"".join(value.to_bytes(4, "little") for value in head) + frame


def by_recorders(directory: Path, place: Path, seed: int) -> None:
    """Files of dumpcap, of tcpdump by size and by time, and of netsniff-ng; some packed, one cut off."""
    commands: dict[str, list[str | Path]] = {
        "dumpcap": [program("dumpcap", "wireshark-common"), "-q", "-i", "-", *RING, "-w", "ring.pcapng"],
        "size": [program("tcpdump", "tcpdump"), "-n", "-Z", "root", "-r", "-", "-C", "1", "-W", "4", "-w", "size.pcap"],
        "time": [program("tcpdump", "tcpdump"), "-n", "-Z", "root", "-r", "-", "-G", "60", "-w", "%s.pcap"],
    }
    for number, (name, command) in enumerate(commands.items()):
        target = directory / name
        target.mkdir()
        with traffic(place / "made.pcap", seed + number, 1500).open("rb") as made:
            subprocess.run(command, cwd=target, stdin=made, check=True, capture_output=True, timeout=60)
    source = traffic(place / "made.pcap", seed + 9, 700)
    sniffer: list[str | Path] = [
        program("netsniff-ng", "netsniff-ng"),
        "--in",
        source,
        "--out",
        directory / "netsniff.pcap",
        "--silent",
    ]
    subprocess.run(sniffer, check=True, capture_output=True, timeout=60)
    for number, path in enumerate(sorted((directory / "time").iterdir())[:2]):
        packer = ("lz4", "zstd")[number]
        if shutil.which(packer) is not None:
            subprocess.run([packer, "-q", path, f"{path}.{packer}"], check=True, timeout=60)
            (place / "plain").mkdir(exist_ok=True)
            shutil.move(path, place / "plain" / path.name)
    last = sorted((directory / "time").iterdir())[-1]
    with last.open("r+b") as file:
        file.truncate(last.stat().st_size - 7)


def plain_files(directory: Path, place: Path) -> list[Path]:
    """What tcpdump can read: of packed files what they were before."""
    here = [path for path in sorted(directory.rglob("*")) if path.is_file() and path.suffix not in (".lz4", ".zstd")]
    return [*sorted((place / "plain").glob("*")), *here]


def question(chance: random.Random) -> tuple[str, Window]:
    host, other, port = *chance.sample(HOSTS, 2), chance.choice((53, 80, 443, chance.randrange(1024, 1100)))
    text = chance.choice(
        (
            f"host {host}",
            f"src host {host}",
            f"port {port}",
            f"host {host} and port {port}",
            f"host {host} and host {other}",
            f"net {host.removesuffix('.7')}.0/24 or port {port}",
            f"host {host} and not port 443",
            f"udp and port {port}",
            "",
        )
    )
    after_s = FIRST_S + chance.randrange(-50, SPAN_S)
    return text, Window(after_s * US + chance.randrange(US), (after_s + chance.choice((2, 10, 100, 1000))) * US + US)


def answer(directory: Path, selector: IndexSelector | None, text: str, window: Window) -> list[Packet]:
    """The packets of a reading, in order of time."""
    source = CaptureFilesSource(CaptureFilesConfig("rock01:em1", directory), selector=selector)
    with source.read(parse(text), window, most_bytes=None, most_packets=None, stop=threading.Event()) as reading:
        return packets_of(whole_answer(reading))


def by_tcpdump(files: Sequence[Path], text: str, window: Window) -> list[Packet]:
    """The same from tcpdump, which reads each file alone and takes the queries as they stand."""
    return _inside([packet for path in files for packet in packets_of(_written(["-r", path], text))], window)


def joined_by_tcpdump(files: Sequence[Path], path: Path) -> Path:
    """All packets that tcpdump finds in the files, as one file: so that a question costs one run of it."""
    path.write_bytes(file_header() + b"".join(_written(["-r", one], "")[FILE_HEADER_BYTES:] for one in files))
    return path


def _written(files: Sequence[str | Path], text: str) -> bytes:
    command: list[str | Path] = [program("tcpdump", "tcpdump"), "-n", *files, "-w", "-", "--", text]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).stdout


def _inside(found: Sequence[Packet], window: Window) -> list[Packet]:
    after_ns, before_ns = window.after_us * 1000, window.before_us * 1000
    return sorted(one for one in found if after_ns <= one[0] < before_ns)


def packets_of(capture: bytes) -> list[Packet]:
    if len(capture) < FILE_HEADER_BYTES:
        return []
    one = scan(capture, start=FILE_HEADER_BYTES, nanoseconds=parse_file_header(capture).nanoseconds).records
    columns = (one.time_ns.tolist(), one.original.tolist(), one.data_at.tolist(), one.captured.tolist())
    return sorted((at, wire, capture[start : start + size]) for at, wire, start, size in zip(*columns, strict=True))
