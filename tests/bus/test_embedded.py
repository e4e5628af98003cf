"""What only the embedded bus does by itself: bounds in memory, times to live, and its end."""

import logging
import threading

import pytest

from docket.bus import topology
from docket.bus.interface import QueueDepth
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.memory.memory_queue import MOST_BYTES, MemoryQueue, Message
from docket.errors import BusFull, BusLost
from tests.bus.bus_actions import publishing, receiving, take
from tests.bus.conftest import SOURCE

BLOCK = bytes(1024 * 1024)


def message(body: bytes) -> Message:
    return Message(topology.JOBS, "job.request", body, {})


def declared(name: str) -> MemoryQueue:
    return MemoryQueue(next(queue for queue in topology.queues([SOURCE]) if queue.name == name))


def test_slow_listener_loses_the_oldest(embedded_bus: MemoryBroker, caplog: pytest.LogCaptureFixture) -> None:
    """A listener that does not listen keeps the newest events; one warning names it."""
    with publishing(embedded_bus) as publisher, receiving(embedded_bus, [], listen=["#"], name="sleepy") as receiver:
        for number in range(topology.LISTENER_MESSAGES + 3):
            publisher.publish(topology.EVENTS, "job.progress", b"%d" % number)
        assert take(receiver).body == b"3"
    assert [record.getMessage() for record in caplog.records] == ["sleepy is 10000 events behind and loses the oldest"]


def test_queues_of_jobs_are_bounded_too(embedded_bus: MemoryBroker) -> None:
    """Without a collector the queue of jobs fills up to its bound and then refuses."""
    with publishing(embedded_bus) as publisher:
        for _ in range(MOST_BYTES // len(BLOCK)):
            publisher.publish(topology.JOBS, topology.CANCEL_KEY, BLOCK, wait_s=0)
        with pytest.raises(BusFull):
            publisher.publish(topology.JOBS, topology.CANCEL_KEY, b"one more", wait_s=0.01)


def test_message_for_several_queues_goes_to_all_or_none(embedded_bus: MemoryBroker) -> None:
    """If one of its queues is full, a message is refused as a whole, so that publishing it again doubles nothing."""
    with publishing(embedded_bus) as publisher:
        for _ in range(MOST_BYTES // len(BLOCK)):
            publisher.publish(topology.JOBS, topology.CANCEL_KEY, BLOCK, wait_s=0)
        with pytest.raises(BusFull):
            publisher.publish(topology.JOBS, topology.REQUEST_KEY, b"question", wait_s=0)
    assert embedded_bus.depth(topology.source_queue(SOURCE)) == QueueDepth(0, 0)


def test_dead_letters_drop_the_oldest() -> None:
    """The queue of dead letters always has room: the oldest go."""
    queue = declared(topology.DEAD_QUEUE)
    for number in range(MOST_BYTES // len(BLOCK) + 2):
        assert queue.has_room(len(BLOCK))
        queue.put(message(b"%d" % number + BLOCK[:-10]), now_s=0.0)
    first = queue.take()
    assert first is not None
    assert first.message.body[:2] == b"2\0"


def test_old_request_expires() -> None:
    """A request that waited for a worker longer than a day is taken out; a younger one stays."""
    queue = declared(topology.source_queue(SOURCE))
    queue.put(message(b"old"), now_s=0.0)
    queue.put(message(b"young"), now_s=100.0)
    expired = queue.take_expired(now_s=86_400.5)
    assert ([entry.message.body for entry in expired], len(queue)) == ([b"old"], 1)


def test_returned_messages_keep_their_places() -> None:
    """Messages that come back, in whatever order, are taken again in their first order."""
    queue = declared(topology.COLLECTOR_QUEUE)
    for body in (b"1", b"2", b"3", b"4"):
        queue.put(message(body), now_s=0.0)
    taken = [queue.take() for _ in range(3)]
    for entry in (taken[1], taken[2], taken[0]):
        assert entry is not None
        queue.put_back(entry)
    again = [queue.take() for _ in range(4)]
    assert [entry.message.body for entry in again if entry is not None] == [b"1", b"2", b"3", b"4"]


def test_closed_bus(embedded_bus: MemoryBroker) -> None:
    """After `close` a waiting receiver returns None and is not connected; publishing raises BusLost."""
    answers: list[object] = []
    with publishing(embedded_bus) as publisher, receiving(embedded_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        thread = threading.Thread(target=lambda: answers.append(receiver.receive(3600)))
        thread.start()
        embedded_bus.close()
        thread.join(10)
        assert (answers, receiver.connected) == ([None], False)
        with pytest.raises(BusLost):
            publisher.publish(topology.JOBS, topology.REQUEST_KEY, b"late")


def test_two_receivers_share_a_queue(embedded_bus: MemoryBroker) -> None:
    """Each message goes to one of two receivers; what one gives back the other may take."""
    queue = topology.COLLECTOR_QUEUE
    with publishing(embedded_bus) as publisher, receiving(embedded_bus, [queue]) as one:
        with receiving(embedded_bus, [queue]) as two:
            for body in (b"1", b"2"):
                publisher.publish(topology.JOBS, topology.CANCEL_KEY, body)
            assert (take(one).body, take(two).body) == (b"1", b"2")
            assert embedded_bus.depth(queue) == QueueDepth(0, 2)
        assert take(one).body == b"2"


def test_dead_event_is_buried(embedded_bus: MemoryBroker, caplog: pytest.LogCaptureFixture) -> None:
    """Declaring an event dead puts a copy into docket.dead."""
    caplog.set_level(logging.DEBUG)
    with publishing(embedded_bus) as publisher, receiving(embedded_bus, [], listen=["job.failed"]) as receiver:
        publisher.publish(topology.EVENTS, "job.failed", b"strange")
        take(receiver).dead("not an event")
    with receiving(embedded_bus, [topology.DEAD_QUEUE]) as graveyard:
        letter = take(graveyard)
        assert (letter.body, letter.headers["x-docket-reason"]) == (b"strange", "not an event")
