"""A recorder keeps its ring within its bounds, and what it writes is a source of Docket."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.packet.pcap import FILE_HEADER_BYTES, file_header
from docket.packet.records import scan
from docket.workers.recorder.ring import Ring
from docket.workers.sources.base import Shortfall
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from tests.cli.running_server import DOCKET
from tests.services import frames
from tests.services.answers import whole_answer
from tests.services.child import ChildProcess
from tests.services.needs import program
from tests.services.network import Namespace
from tests.services.waiting import wait_until

MB = 1_000_000


def ring(directory: Path, most_bytes: int = 10 * MB, min_free_bytes: int = 0) -> Ring:
    return Ring(directory, "em1", most_bytes, min_free_bytes)


def fill(directory: Path, count: int, size: int = MB) -> list[Path]:
    """Files as dumpcap names them, the oldest first."""
    paths = [directory / f"em1_{number:05}_20261128.pcapng" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes(size))
        os.utime(path, (number, number))
    return paths


def test_oldest_files_go_until_another_one_fits(tmp_path: Path) -> None:
    """A ring of 10 MB with files of 1 MB holds nine of them beside the one that is written."""
    paths = fill(tmp_path, 14)
    assert ring(tmp_path).prune() == 5
    assert sorted(tmp_path.iterdir()) == paths[5:]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """Another interface, another recorder, and notes."""
    others = [tmp_path / name for name in ("em2_00001_2026.pcapng", "em1.pcap", "em1_notes.txt", "em10_1.pcapng")]
    for path in others:
        path.write_bytes(bytes(12 * MB))
    fill(tmp_path, 14)
    ring(tmp_path).prune()
    assert all(path.exists() for path in others)


def test_a_full_disk_takes_all_but_the_newest_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When that does not help, there is no room: nothing is recorded."""
    paths = fill(tmp_path, 4)
    monkeypatch.setattr(Ring, "free_bytes", lambda _: 5)
    full = ring(tmp_path, min_free_bytes=10)
    assert (full.prune(), full.has_room()) == (3, False)
    assert list(tmp_path.iterdir()) == paths[-1:]


def test_dumpcap_is_held_within_the_ring_and_nothing_is_lost(tmp_path: Path) -> None:
    """30 MB on a real cable: never much more than the ring on disk, and its newest packets are found."""
    directory = tmp_path / "captures"
    config = tmp_path / "docket.yaml"
    config.write_text(
        "spool: {min_free: 1MB}\n"
        f"sources: [{{name: 'rock01:em1', kind: capture-files, path: {directory}, ring: 10MB}}]\n"
    )
    program("dumpcap", "wireshark-common")
    namespace = Namespace(tmp_path)
    recorder: ChildProcess | None = None
    try:
        namespace.add_cable("em1", "wire1")
        command = namespace.command([*DOCKET, "--config", str(config), "record", "em1"])
        recorder = ChildProcess(command, tmp_path / "record.log")
        wait_until(lambda: not recorder.running or list(directory.glob("em1_*")), "the first file", timeout_s=30)
        recorder.must_run()
        traffic, sent = _traffic(tmp_path / "traffic.pcap")
        replay = [program("tcpreplay", "tcpreplay"), "-q", "-i", "wire1", "--mbps=80"]
        for turn in range(10):
            namespace.run([*replay, str(traffic)])
            size = sum(path.stat().st_size for path in directory.iterdir())
            assert size < 12 * MB, turn
        wait_until(lambda: _found(directory) >= sent, "the packets of the last turn", timeout_s=20)
        assert recorder.stop() == 0
        assert sum(path.stat().st_size for path in directory.iterdir()) <= 11 * MB
        assert _found(directory) >= sent
    finally:
        if recorder is not None:
            recorder.kill()
        namespace.close()


def test_what_the_kernel_drops_is_counted_and_is_a_gap(tmp_path: Path) -> None:
    """dumpcap is stopped while more passes than the kernel keeps: not one packet is missing that was not counted, the
    figure says so at once, and the file that lacks them does when the next one is begun."""
    directory, config = tmp_path / "captures", tmp_path / "docket.yaml"
    config.write_text(f"sources: [{{name: 'rock01:em1', kind: capture-files, path: {directory}, ring: 500MB}}]\n")
    namespace = Namespace(tmp_path)
    recorder: ChildProcess | None = None
    try:
        namespace.add_cable("em1", "wire1")
        command = [*DOCKET, "--config", str(config), "record", "em1", "--metrics", "127.0.0.1:9471"]
        recorder = ChildProcess(namespace.command(command), tmp_path / "record.log")
        wait_until(lambda: not recorder.running or list(directory.glob("em1_*")), "the first file", timeout_s=30)
        recorder.must_run()
        traffic, _ = _traffic(tmp_path / "traffic.pcap")
        replay = [program("tcpreplay", "tcpreplay"), "-q", "-i", "wire1", "--topspeed"]
        namespace.run([*replay, str(traffic)])
        wait_until(lambda: _figure(namespace, "packets") == 2200, "the first packets")
        assert (_figure(namespace, "dropped_packets"), _shortfalls(directory)) == (0, ())
        tasks = Path(f"/proc/{recorder.pid}/task").glob("*/children")
        (child,) = [pid for task in tasks for pid in task.read_text().split()]
        os.kill(int(child), signal.SIGSTOP)
        namespace.run([*replay, "--loop=30", str(traffic)])
        os.kill(int(child), signal.SIGCONT)
        wait_until(lambda: _figure(namespace, "dropped_packets"), "the figure")
        wait_until(
            lambda: _figure(namespace, "packets") + _figure(namespace, "dropped_packets") == 31 * 2200, "every packet"
        )
        wait_until(lambda: len(list(directory.iterdir())) > 3, "files after the one that lacks them")
        wait_until(lambda: _shortfalls(directory), "the gap")
        dropped = int(_figure(namespace, "dropped_packets"))
        assert recorder.stop() == 0
        (shortfall,) = _shortfalls(directory)
        assert shortfall.verdict == "gap"
        assert "the recorder dropped" in shortfall.sentence
        assert _found(directory, "") + dropped == 31 * 2200
    finally:
        if recorder is not None:
            recorder.kill()
        namespace.close()


def test_an_interface_that_is_down_or_away_is_waited_for(tmp_path: Path) -> None:
    """It is recorded again as soon as it is back, by the same process; the log says what it waits for."""
    directory, config, log = tmp_path / "captures", tmp_path / "docket.yaml", tmp_path / "record.log"
    config.write_text(f"sources: [{{name: 'rock01:em1', kind: capture-files, path: {directory}, ring: 500MB}}]\n")
    namespace = Namespace(tmp_path)
    recorder: ChildProcess | None = None
    traffic, sent = _traffic(tmp_path / "traffic.pcap")
    replay = [program("tcpreplay", "tcpreplay"), "-q", "-i", "wire1", "--mbps=80", str(traffic)]
    try:
        recorder = ChildProcess(namespace.command([*DOCKET, "--config", str(config), "record", "em1"]), log)
        wait_until(lambda: "em1 is not there" in log.read_text(), "the log", timeout_s=30)
        for turn in (1, 2):
            namespace.add_cable("em1", "wire1")
            _wait_for(lambda: len(list(directory.glob("em1_*"))), turn)
            namespace.run(replay)
            _wait_for(lambda: _found(directory), turn * sent)
            namespace.run(["ip", "link", "del", "em1"])
            _wait_for(lambda: log.read_text().count("em1 is not there"), turn + 1)
        namespace.run(["ip", "link", "add", "em1", "type", "veth", "peer", "name", "wire1"])
        wait_until(lambda: "em1 is down" in log.read_text(), "the log", timeout_s=30)
        recorder.must_run()
        assert recorder.stop() == 0
    finally:
        if recorder is not None:
            recorder.kill()
        namespace.close()


def _wait_for(count: Callable[[], int], number: int) -> None:
    wait_until(lambda: count() == number, f"a count of {number}", timeout_s=30)


def _figure(namespace: Namespace, name: str) -> float:
    """One of the recorder's own."""
    fetch = namespace.command([program("curl", "curl"), "-s", "http://127.0.0.1:9471/metrics"])
    text = subprocess.run(fetch, capture_output=True, text=True, check=False).stdout
    found = re.search(rf'^docket_record_{name}_total{{interface="em1"}} (\S+)$', text, flags=re.MULTILINE)
    return float(found[1]) if found else -1.0


def _traffic(path: Path) -> tuple[Path, int]:
    """3 MB, and how many packets of it go to port 7777."""
    records, wanted = [], 0
    for number in range(2200):
        port = 7777 if number % 100 == 0 else 80
        wanted += port == 7777
        payload = frames.udp("10.0.0.1", "10.0.0.2", (40_000, port), bytes(1300))
        frame = frames.ethernet(
            "02:00:00:00:00:01", "02:00:00:00:00:02", frames.ip("10.0.0.1", "10.0.0.2", frames.UDP, payload)
        )
        records.append(struct.pack("<IIII", 1, number, len(frame), len(frame)) + frame)
    path.write_bytes(file_header() + b"".join(records))
    return path, wanted


def _found(directory: Path, query: str = "port 7777") -> int:
    """Packets that the source finds."""
    return _asked(directory, query)[0]


def _shortfalls(directory: Path) -> tuple[Shortfall, ...]:
    """What the source says is missing; that the newest file still grows is not meant."""
    return tuple(one for one in _asked(directory, "")[1] if one.verdict != "not-yet")


def _asked(directory: Path, query: str) -> tuple[int, tuple[Shortfall, ...]]:
    source = CaptureFilesSource(CaptureFilesConfig("rock01:em1", directory))
    stop, window = threading.Event(), Window(0, 1 << 60)
    with source.read(parse(query), window, most_bytes=None, most_packets=None, stop=stop) as reading:
        answer = whole_answer(reading)
        return _packets(answer), reading.shortfalls()


def _packets(answer: bytes) -> int:
    return len(scan(answer, start=FILE_HEADER_BYTES).records)
