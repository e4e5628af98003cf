"""What Suricata records is found to the packet, while it writes and afterwards."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from docket.domain.timewindow import format_us, parse_time_us
from docket.packet.pcap import file_header
from tests.browser.server import Server
from tests.cli.running_server import RunningServer
from tests.index.recorded import Packet, packets_of
from tests.services import frames
from tests.services.needs import program
from tests.services.waiting import wait_until
from tests.suricata.conftest import TREE
from tests.suricata.suricata import Suricata

PACKETS = 36_000
MBPS = 24
HOSTS = [f"10.1.{number}.7" for number in range(40)]
PORTS = (53, 80, 443, 8443)
US = 1_000_000
QUESTIONS = int(os.environ.get("QUESTIONS", "200"))
LAG_S = 3
PAUSE_S = 0.25
"""From one question to the next while the files grow."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("mode", "compression"), [("multi", "lz4"), ("multi", "none"), ("normal", "lz4")])
def test_answers_are_what_tcpdump_saw(tmp_path: Path, mode: str, compression: str) -> None:
    """Asked while the files grow, an answer that says it is whole is; and in the end every packet is found."""
    chance = random.Random(int(os.environ.get("SEED", "1")))
    made = _traffic(tmp_path / "made.pcap", chance)
    with Suricata(Path(TREE), mode=mode, compression=compression) as suricata:
        config = tmp_path / "docket.yaml"
        source = f"{{name: 'rock01:em1', kind: capture-files, path: {suricata.captures}, flush_lag: {LAG_S}s}}"
        config.write_text(f"sources: [{source}]\n")
        home = tmp_path / "home"
        home.mkdir()
        options = ("--listen", "127.0.0.1:0", "--config", str(config), "--spool", str(home / "spool"))
        with RunningServer(home, options=options, demo=False) as docket:
            server = Server(docket.url)
            begins_us = time.time_ns() // 1000
            replay = suricata.replay(made, MBPS)
            asked = []
            while replay.poll() is None:
                asked.append(_ask(server, chance, begins_us, time.time_ns() // 1000))
                _pause()
            live = [(server.wait(job["id"]), _download(server, job)) for job in asked]
            truth = packets_of(suricata.finish(PACKETS))
            ends_us = time.time_ns() // 1000
            wait_until(lambda: time.time_ns() // 1000 > ends_us + LAG_S * US, "the last packets to count as written")
            first_us, last_us = truth[0][0] // 1000, truth[-1][0] // 1000
            later = [_ask(server, chance, first_us, last_us) for _ in range(QUESTIONS)]
            rest = [(server.wait(job["id"]), _download(server, job)) for job in later]
            server.http.close()
    assert len(truth) == PACKETS
    verdicts = [_judged(job, found, truth, tmp_path) for job, found in live + rest]
    found_live, found_later = verdicts[: len(live)], verdicts[len(live) :]
    assert set(found_later) <= {"complete", "empty"}, Counter(found_later)
    assert found_later.count("complete") > QUESTIONS // 4
    assert len(found_live) >= 10, Counter(found_live)
    print(f"{mode}, {compression}: while it wrote {dict(Counter(found_live))}, afterwards {dict(Counter(found_later))}")


def _pause() -> None:
    until_s = time.monotonic() + PAUSE_S
    wait_until(lambda: time.monotonic() > until_s, "the time of the next question")


def _traffic(path: Path, chance: random.Random) -> Path:
    """Packets whose content does not compress, so that files fill."""
    pieces = [file_header()]
    for number in range(PACKETS):
        one, other = chance.sample(HOSTS, 2)
        data = frames.udp(one, other, (chance.randrange(1024, 1100), chance.choice(PORTS)), chance.randbytes(600))
        frame = frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", frames.ip(one, other, frames.UDP, data))
        head = (1_700_000_000, number, len(frame), len(frame))
        pieces.append(b"".join(value.to_bytes(4, "little") for value in head) + frame)
    path.write_bytes(b"".join(pieces))
    return path


def _ask(server: Server, chance: random.Random, begins_us: int, ends_us: int) -> dict[str, Any]:
    """A question about a part of the time, or all of it."""
    first, last = sorted(chance.randrange(begins_us, ends_us + 1) for _ in range(2))
    query = chance.choice(
        (
            f"host {chance.choice(HOSTS)}",
            f"port {chance.choice(PORTS)}",
            f"src host {chance.choice(HOSTS)} and port {chance.choice(PORTS)}",
            f"host {HOSTS[0]} and host {chance.choice(HOSTS[1:])}",
            f"not port {PORTS[0]}",
        )
    )
    return server.ask(query, format_us(first), before=format_us(max(last, first + 1)))


def _download(server: Server, job: dict[str, Any]) -> bytes:
    response = server.http.get(f"{server.url}api/v1/jobs/{job['id']}/pcap", timeout=60)
    return response.content if response.status_code == 200 else b""


def _judged(job: dict[str, Any], capture: bytes, truth: list[Packet], place: Path) -> str:
    """The verdict, which must be true; packets are those of tcpdump, none twice."""
    [source] = job["sources"]
    verdict: str = source["verdict"]
    expected, found = _by_tcpdump(job, truth, place), packets_of(capture)
    what = (job["query"], job["after"], job["before"], source, len(found), len(expected))
    assert Counter(found) <= Counter(expected), what
    if verdict in ("complete", "empty"):
        assert len(found) == len(expected), what
    return verdict


def _by_tcpdump(job: dict[str, Any], truth: list[Packet], place: Path) -> list[Packet]:
    """The packets of the window that tcpdump's own filter takes."""
    window = place / "window.pcap"
    after_ns, before_ns = (parse_time_us(job[name], None) * 1000 for name in ("after", "before"))
    inside = [packet for packet in truth if after_ns <= packet[0] < before_ns]
    window.write_bytes(file_header() + b"".join(map(_record, inside)))
    command = [program("tcpdump", "tcpdump"), "-n", "-r", window, "-w", "-", "--", job["query"]]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return packets_of(done.stdout)


def _record(packet: Packet) -> bytes:
    at_ns, wire, data = packet
    head = (*divmod(at_ns // 1000, US), len(data), wire)
    return b"".join(value.to_bytes(4, "little") for value in head) + data
