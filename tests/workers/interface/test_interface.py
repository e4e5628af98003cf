"""The worker on the bus: what it takes, what it leaves, whom it stops, and what it gives back."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from docket.bus.addressing import HEADER
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.messages import FragmentKind, Order, Retry
from docket.bus.topology import DEAD_QUEUE, JOBS, REQUEST_KEY, RETRY_KEY, source_queue
from docket.config.model import StenographerConfig
from docket.domain.job import EventName, Verdict
from docket.domain.request import Request
from docket.workers.interface.service import InterfaceWorker
from docket.workers.sources.base import Source
from tests.faults import scripts
from tests.faults.certificates import Pair
from tests.faults.packets import Packet, capture
from tests.faults.stand_in import StandIn
from tests.services.ports import free_port
from tests.services.waiting import wait_until
from tests.workers.interface.defective_source import Defective
from tests.workers.requests import START_US, US, ask, steno_config
from tests.workers.worker_harness import Office, working

MINUTE_US = 60 * US
QUEUE = source_queue("rock01:em1")


def job(query: str = "port 53", *, minutes: int = 2, deadline_s: int = 600) -> Request:
    """A question over the first minutes of the packets, with one minute left out; 1000 h are a slow question."""
    return ask(START_US + MINUTE_US, START_US + (1 + minutes) * MINUTE_US, query, deadline_s=deadline_s)


def armed(request: Request, attempt: int, source: str = "rock01:em1") -> Retry:
    return Retry(id=request.id, order=Order(request=request, attempts={source: attempt}))


def settled(bus: MemoryBroker, worker: InterfaceWorker) -> None:
    """Wait until nothing is in the queue or in hand."""
    wait_until(lambda: bus.depth(QUEUE).messages == 0 and worker.in_hand == 0, "all work to be done")


def held(steno: StandIn) -> threading.Event:
    """Let the store keep every answer back, for ten seconds at most, until the event is set."""
    release = threading.Event()

    def script(asked: scripts.Asked) -> Iterator[bytes]:
        release.wait(10)
        yield from scripts.serve(asked)

    steno.script = script
    return release


def test_request_is_read_and_acknowledged(
    bus: MemoryBroker, office: Office, config: StenographerConfig, packets: list[Packet]
) -> None:
    """A request becomes begin, data and end, numbered without a hole, and leaves the queue."""
    request = job()
    with working(bus, [config]) as worker:
        office.send(request)
        end = office.ended(request)
        settled(bus, worker)
    begin = office.of(request, FragmentKind.BEGIN)[0]
    seqs = [fragment.seq for fragment in office.fragments if fragment.job == request.id and fragment.seq >= 0]
    assert seqs == list(range(len(seqs)))
    assert (begin.attempt, "port 53" in begin.sent, end.verdict) == (1, True, Verdict.COMPLETE)
    inside = [packet for packet in packets[::2] if request.window.contains(packet.time_us)]
    assert office.body(begin.run) == capture(inside)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        (REQUEST_KEY, b"not JSON"),
        (REQUEST_KEY, b'{"schema": "docket.job.request/9", "id": "x"}'),
        (REQUEST_KEY, b'{"schema": "docket.job.request/1", "id": "x", "query": "port 99999"}'),
        (RETRY_KEY, b'{"schema": "docket.job.retry/1", "id": "0192f0c1-0000-7000-8000-000000000000"}'),
    ],
)
def test_what_is_not_for_the_worker_is_acknowledged(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn, key: str, body: bytes
) -> None:
    """Invalid messages and retries without an order are the collector's; the worker goes on."""
    with working(bus, [config]) as worker:
        office.send_bytes(key, body)
        settled(bus, worker)
        request = job()
        office.send(request)
        office.ended(request)
    assert (len(steno.queries), bus.depth(DEAD_QUEUE).messages) == (1, 0)


def test_request_for_others_is_left(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """A request that names other sources is acknowledged and not read."""
    with working(bus, [config]) as worker:
        office.send(ask(START_US, START_US + MINUTE_US, sources=("rock01:em2",)))
        settled(bus, worker)
    assert (office.fragments, steno.queries) == ([], [])


def test_a_message_addressed_to_others_is_not_even_read(
    bus: MemoryBroker, office: Office, config: StenographerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """A header names its sources; what is in the message does not matter then."""
    with working(bus, [config]) as worker:
        publisher = bus.publisher("test")
        publisher.publish(JOBS, REQUEST_KEY, b"not JSON", headers={HEADER: "rock01:em2"})
        settled(bus, worker)
        publisher.close()
    assert (office.fragments, "is not valid" in caplog.text) == ([], False)


def test_request_past_its_deadline_is_left(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """What comes too late is not begun."""
    with working(bus, [config]) as worker:
        office.send(ask(START_US, START_US + MINUTE_US, requested_at_us=START_US, deadline_s=60))
        settled(bus, worker)
    assert (office.fragments, steno.queries) == ([], [])


def test_reading_stops_at_the_deadline(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """At the deadline the store is left and nothing more is said: the verdict is the collector's."""
    steno.script = scripts.silent(after=3)
    request = job(deadline_s=1)
    with working(bus, [config]) as worker:
        office.send(request)
        office.begun(request)
        settled(bus, worker)
        wait_until(lambda: steno.open_queries == 0, "the store to be left")
    assert office.of(request, FragmentKind.END) == []


def test_cancelled_job_frees_store_and_worker_at_once(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """A cancel drops the connection to the store, and the next job is read."""
    steno.script = scripts.silent(after=3)
    cancelled, following = job(), job()
    with working(bus, [config]) as worker:
        office.send(cancelled)
        wait_until(lambda: steno.open_queries == 1, "the query to arrive")
        office.tell(EventName.CANCELLED, cancelled)
        wait_until(lambda: steno.open_queries == 0, "the store to be left", timeout_s=2.0)
        steno.script = scripts.serve
        office.send(following)
        office.ended(following)
        settled(bus, worker)
    assert office.of(cancelled, FragmentKind.END) == []


def test_job_that_was_cancelled_while_it_waited_is_never_read(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """A cancel also takes a job out of the queue for its turn."""
    steno.script = scripts.silent(after=3)
    first, waiting = job(minutes=60_000), job(minutes=60_000)
    with working(bus, [config], given_back=1) as worker:
        office.send(first)
        wait_until(lambda: steno.open_queries == 1, "the query to arrive")
        office.send(waiting)
        wait_until(lambda: office.of(waiting, FragmentKind.STATUS), "word of the waiting")
        office.tell(EventName.CANCELLED, waiting)
        wait_until(lambda: worker.in_hand == 1, "the waiting one to be settled")
    assert office.of(waiting, FragmentKind.STATUS)[0].sentence == "Place 1 in the queue of rock01:em1."
    assert len(steno.queries) == 1


def test_armed_retry_is_read_with_the_attempt_that_it_names(
    bus: MemoryBroker, office: Office, config: StenographerConfig
) -> None:
    """A retry with an order is read anew even though the job was read here before."""
    request = job()
    with working(bus, [config]) as worker:
        office.send(request)
        office.ended(request)
        office.send(armed(request, 2))
        begin = office.begun(request, times=2)
        settled(bus, worker)
    assert begin.attempt == 2


def test_armed_retry_for_another_source_is_left(bus: MemoryBroker, office: Office, config: StenographerConfig) -> None:
    """An order names the sources that are to read."""
    with working(bus, [config]) as worker:
        office.send(armed(job(), 2, "rock01:em2"))
        settled(bus, worker)
    assert office.fragments == []


def test_later_attempt_replaces_a_running_one(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """When the collector lost a piece, the reading under way is dropped and begun anew."""
    steno.script = scripts.silent(after=3)
    request = job()
    with working(bus, [config]) as worker:
        office.send(request)
        wait_until(lambda: steno.open_queries == 1, "the query to arrive")
        steno.script = scripts.serve
        office.send(armed(request, 2))
        end = office.ended(request)
        settled(bus, worker)
        wait_until(lambda: steno.open_queries == 0, "the first query to be dropped")
    assert (end.attempt, end.verdict) == (2, Verdict.COMPLETE)


def verdict_after(
    bus: MemoryBroker,
    office: Office,
    config: StenographerConfig,
    steno: StandIn,
    sent: Request | Retry,
    tell: Callable[[], None],
) -> Verdict | None:
    """What becomes of a reading that hears what `tell` tells while its answer is held back."""
    request = sent if isinstance(sent, Request) else sent.order.request  # type: ignore[union-attr]
    release = held(steno)
    marker = job()
    with working(bus, [config]) as worker:
        office.send(sent)
        wait_until(lambda: steno.open_queries == 1, "the query to arrive")
        tell()
        office.send(marker)
        wait_until(lambda: steno.open_queries == 2, "the other query to arrive")
        office.tell(EventName.CANCELLED, marker)
        # Events are heard in order: once this one has had its effect, the one before would have had it, too.
        wait_until(lambda: worker.in_hand == 1, "the other job to be dropped")
        release.set()
        return office.ended(request).verdict


def test_event_under_a_key_that_is_not_its_own_stops_nothing(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """Whoever may publish one event cannot end a job by putting another one into it."""
    asked = job()
    forged = partial(office.tell, EventName.CANCELLED, asked, key=EventName.FAILED.value)
    assert verdict_after(bus, office, config, steno, asked, forged) is Verdict.COMPLETE


def test_event_of_an_earlier_attempt_does_not_stop_a_retry(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """The closing event of the revision before may be heard late; the retry goes on."""
    asked = job()
    late = partial(office.tell, EventName.PARTIAL, asked, attempt=1)
    assert verdict_after(bus, office, config, steno, armed(asked, 2), late) is Verdict.COMPLETE


def test_same_request_twice_is_one_reading(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """The same id twice is one job: while it is read, and after."""
    release = held(steno)
    request = job()
    with working(bus, [config]) as worker:
        office.send(request)
        wait_until(lambda: steno.open_queries == 1, "the query to arrive")
        office.send(request)
        release.set()
        office.ended(request)
        office.send(request)
        settled(bus, worker)
    assert (len(steno.queries), len(office.of(request, FragmentKind.BEGIN))) == (1, 1)


def test_stop_in_mid_job_gives_the_request_back(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """A worker that stops drops its reading; the next one reads anew, as a later attempt."""
    steno.script = scripts.silent(after=3)
    request = job()
    with working(bus, [config], given_back=1):
        office.send(request)
        wait_until(lambda: steno.open_queries == 1, "the query to arrive")
    steno.script = scripts.serve
    with working(bus, [config]) as worker:
        end = office.ended(request)
        settled(bus, worker)
    assert (end.attempt, end.verdict) == (2, Verdict.COMPLETE)


def test_source_announces_itself_and_says_good_bye(
    bus: MemoryBroker, office: Office, config: StenographerConfig
) -> None:
    """A source says that it is online, what it holds and how busy it is, and that it leaves."""
    with working(bus, [config]):
        wait_until(lambda: office.heard(EventName.SOURCE_ONLINE), "source.online")
    wait_until(lambda: office.heard(EventName.SOURCE_OFFLINE), "source.offline")
    online = office.heard(EventName.SOURCE_ONLINE)[0].source
    offline = office.heard(EventName.SOURCE_OFFLINE)[0].source
    assert online is not None
    assert offline is not None
    assert (online.kind, online.state, online.error) == ("stenographer", "online", None)
    assert online.oldest == "2023-11-14T22:13:00.000000Z"
    assert {"current_files": 5, "queries": 0, "waiting": 0}.items() <= online.stats.items()
    assert offline.state == "offline"


def test_source_tells_that_its_store_does_not_answer(
    bus: MemoryBroker, office: Office, steno: StandIn, client: Pair
) -> None:
    """A worker that is there, whose store is not, is online with an error."""
    url = f"https://127.0.0.1:{free_port()}"
    with working(bus, [steno_config(steno, client, url=url)]):
        wait_until(lambda: office.heard(EventName.SOURCE_ONLINE), "source.online")
    status = office.heard(EventName.SOURCE_ONLINE)[0].source
    assert status is not None
    assert status.error == f"{url.removeprefix('https://')} cannot be reached: Connection refused."


def test_fault_in_the_program_ends_the_job_with_a_word(
    bus: MemoryBroker, office: Office, config: StenographerConfig
) -> None:
    """Whatever a reading dies of, its job hears of it and the message is kept among the dead letters."""
    source: Source = Defective()
    request = job()
    with working(bus, [config], [source]):
        office.send(request)
        end = office.ended(request)
        wait_until(lambda: bus.depth(DEAD_QUEUE).messages == 1, "the dead letter")
    assert (end.verdict, end.usable) == (Verdict.REFUSED, False)
    assert "ZeroDivisionError: a fault in the program" in end.sentence
