"""A stenographer that lies, or was taken over: nothing of it is believed that it does not prove."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docket.workers.sources.stenographer.store import StenographerSource
from tests.attacks.attempt import Attempt
from tests.faults import scripts
from tests.faults.certificates import Authority
from tests.faults.packets import udp
from tests.faults.scripts import Script
from tests.faults.stand_in import StandIn
from tests.workers.requests import START_US, US, ask, read, steno_config

LIES: tuple[tuple[str, Script, str], ...] = (
    ("answer 500", scripts.status(500), "refused"),
    ("answer 403", scripts.status(403), "refused"),
    ("answer 400", scripts.status(400), "refused"),
    ("send a web page with status 200", scripts.web_page, "refused"),
    ("send garbage", scripts.garbage, "cut"),
    ("end a good answer early, as if it were whole", scripts.clean_end(300), "cut"),
    ("end in the middle of a packet", scripts.half_record(300), "cut"),
    ("break the connection", scripts.broken(300), "cut"),
    ("reset the connection", scripts.broken(300, reset=True), "cut"),
    ("never stop sending", scripts.endless, "limited"),
)


def attempts(place: Path) -> Iterator[Attempt]:
    """Every one, read by a worker over mutual TLS."""
    authority, other = Authority(place / "rock01"), Authority(place / "rock02")
    client, server = authority.issue("127.0.0.1_client"), authority.issue("127.0.0.1")
    packets = [udp(START_US + tenth * US // 10, 53 if tenth % 2 == 0 else 80) for tenth in range(3_000)]
    question = ask(START_US + 60 * US, START_US + 180 * US, size_bytes=1_000_000)
    for tried, script, expected in LIES:
        with StandIn(packets, authority, server) as steno:
            steno.script = script
            source = StenographerSource(steno_config(steno, client))
            verdict = read(source, question).verdict.value
            source.close()
        yield Attempt("stenographer that lies", "verdict", tried, expected, verdict)
    for tried, shown in (
        ("a certificate of another CA", other.issue("127.0.0.1")),
        ("another name", other.issue("evil")),
    ):
        with StandIn(packets, authority, shown) as steno:
            source = StenographerSource(steno_config(steno, client))
            verdict = read(source, question).verdict.value
            source.close()
        yield Attempt("stenographer that lies", "identity of a source", tried, "refused", verdict)
