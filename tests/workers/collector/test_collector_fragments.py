"""What the collector makes of fragments: early, twice, lost, out of order, too many, and no packets at all."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.bus.memory.memory_consumer import MemoryConsumer
from docket.bus.messages import FragmentKind, encode
from docket.bus.topology import FRAGMENT_SHARDS, REQUEST_KEY, fragment_queue
from docket.domain.request_message import Limits
from docket.packet.pcap import FILE_HEADER_BYTES, LARGEST_RECORD_BYTES, RECORD_HEADER, file_header
from docket.spool.verification import verify_directory
from docket.workers.collector import early_fragments
from docket.workers.collector.early_fragments import PARKED_PATIENCE_S
from tests.workers.collector.collector_harness import SOURCES, Rig, at, rig
from tests.workers.packet_records import START_US, US, in_order, record, records, split

EM1 = records("em1", at(1, 2, 3, 60))


EM2 = records("em2", at(1.5, 2, 30))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


def test_fragments_that_come_before_their_request_are_kept(harness: Rig) -> None:
    """A source may be quicker than the request's way to the collector."""
    request = harness.request()
    harness.answer(request.id, EM1, EM2)
    harness.turn(3)
    harness.publish(REQUEST_KEY, encode(request))
    harness.settle()
    assert (harness.state(request.id), harness.result(request.id)) == ("completed", in_order(EM1, EM2))


def in_hand(harness: Rig) -> int:
    """How many messages the collector has taken and not settled."""
    receiver = harness.collector._receiver
    assert isinstance(receiver, MemoryConsumer)
    return sum(map(len, receiver._in_hand.values()))


def pass_until_taken(harness: Rig) -> None:
    """Let time pass until every fragment has been taken from its queue, and a second more."""
    while sum(harness.broker.depth(fragment_queue(shard)).messages for shard in range(FRAGMENT_SHARDS)):
        harness.clock.advance(0.1)
        harness.turn()
    harness.pass_time(1)


def parked(harness: Rig) -> int:
    return sum(share.fragments for share in harness.collector.ledger.parked_shares())


def test_fragments_that_nobody_asked_for_do_not_stay(harness: Rig) -> None:
    """Without a request they are let go after a while, so that they can block neither queue nor ledger."""
    harness.answer("0192f0c1-0000-7000-8000-00000000dead", EM1)
    harness.settle()
    harness.pass_time(1)
    assert (in_hand(harness), parked(harness)) == (0, 3)
    harness.pass_time(PARKED_PATIENCE_S)
    assert (in_hand(harness), parked(harness)) == (0, 0)


@pytest.mark.parametrize("killed", [False, True])
def test_answers_of_a_hundred_sources_wait_for_a_late_request(tmp_path: Path, killed: bool) -> None:
    """None is lost, however many there are, and though the collector is killed while they wait."""
    sources = tuple(f"rock{number:03}:em1" for number in range(100))
    bodies = [records(source, at(number + 1)) for number, source in enumerate(sources)]
    with rig(tmp_path, sources=sources) as harness:
        request = harness.request()
        harness.answer(request.id, *bodies)
        pass_until_taken(harness)
        assert (in_hand(harness), parked(harness)) == (0, 300)
        if killed:
            harness.restart()
        harness.publish(REQUEST_KEY, encode(request))
        harness.settle()
        assert (harness.state(request.id), harness.result(request.id)) == ("completed", in_order(*bodies))
        assert (parked(harness), harness.orders(0)) == (0, [])


def test_parked_fragments_stay_in_order_before_those_in_hand(harness: Rig) -> None:
    """What came first is parked, what came last still in hand, when the request is read."""
    request = harness.request()
    early, late = records("early", at(1, 2)), records("late", at(3, 4))
    reading = harness.reading(request.id, 0).begin().data(early)
    harness.settle()
    harness.pass_time(1)
    reading.data(late).end()
    harness.reading(request.id, 1).begin().data(EM2).end()
    harness.turn(3)
    assert (in_hand(harness), parked(harness)) == (5, 2)
    harness.publish(REQUEST_KEY, encode(request))
    harness.settle()
    assert (harness.state(request.id), harness.result(request.id)) == ("completed", in_order(early + late, EM2))


@pytest.mark.parametrize("limit", ["SHARE_FRAGMENTS", "SHARE_BYTES", "MOST_FRAGMENTS", "MOST_BYTES"])
def test_a_source_whose_early_fragments_find_no_room_is_asked_again(
    harness: Rig, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """What goes because there is no room for it is read once more when the request comes."""
    monkeypatch.setattr(early_fragments, limit, 1)
    request = harness.request()
    harness.reading(request.id, 0).begin().data(EM1).end()
    harness.settle()
    harness.pass_time(2)
    assert in_hand(harness) == 0
    harness.publish(REQUEST_KEY, encode(request))
    harness.settle()
    assert [order.order.attempts for order in harness.orders(0) if order.order] == [{SOURCES[0]: 2}]
    harness.reading(request.id, 0, attempt=2).begin().data(EM1).end()
    harness.reading(request.id, 1).begin().data(EM2).end()
    harness.settle()
    assert (harness.state(request.id), harness.result(request.id)) == ("completed", in_order(EM1, EM2))


def test_one_sources_early_fragments_take_no_room_of_another(harness: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that floods the collector with unknown jobs fills its own share."""
    monkeypatch.setattr(early_fragments, "SHARE_FRAGMENTS", 20)
    for number in range(40):
        harness.reading(str(uuid.UUID(int=number)), 0).begin()
    request = harness.request()
    harness.reading(request.id, 1).begin().data(EM2).end()
    pass_until_taken(harness)
    assert (in_hand(harness), parked(harness)) == (0, 23)
    harness.publish(REQUEST_KEY, encode(request))
    harness.reading(request.id, 0).begin().data(EM1).end()
    harness.settle()
    assert (harness.state(request.id), harness.result(request.id)) == ("completed", in_order(EM1, EM2))


@pytest.mark.parametrize("late", [False, True])
def test_an_answer_in_one_message_is_a_whole_one(harness: Rig, late: bool) -> None:
    """It counts once, however often it comes and also before its request, and as much as a longer reading would."""
    request = harness.request()
    if not late:
        harness.publish(REQUEST_KEY, encode(request))
    for _ in range(2):
        for source, body in zip(SOURCES, (EM1, EM2), strict=True):
            reading = harness.reading(request.id, SOURCES.index(source))
            reading.end(body=body, packets=len(split(body)), trimmed=3, received=9, sent=f"({source})")
        harness.turn(3)
    if late:
        harness.publish(REQUEST_KEY, encode(request))
    harness.settle()
    job = harness.job(request.id)
    assert (harness.state(request.id), harness.result(request.id)) == ("completed", in_order(EM1, EM2))
    assert [(one.sent, one.trimmed, one.received, one.attempt) for one in job.sources] == [
        (f"({source})", 3, 9, 1) for source in SOURCES
    ]
    assert harness.events(request.id) == ["requested", "started", "source", "source", "completed"]


def test_duplicates_are_dropped(harness: Rig) -> None:
    """Every fragment twice: every packet once."""
    job_id = harness.ask()
    for place, body in enumerate((EM1, EM2)):
        reading = harness.reading(job_id, place)
        for _ in range(2):
            reading.seq = 0
            reading.begin()
        for _ in range(2):
            reading.seq = 1
            reading.data(body)
        for _ in range(2):
            reading.seq = 2
            reading.end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_hole_makes_the_source_read_again(harness: Rig) -> None:
    """A lost fragment is noticed at the next one: the reading is worthless and another is ordered, once."""
    job_id = harness.ask()
    harness.reading(job_id, 0).begin().data(EM1).skip().data(EM1).end()
    harness.settle()
    orders = harness.orders(0)
    assert [order.order.attempts for order in orders if order.order] == [{SOURCES[0]: 2}]
    assert harness.state(job_id) == "running"
    harness.reading(job_id, 0, attempt=2).begin().data(EM1).end()
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_a_lost_beginning_is_a_hole_too(harness: Rig) -> None:
    """Data of a reading whose beginning never came orders another reading."""
    job_id = harness.ask()
    harness.reading(job_id, 0).skip().data(EM1).end()
    harness.settle()
    assert [order.order.attempts for order in harness.orders(0) if order.order] == [{SOURCES[0]: 2}]


def test_a_later_reading_replaces_the_earlier_one(harness: Rig) -> None:
    """A worker that died and began anew: the older bytes go, also those that are merged already, and stragglers
    of the older reading do not count."""
    job_id = harness.ask()
    old = harness.reading(job_id, 0, run="0001").begin().data(records("old", at(1, 2, 3)))
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.settle()
    new = harness.reading(job_id, 0, run="0002").begin()
    old.data(records("old", at(4))).end()
    new.data(EM1).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def test_reordered_parts_come_out_sorted(harness: Rig) -> None:
    """A source that sends its packets in reverse still gives a result in strict order."""
    pieces = [records(f"em1-{n}", at(*range(n + 50, n, -1))) for n in range(350, -1, -50)]
    reverse = b"".join(pieces)
    job_id = harness.ask()
    reading = harness.reading(job_id, 0).begin()
    for piece in pieces:
        reading.data(piece)
        harness.settle()
    reading.end()
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(reverse, EM2))
    assert harness.files(job_id) == ["job.json", "job.json.sig", "job.pcap", "job.pcap.sources"]


def nano(second: int, nanosecond: int, body: bytes) -> bytes:
    return RECORD_HEADER.pack(START_US // US + second, nanosecond, len(body), len(body)) + body


@pytest.mark.parametrize("first", [0, 1])
def test_nanoseconds_stay(harness: Rig, first: int) -> None:
    """One source that has them makes the result one of nanoseconds, whenever it comes; the others are exact in it."""
    micro = record(START_US, b"a") + record(START_US + US + 1, b"c") + record(START_US + 3 * US, b"e")
    fine = nano(1, 999, b"b") + nano(1, 1_001, b"d") + nano(3, 0, b"f")
    job_id = harness.ask()
    readings = [harness.reading(job_id, 0).begin(), harness.reading(job_id, 1).begin()]
    for place in (first, 1 - first):
        readings[place].data(fine if place else micro, nanoseconds=bool(place), through_us=START_US + 10 * US)
        harness.settle()
    for reading in readings:
        reading.end()
    harness.settle()
    content = harness.spool.result(job_id).read_bytes()
    expected = nano(0, 0, b"a") + nano(1, 999, b"b") + nano(1, 1_000, b"c") + nano(1, 1_001, b"d")
    assert content == file_header(1, LARGEST_RECORD_BYTES, nanoseconds=True) + expected + nano(3, 0, b"e") + nano(
        3, 0, b"f"
    )
    job = harness.job(job_id)
    assert (job.state, job.packets, job.sources[1].first) == ("completed", 6, "2026-11-24T14:02:01.000000Z")
    assert verify_directory(harness.spool.result(job_id).parent).ok


def test_nanoseconds_out_of_order_are_sorted(harness: Rig) -> None:
    """The external sort counts in nanoseconds too."""
    order = random.Random(7).sample(range(3_000), 3_000)
    job_id = harness.ask()
    reading = harness.reading(job_id, 0).begin()
    for begin in range(0, 3_000, 500):
        reading.data(b"".join(nano(n // 10, n % 10, b"%d" % n) for n in order[begin : begin + 500]), nanoseconds=True)
        harness.settle()
    reading.end()
    harness.reading(job_id, 1).begin().data(record(START_US + 5, b"micro")).end()
    harness.settle()
    body = harness.spool.result(job_id).read_bytes()[FILE_HEADER_BYTES:]
    fine = [nano(n // 10, n % 10, b"%d" % n) for n in range(3_000)]
    assert body == b"".join([*fine[:10], nano(0, 5_000, b"micro"), *fine[10:]])


def test_limits_are_exact_and_named(harness: Rig) -> None:
    """The earliest packets win, and the sources of which more was there are limited."""
    job_id = harness.ask(limits=Limits(packets=4))
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    assert harness.result(job_id) == in_order(EM1, EM2)[:4]
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["limited", "limited"])
    assert [answer.packets for answer in harness.job(job_id).sources] == [2, 2]


def test_a_limit_that_just_fits_limits_nobody(harness: Rig) -> None:
    """As many packets as the limit allows is a complete answer."""
    job_id = harness.ask(limits=Limits(packets=7, bytes=len(EM1) + len(EM2)))
    harness.answer(job_id, EM1, EM2)
    harness.settle()
    assert harness.verdicts(job_id) == ["complete", "complete"]


def test_a_full_job_does_not_wait_for_its_sources(harness: Rig) -> None:
    """Once the limit is reached the job closes, and sources that still read are limited."""
    job_id = harness.ask(limits=Limits(bytes=len(EM1) // 2))
    harness.reading(job_id, 0).begin().data(EM1)
    harness.reading(job_id, 1).begin(through_us=at(400)[0])
    harness.settle()
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("partial", ["limited", "limited"])
    assert harness.result(job_id) == in_order(EM1)[:2]


def test_bytes_that_are_no_packets_are_cut(harness: Rig) -> None:
    """A source that sends garbage is never complete; its packets before that are kept."""
    job_id = harness.ask()
    reading = harness.reading(job_id, 0).begin().data(EM1)
    reading.say(FragmentKind.DATA, body=b"\xff" * 99, packets=1)
    reading.end()
    harness.reading(job_id, 1).begin().data(EM2).end()
    harness.settle()
    assert (harness.verdicts(job_id), harness.result(job_id)) == (["cut", "complete"], in_order(EM1, EM2))
