"""The collector's heartbeat says how full the queues are."""

from docket.bus import topology
from docket.bus.interface import QueueDepth
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.queue_watch import MOST_AT_ONCE, QueueWatch
from docket.errors import BusLost, QueueHidden

SOURCES = [f"rock{number:03}:em1" for number in range(30)]
ALL = [queue.name for queue in topology.queues(SOURCES)]


class Bus(MemoryBroker):
    """Counts the looks; some queues are hidden from it, and it may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[str] = []
        self.hidden: set[str] = set()
        self.is_away = False

    def depth(self, queue: str) -> QueueDepth:
        self.looked.append(queue)
        if self.is_away:
            raise BusLost("away")
        if queue in self.hidden:
            raise QueueHidden("no right")
        return super().depth(queue)


def test_every_queue_has_its_turn() -> None:
    """A few at a time; what was seen before stays."""
    bus = Bus()
    bus.declare(SOURCES)
    watch = QueueWatch(bus)
    for round_of in range(1, 5):
        seen = watch.look(SOURCES)
        assert len(seen) == len(set(bus.looked)) == min(round_of * MOST_AT_ONCE, len(ALL))
    assert seen == dict.fromkeys(ALL, (0, 0))


def test_messages_and_readers_are_counted_as_the_bus_does() -> None:
    """A dead letter, and a receiver."""
    bus = Bus()
    bus.declare([])
    bus.publisher("a tool").publish(topology.DEAD, "", b"no")
    bus.receiver("collector", [topology.COLLECTOR_QUEUE], prefetch=1)
    seen = QueueWatch(bus).look([])
    assert (seen[topology.DEAD_QUEUE], seen[topology.COLLECTOR_QUEUE]) == ((1, 0), (0, 1))


def test_what_cannot_be_seen_is_left_out() -> None:
    """A hidden queue, one of a source that is forgotten, and everything while the bus is away."""
    bus = Bus()
    bus.declare(SOURCES[:1])
    bus.hidden = {topology.DEAD_QUEUE}
    watch = QueueWatch(bus)
    assert set(watch.look(SOURCES[:1])) == {queue.name for queue in topology.queues(SOURCES[:1])} - bus.hidden
    assert topology.source_queue(SOURCES[0]) not in watch.look([])
    bus.is_away = True
    assert watch.look([]) == {}
