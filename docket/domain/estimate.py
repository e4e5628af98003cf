"""Roughly how much a question will bring, learned from whole answers to earlier ones. Pure; anybody may import it.

What a source gave is taken as bytes per second of window and per *share*: the part of all traffic that a query
lets through by a first guess. Between questions of the same shape the guesses cancel out, so that the more was
asked, the less they matter. Nothing here is a promise; every estimate says what it rests on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from docket.domain.job import FULL, Job
from docket.domain.query.canonical import Query, parse
from docket.domain.query.terms import (
    ICMP,
    ICMP6,
    TCP,
    UDP,
    And,
    EtherHost,
    Flow,
    Mpls,
    Net,
    NetworkLayer,
    Node,
    Not,
    Or,
    Port,
    Protocol,
    Vlan,
)
from docket.domain.timewindow import US_PER_S, parse_time_us
from docket.domain.units import size_text

_HOST_SHARE = 0.02
_PORT_SHARES = {443: 0.4, 80: 0.1, 53: 0.01}
_OTHER_PORT_SHARE = 0.03
_PROTOCOL_SHARES = {TCP: 0.8, UDP: 0.2, ICMP: 0.003, ICMP6: 0.003}
_OTHER_PROTOCOL_SHARE = 0.01
_TAG_SHARE = 0.2
_LENGTH_SHARE = 0.5
_FLOW_SHARE = 0.0005
_LAYER_SHARES = {"ip": 0.9, "ip6": 0.1, "arp": 0.001}
_LEAST_SHARE = 0.01
_PORTS_PER_DOUBLING = 1_000
"""First guesses of what part of a network's bytes a term lets through; only their order of magnitude matters."""

_USUAL_PACKET_BYTES = 700
_USUAL_BYTES_PER_S = 20_000_000
"""What a sensor reads and sends while it captures, until this one has shown what it can do."""
_TELLING_BYTES = 1_000_000
"""Jobs below this say nothing about speed: their time goes into waiting and asking."""


class Confidence(StrEnum):
    """What an estimate rests on."""

    EXACT = "exact"
    """Counted in the captures themselves, as far as they are on disk."""
    HIGH = "high"
    """Whole answers to the same question over other windows."""
    FAIR = "fair"
    """Answers to questions of the same shape: other addresses, other ports."""
    LOW = "low"
    """A guess from what the sources hold, or from quite different questions."""
    NONE = "none"


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a question may bring. The figures are null where nothing is known."""

    bytes: int | None = None
    packets: int | None = None
    seconds: int | None = None
    """From the first byte on; waiting for packets that are not on disk yet comes on top."""
    confidence: Confidence = Confidence.NONE
    sentence: str


class Answered(NamedTuple):
    """One source's whole answer to an earlier question."""

    source: str
    query: str
    shape: str
    share: float
    length_us: int
    packets: int
    bytes: int


class Sample(NamedTuple):
    """What one finished job teaches."""

    answers: tuple[Answered, ...]
    bytes: int
    took_us: int


class Capacity(NamedTuple):
    """What one source can give of the window, and how much it holds in all where that is known."""

    length_us: int
    """The part of the window that is not older than its oldest packet."""
    bytes_per_us: float | None = None


class _Guess(NamedTuple):
    confidence: Confidence
    bytes: float
    packets: float
    questions: int
    """How many earlier answers it rests on; 0 for a guess from what the source holds."""


def learn(job: Job) -> Sample:
    """What a finished job teaches: only answers that were whole count."""
    query = parse(job.query)
    after_us, before_us = parse_time_us(job.after, None), parse_time_us(job.before, None)
    answers = tuple(
        Answered(one.name, job.query, shape(query), share(query), before_us - after_us, one.packets, one.bytes)
        for one in job.sources
        if one.verdict in FULL
    )
    finished_us = parse_time_us(job.finished_at or job.created_at, None)
    return Sample(answers, job.bytes, finished_us - parse_time_us(job.created_at, None))


def estimate(query: Query, stocks: Mapping[str, Capacity], past: Sequence[Sample]) -> Estimate:
    """What the query may bring from these sources, given what earlier jobs brought."""
    by_source: dict[str, list[Answered]] = {}
    for answer in (answer for job in past for answer in job.answers):
        by_source.setdefault(answer.source, []).append(answer)
    guesses = {name: _guess(query, stock, by_source.get(name, ())) for name, stock in stocks.items()}
    known = [guess for guess in guesses.values() if guess is not None]
    if not known:
        return Estimate(sentence="No estimate yet: nothing like this was asked before.")
    size_bytes = round(sum(guess.bytes for guess in known))
    packets = round(sum(guess.packets for guess in known))
    seconds = 1 + round(size_bytes / _bytes_per_s(past))
    least = max(known, key=lambda guess: list(Confidence).index(guess.confidence))
    unknown = [name for name, guess in guesses.items() if guess is None]
    return Estimate(
        bytes=size_bytes,
        packets=packets,
        seconds=seconds,
        confidence=Confidence.LOW if unknown else least.confidence,
        sentence=_sentence(size_bytes, packets, seconds, least, unknown),
    )


def kindred(query: Query, past: Iterable[Sample]) -> list[Sample]:
    """The same jobs, without their answers to queries of other kinds; all traffic bounds every query."""
    shapes = {shape(query), ""}
    return [
        job
        if all(answer.shape in shapes for answer in job.answers)
        else job._replace(answers=tuple(answer for answer in job.answers if answer.shape in shapes))
        for job in past
    ]


def shape(query: Query) -> str:
    """The kinds of a query's terms without their values: "host and port". Empty for every packet."""
    return "" if query.root is None else _shape(query.root)


def share(query: Query) -> float:
    """The first guess of what part of all bytes the query lets through, above 0 and up to 1."""
    return 1.0 if query.root is None else _share(query.root)


def _guess(query: Query, stock: Capacity, answers: Sequence[Answered]) -> _Guess | None:
    weight = share(query) * stock.length_us
    same = [answer for answer in answers if answer.query == query.canonical]
    alike = [answer for answer in answers if answer.shape == shape(query)]
    everything = [answer for answer in answers if not answer.shape]
    if same:
        return _scaled(Confidence.HIGH, same, weight)
    if alike:
        return _scaled(Confidence.FAIR, alike, weight)
    if everything:
        return _scaled(Confidence.LOW, everything, weight)
    if stock.bytes_per_us is not None:
        size = stock.bytes_per_us * weight
        return _Guess(Confidence.LOW, size, size / _USUAL_PACKET_BYTES, 0)
    return _scaled(Confidence.LOW, answers, weight) if answers else None


def _scaled(confidence: Confidence, answers: Sequence[Answered], weight: float) -> _Guess:
    whole = sum(answer.share * answer.length_us for answer in answers)
    size, packets = (sum(answer.bytes for answer in answers), sum(answer.packets for answer in answers))
    return _Guess(confidence, size * weight / whole, packets * weight / whole, len(answers))


def _bytes_per_s(past: Iterable[Sample]) -> float:
    telling = [job for job in past if job.bytes >= _TELLING_BYTES and job.took_us > 0]
    took_us = sum(job.took_us for job in telling)
    return sum(job.bytes for job in telling) * US_PER_S / took_us if took_us else _USUAL_BYTES_PER_S


def _shape(node: Node) -> str:
    match node:
        case And(parts):
            return " and ".join(sorted(_shape(part) for part in parts))
        case Or(parts):
            return f"({' or '.join(sorted({_shape(part) for part in parts}))})"
        case Not(part):
            return f"not {_shape(part)}"
        case Net():
            return "host" if node.is_host else "net"
        case Protocol(number):
            return f"proto {number}"
        case _:
            return type(node).__name__.lower()


def _share(node: Node) -> float:
    match node:
        case And(parts):
            product = 1.0
            for part in parts:
                product *= _share(part)
            return product
        case Or(parts):
            return min(1.0, sum(map(_share, parts)))
        case Net(network):
            free_bits = network.max_prefixlen - network.prefixlen
            # Four bits of IPv4, or sixteen of IPv6, hold twice the talk.
            doublings = free_bits * 8 / network.max_prefixlen
            return min(0.9, _HOST_SHARE * math.exp2(doublings))
        case Not(part):
            return max(_LEAST_SHARE, 1.0 - _share(part))
        case Port(number):
            every = _PROTOCOL_SHARES.get(node.protocol or TCP, _OTHER_PROTOCOL_SHARE)
            one = _PORT_SHARES.get(number, _OTHER_PORT_SHARE)
            return one if node.last is None else min(every, one * (1 + (node.last - number) / _PORTS_PER_DOUBLING))
        case Protocol(number):
            return _PROTOCOL_SHARES.get(number, _OTHER_PROTOCOL_SHARE)
        case Flow():
            return _FLOW_SHARE
        case NetworkLayer(word):
            return _LAYER_SHARES[word]
        case EtherHost() | Vlan() | Mpls():
            return _TAG_SHARE
        case _:
            return _LENGTH_SHARE


_BASES = {
    Confidence.HIGH: "judging by the same question before",
    Confidence.FAIR: "judging by questions like it",
    Confidence.LOW: "a guess from other questions",
}


def _sentence(size_bytes: int, packets: int, seconds: int, least: _Guess, unknown: Sequence[str]) -> str:
    word = "Perhaps" if least.confidence is Confidence.LOW else "Roughly"
    basis = _BASES[least.confidence] if least.questions else "a guess from what the sources hold"
    figures = f"{size_text(size_bytes)} in {packets:,} packet{'' if packets == 1 else 's'}" if packets else "nothing"
    time = f", {_duration(seconds)}" if seconds >= 10 else ""
    without = f"; nothing is known of {' and '.join(unknown)}" if unknown else ""
    return f"{word} {figures}{time}, {basis}{without}."


def _duration(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
