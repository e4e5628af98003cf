"""Traffic recorded by the real stenotype: packet and index files that a stenographer can serve at once.

stenotype has no way to read a capture file, so the traffic is replayed over a cable in a network namespace and
recorded there. For the fixtures in stenographer.py and for bench/. Needs root.
"""

import shutil
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.network import Namespace
from tests.services.truth import as_stored
from tests.services.waiting import wait_until

STENOGRAPHER_USER = "stenographer"

_BLOCK_BYTES = 1 << 20
_BLOCK_HEADER = struct.Struct("<IIIIIIQIIII")
"""tpacket_block_desc of TPACKET_V3 (linux/if_packet.h): version, private, status, packets, first, length, …"""
_PACKET_TIME = struct.Struct("<II")
"""Seconds and nanoseconds in a tpacket3_hdr, after the four bytes of the offset to the next packet."""

# Python has no name for it; the number is that of every Linux but Alpha, MIPS, PA-RISC and SPARC.
_SO_TIMESTAMP = 29


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One packet file of stenotype and its index file; both are named by their start, in µs since 1970."""

    packets: Path
    index: Path

    @property
    def start_us(self) -> int:
        """When the file was begun, in µs since 1970 UTC. The name must stay: stenographer reads it."""
        return int(self.packets.name)


@dataclass(frozen=True, slots=True)
class Recording:
    """What stenotype wrote of one interface, and what tcpdump saw there at the same time."""

    files: tuple[StoredFile, ...]
    packets: int
    wire: Path | None
    """tcpdump's capture, microseconds; None if it was not asked for."""
    truth: Path | None
    """The same packets as a stenographer gives them back: without the outermost VLAN tag."""


def record(
    captures: Mapping[str, Path],
    directory: Path,
    *,
    pace: Sequence[str] = (),
    file_age_s: int = 60,
    blocks: int = 64,
    with_truth: bool = True,
) -> dict[str, Recording]:
    """Replay a capture per interface, all at once, and record each with stenotype (and tcpdump).

    `pace` are tcpreplay's options (as recorded if empty; `--mbps=800 --preload-pcap` for bulk), `file_age_s`
    the age at which stenotype begins a new file, `blocks` its buffer in MB. The directory must be reachable
    by the user stenographer. Raises RuntimeError if a packet was lost or a program failed. Takes the length
    of the replay and about 2 s.
    """
    needs.program("stenotype", "stenographer")
    needs.program("tcpreplay", "tcpreplay")
    options = [f"--fileage_sec={file_age_s}", f"--blocks={blocks}"]
    with ExitStack() as cleanup:
        cleanup.enter_context(packets_stamped_once())
        network = Namespace(directory)
        cleanup.callback(network.close)
        takes = {}
        for name in captures:
            network.add_cable(name, f"{name}-wire")
            takes[name] = _Take(network, name, directory / name, _Size.of(captures[name]), options, with_truth)
            cleanup.callback(takes[name].close)
        for take in takes.values():
            take.wait_until_listening()
        _replay(network, captures, directory, pace)
        return {name: take.finish() for name, take in takes.items()}


def shifted(stored: StoredFile, by_us: int, directory: Path) -> StoredFile:
    """Copy a file pair into a directory with every time moved by so many µs; the packets stay as they are."""
    directory.mkdir(parents=True, exist_ok=True)
    content = bytearray(stored.packets.read_bytes())
    for block in range(0, len(content), _BLOCK_BYTES):
        _, _, _, packets, first, *_ = _BLOCK_HEADER.unpack_from(content, block)
        place = block + first
        for _ in range(packets):
            (step,) = struct.unpack_from("<I", content, place)
            seconds, nanoseconds = _PACKET_TIME.unpack_from(content, place + 4)
            moved = seconds * 10**9 + nanoseconds + by_us * 1000
            _PACKET_TIME.pack_into(content, place + 4, *divmod(moved, 10**9))
            place += step
    name = str(stored.start_us + by_us)
    moved_file = StoredFile(directory / "packets" / name, directory / "index" / name)
    for path in (moved_file.packets, moved_file.index):
        path.parent.mkdir(exist_ok=True)
    moved_file.packets.write_bytes(content)
    shutil.copyfile(stored.index, moved_file.index)
    return moved_file


def count_packets(stored: StoredFile) -> int:
    """Count the packets of a finished packet file by its blocks."""
    total = 0
    with stored.packets.open("rb") as file:
        for block in range(0, stored.packets.stat().st_size, _BLOCK_BYTES):
            file.seek(block)
            total += _BLOCK_HEADER.unpack(file.read(_BLOCK_HEADER.size))[3]
    return total


class _Take:
    """The programs that record one interface."""

    def __init__(
        self,
        network: Namespace,
        interface: str,
        directory: Path,
        size: "_Size",
        options: Sequence[str],
        with_truth: bool,
    ) -> None:
        self._interface = interface
        self._size = size
        self._packets, self._index = directory / "PKT0", directory / "IDX0"
        for path in (self._packets, self._index):
            path.mkdir(parents=True)
            shutil.chown(path, STENOGRAPHER_USER, STENOGRAPHER_USER)
        self._wire, self._truth = directory / "wire.pcap", directory / "truth.pcap"
        self._stenotype = ChildProcess(
            network.command(
                [
                    needs.program("stenotype", "stenographer"),
                    f"--iface={interface}",
                    f"--dir={directory}/",
                    # It ends by itself after so many packets. At SIGINT it does so only when a packet comes.
                    f"--count={size.packets}",
                    *f"--uid={STENOGRAPHER_USER} --gid={STENOGRAPHER_USER} --threads=1 --aiops=16".split(),
                    # With its own filter of system calls stenotype dies now and then when it ends.
                    *["--filesize_mb=4096", "--blockage_sec=1", "--no_watchdogs", "--seccomp=none"],
                    *options,
                ]
            ),
            directory / "stenotype.log",
        )
        self._tcpdump = None
        if with_truth:
            command = f"-i {interface} -n -s 0 -B 65536 -U --time-stamp-precision=micro -w {self._wire} -Z root"
            self._tcpdump = ChildProcess(
                network.command([needs.program("tcpdump", "tcpdump"), *command.split()]),
                directory / "tcpdump.log",
            )

    def wait_until_listening(self) -> None:
        """Wait until no packet can be missed any more."""
        wait_until(self._listening, f"stenotype and tcpdump to listen on {self._interface}", timeout_s=30.0)

    def _listening(self) -> bool:
        self._stenotype.must_run()
        if self._tcpdump is not None:
            self._tcpdump.must_run()
            if "listening on" not in self._tcpdump.log_tail():
                return False
        return any(self._packets.iterdir())

    def finish(self) -> Recording:
        """Wait until all is written, end the programs and give what they wrote."""
        name, size = self._interface, self._size
        if self._tcpdump is not None:
            what = f"tcpdump to write {size.file_bytes} bytes of {name}"
            wait_until(lambda: self._wire.stat().st_size >= size.file_bytes, what, timeout_s=30.0)
            self._tcpdump.stop()
            as_stored(self._wire, self._truth)
        what = f"stenotype to see {size.packets} packets on {name} and end"
        wait_until(lambda: not self._stenotype.running, what, timeout_s=30.0)
        files = tuple(
            StoredFile(path, self._index / path.name)
            for path in sorted(self._packets.iterdir())
            if not path.name.startswith(".")
        )
        kept = sum(map(count_packets, files))
        if kept != size.packets:
            raise RuntimeError(f"{name}: stenotype kept {kept} of {size.packets} packets")
        for stored in files:
            stored.packets.chmod(0o444)
            stored.index.chmod(0o444)
        seen = self._tcpdump is not None
        return Recording(files, kept, self._wire if seen else None, self._truth if seen else None)

    def close(self) -> None:
        """End what is still running."""
        self._stenotype.kill()
        if self._tcpdump is not None:
            self._tcpdump.kill()


def packets_stamped_once() -> socket.socket:
    """Give an open socket that makes the kernel stamp each packet on arrival.

    Otherwise each capturing program gets the time at which the packet was copied for it, and stenotype's and
    tcpdump's differ by a microsecond or two.
    """
    stamper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stamper.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMP, 1)
    return stamper


def _replay(network: Namespace, captures: Mapping[str, Path], directory: Path, pace: Sequence[str]) -> None:
    """Send every capture down its cable, all at the same time, and wait for the end of the last."""
    tcpreplay = needs.program("tcpreplay", "tcpreplay")
    running = {}
    for name, capture in captures.items():
        command = network.command([tcpreplay, "-q", f"--intf1={name}-wire", *pace, str(capture)])
        with (directory / f"{name}-tcpreplay.log").open("wb") as log:
            running[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    for name, process in running.items():
        if process.wait(300.0) != 0:
            raise RuntimeError(f"tcpreplay: {(directory / f'{name}-tcpreplay.log').read_text()}")


class _Size(NamedTuple):
    """How much a capture file holds."""

    packets: int
    file_bytes: int

    @classmethod
    def of(cls, capture: Path) -> "_Size":
        content = capture.read_bytes()
        place, packets = 24, 0
        while place < len(content):
            place += 16 + int.from_bytes(content[place + 8 : place + 12], "little")
            packets += 1
        return cls(packets, len(content))
