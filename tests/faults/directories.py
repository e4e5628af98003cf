"""Every layout of a directory, asked through one running Docket: each is a source of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.browser.server import Server
from tests.cli.running_server import RunningServer
from tests.faults.layout_recipes import BEGIN_US
from tests.faults.layouts import LAYOUTS, Layout
from tests.faults.outcome import FULL, Outcome, seconds
from tests.faults.packets import US_PER_S, Packet
from tests.services.truth import packets_of

QUERIES = ("", "port 53")


@dataclass(frozen=True, slots=True)
class _Asked:
    layout: Layout
    source: str
    job: dict[str, Any]
    query: str


def harmless() -> set[str]:
    """The rows that must cost no packet."""
    whole = [layout for layout in LAYOUTS if layout.verdict == "complete"]
    return {_name(layout, query) for layout in whole for query in QUERIES if not (layout.odd and query)}


def _name(layout: Layout, query: str) -> str:
    return layout.name + (f", {query}" if query else "")


def ask_directories(place: Path) -> Iterator[Outcome]:
    """Each layout for everything and for a port, in its window."""
    sources = []
    for number, layout in enumerate(LAYOUTS):
        directory = place / f"made{number:02}" / "captures"
        directory.mkdir(parents=True)
        layout.make(directory)
        sources.append((f"rock01:d{number:02}", directory))
    config = place / "docket.yaml"
    lines = (f"  - {{name: 'NAME', kind: capture-files, path: {path}}}".replace("NAME", name) for name, path in sources)
    config.write_text("\n".join(["sources:", *lines, ""]))
    home = place / "home"
    home.mkdir()
    options = ("--listen", "127.0.0.1:0", "--config", str(config), "--spool", str(home / "spool"))
    with RunningServer(home, options=options, demo=False) as docket:
        server = Server(docket.url)
        asked = [
            _Asked(layout, name, _ask(server, layout, name, query), query)
            for layout, (name, _) in zip(LAYOUTS, sources, strict=True)
            for query in QUERIES
        ]
        for one in asked:
            yield _outcome(server, one)
        server.http.close()


def _ask(server: Server, layout: Layout, source: str, query: str) -> dict[str, Any]:
    first, last = (BEGIN_US // US_PER_S + second for second in layout.window)
    return server.ask(query, _moment(first), before=_moment(last), sources=[source])


def _moment(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _outcome(server: Server, one: _Asked) -> Outcome:
    job = server.wait(one.job["id"])
    [source] = job["sources"]
    expected = [packet for packet in one.layout.expected if not one.query or _port(packet) == 53]
    response = server.http.get(f"{server.url}api/v1/jobs/{job['id']}/pcap", timeout=30)
    got = [Packet(packet.time_us, packet.frame) for packet in packets_of(response.content)] if response.ok else []
    name = _name(one.layout, one.query)
    wrong = tuple(_wrong(one, source, job["state"], expected, got))
    return Outcome(name, source["verdict"], job["state"], source["sentence"], seconds(job), wrong)


def _wrong(one: _Asked, source: dict[str, Any], state: str, expected: list[Packet], got: list[Packet]) -> Iterator[str]:
    wanted = one.layout.verdict
    if wanted == "complete":
        wanted = "cut" if one.layout.odd and one.query else "complete" if expected else "empty"
    if source["verdict"] != wanted:
        yield f"the verdict is {source['verdict']} and must be {wanted}: {source['sentence']}"
    if (state == "completed") != (source["verdict"] in FULL):
        yield f"{source['verdict']} makes the job {state}"
    missing, more = Counter(expected) - Counter(got), Counter(got) - Counter(expected)
    if (missing and not one.layout.may_lack) or more:
        yield f"{missing.total()} of {len(expected)} packets are missing, {more.total()} are too many"
    if not re.search(r"[.;)]$", source["sentence"]):
        yield f"no sentence: {source['sentence']!r}"


def _port(packet: Packet) -> int:
    """Where the packet goes to."""
    return int.from_bytes(packet.data[36:38], "big")
