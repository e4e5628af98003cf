"""A store that is asked for more than the query says: what comes is filtered, and nothing is lost at its limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from docket.bus.messages import FragmentKind
from docket.domain.job import Verdict
from docket.packet.pcap import RECORD_HEADER_BYTES
from docket.workers.sources.stenographer.store import StenographerSource
from tests.faults.certificates import Pair
from tests.faults.packets import Packet, capture
from tests.faults.scripts import Asked, serve
from tests.faults.stand_in import StandIn
from tests.workers.requests import START_US, US, Heard, ask, read, steno_config

MINUTE_US = 60 * US
AFTER_US, BEFORE_US = START_US + MINUTE_US, START_US + 3 * MINUTE_US


def inside(packets: list[Packet]) -> list[Packet]:
    return [packet for packet in packets if AFTER_US <= packet.time_us < BEFORE_US]


@pytest.mark.parametrize(
    ("query", "asked", "kept"),
    [
        ("udp and not port 53", "and ip proto 17", "not port 53"),
        ("udp and dst port 80", "and (ip proto 17 and port 80)", "dst port 80"),
        ("net 10.0.0.0/8 and not port 53", "and net 10.0.0.0/8", "not port 53"),
        ("not port 53", "", "not port 53"),
    ],
)
def test_what_matches_is_kept(
    source: StenographerSource, steno: StandIn, packets: list[Packet], query: str, asked: str, kept: str
) -> None:
    """Exactly the packets that match; what was asked and kept is said, received and kept are counted apart."""
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US, query), heard)
    truth = inside(packets[1::2])
    assert finding.verdict is Verdict.COMPLETE
    assert heard.body == capture(truth)
    (begin,) = heard.of(FragmentKind.BEGIN)
    assert begin.sent == steno.queries[0]
    assert begin.sent.endswith(asked)
    assert "not" not in begin.sent
    assert begin.kept == kept
    assert sum(fragment.packets for fragment in heard.latest) == len(truth) == 600
    assert sum(fragment.trimmed for fragment in heard.latest) == 1500 - 600
    assert sum(fragment.received for fragment in heard.latest) >= 1500


def test_an_exact_answer_is_not_filtered(source: StenographerSource) -> None:
    """What the indexes hold is taken as it comes."""
    heard = Heard()
    read(source, ask(AFTER_US, BEFORE_US, "port 53"), heard)
    assert heard.of(FragmentKind.BEGIN)[0].kept == ""
    assert sum(fragment.received for fragment in heard.latest) == 1500


@pytest.mark.parametrize("wanted", [1, 100, 599])
def test_limits_count_what_is_kept(
    source: StenographerSource, steno: StandIn, packets: list[Packet], wanted: int
) -> None:
    """And the store gets no limit, which could cut what would be kept."""
    heard, headers = Heard(), dict[str, str]()

    def noted(asked: Asked) -> Iterator[bytes]:
        headers.update(asked.headers)
        return serve(asked)

    steno.script = noted
    finding = read(source, ask(AFTER_US, BEFORE_US, "udp and not port 53", packets=wanted), heard)
    assert finding.verdict is Verdict.LIMITED
    assert heard.body == capture(inside(packets[1::2])[:wanted])
    assert headers
    assert not any(name.lower().startswith("steno-limit") for name in headers)


def test_bytes_count_what_is_kept(source: StenographerSource, packets: list[Packet]) -> None:
    """Whole records up to the limit, headers counted."""
    size = len(packets[0].data) + RECORD_HEADER_BYTES
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US, "udp and not port 53", size_bytes=10 * size + 5), heard)
    assert finding.verdict is Verdict.LIMITED
    assert heard.body == capture(inside(packets[1::2])[:10])


def test_nothing_kept_of_much_is_empty(source: StenographerSource) -> None:
    """It was read whole, and nothing matched."""
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US, "udp and src port 53"), heard)
    assert (finding.verdict, heard.body) == (Verdict.EMPTY, b"")


def test_a_source_that_looks_inside_is_asked_for_everything(
    steno: StandIn, client: Pair, packets: list[Packet]
) -> None:
    """Its plain words may be true of what no index holds."""
    config = dataclasses.replace(steno_config(steno, client), look_inside=True)
    source = StenographerSource(config)
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US, "port 53"), heard)
    source.close()
    assert finding.verdict is Verdict.COMPLETE
    assert heard.body == capture(inside(packets[::2]))
    assert "port" not in steno.queries[0]
