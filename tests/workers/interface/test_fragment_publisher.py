"""Fragments on their way: in order, of a good size, never late, and never silently lost."""

import threading

import msgspec
import pytest

from docket.bus.messages import Fragment, FragmentKind
from docket.domain.job import Verdict
from docket.errors import BusLost
from docket.packet.pcap import Trimmed
from docket.workers.collector.part import parted
from docket.workers.interface.fragment_publisher import FRAGMENT_BYTES, MOST_WAITING_BYTES, FragmentPublisher
from docket.workers.interface.verdict_texts import Finding
from tests.services.waiting import wait_until

TEMPLATE = Fragment(job="job", source="rock01:em1", attempt=1, run="run", seq=0, sent="port 53")


def piece(size_bytes: int, time_us: int = 5, outside: int = 0) -> Trimmed:
    return Trimmed(b"x" * size_bytes, 1, outside, time_us, time_us, False)


class Bus:
    """Takes fragments, when it is let."""

    def __init__(self) -> None:
        self.fragments: list[Fragment] = []
        self.open = threading.Event()
        self.open.set()

    def publish(self, fragment: Fragment) -> None:
        self.open.wait(10)
        self.fragments.append(fragment)


def numbers(bus: Bus) -> list[tuple[int, FragmentKind]]:
    return [(fragment.seq, fragment.kind) for fragment in bus.fragments]


def test_short_reading_is_one_message() -> None:
    """What is over at once, with little, goes as an `end` with all that there is to say, and takes no other thread."""
    bus = Bus()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    fragment_publisher.add(piece(10, 7, outside=2), 1)
    fragment_publisher.add(piece(5, 9, outside=1), 1)
    fragment_publisher.count(5)
    fragment_publisher.advance(100)
    fragment_publisher.finish(Finding(Verdict.COMPLETE, "All."))
    fragment_publisher.close()
    assert numbers(bus) == [(0, FragmentKind.END)]
    whole = bus.fragments[0]
    assert (whole.sent, whole.verdict, whole.sentence, len(whole.body)) == ("port 53", Verdict.COMPLETE, "All.", 15)
    assert (whole.packets, whole.trimmed, whole.received) == (2, 3, 5)
    assert (whole.first_us, whole.last_us, whole.through_us) == (7, 9, 100)


def test_whole_answer_stands_for_the_fragments_of_a_longer_reading() -> None:
    """The collector takes it as a beginning, packets if there are some, and an end."""
    whole = msgspec.structs.replace(
        TEMPLATE, kind=FragmentKind.END, verdict=Verdict.COMPLETE, packets=2, trimmed=3, received=5, body=b"packets"
    )
    begin, data, end = parted(whole)
    assert [(one.kind, one.seq, one.packets, one.trimmed, one.received) for one in (data, end)] == [
        (FragmentKind.DATA, 1, 2, 3, 5),
        (FragmentKind.END, 2, 0, 0, 0),
    ]
    assert (begin.kind, begin.seq, begin.sent, end.verdict) == (FragmentKind.BEGIN, 0, "port 53", Verdict.COMPLETE)
    without = parted(msgspec.structs.replace(whole, packets=0, body=b""))
    assert [(one.kind, one.seq) for one in without] == [(FragmentKind.BEGIN, 0), (FragmentKind.END, 1)]
    assert (without[1].trimmed, without[1].received) == (3, 5)
    assert parted(end) == [end]


def test_begin_data_end_are_numbered_without_a_hole() -> None:
    """Every fragment that matters has the next number; only `begin` tells what was sent to the store."""
    bus = Bus()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    fragment_publisher.begin_soon()
    wait_until(lambda: bus.fragments, "the beginning")
    fragment_publisher.add(piece(10, 7, outside=2), 1)
    fragment_publisher.finish(Finding(Verdict.COMPLETE, "All."))
    fragment_publisher.close()
    assert numbers(bus) == [(0, FragmentKind.BEGIN), (1, FragmentKind.DATA), (2, FragmentKind.END)]
    assert [fragment.sent for fragment in bus.fragments] == ["port 53", "", ""]
    data = bus.fragments[1]
    assert (data.packets, data.trimmed, data.first_us, data.last_us) == (1, 2, 7, 7)


def test_small_pieces_travel_together() -> None:
    """While the bus is busy, packets fill fragments of a quarter of a megabyte."""
    bus = Bus()
    bus.open.clear()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    for _ in range(64):
        fragment_publisher.add(piece(FRAGMENT_BYTES // 32), 1)
    bus.open.set()
    fragment_publisher.finish(Finding(Verdict.COMPLETE, ""))
    fragment_publisher.close()
    assert [len(fragment.body) for fragment in bus.fragments] == [0, FRAGMENT_BYTES, FRAGMENT_BYTES, 0]


def test_trickling_packets_do_not_wait_for_more() -> None:
    """A packet leaves soon, although the fragment is far from full and nothing follows."""
    bus = Bus()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    fragment_publisher.add(piece(10), 1)
    wait_until(lambda: len(bus.fragments) == 2, "the packet to leave", timeout_s=2.0)
    fragment_publisher.close()
    assert numbers(bus)[1] == (1, FragmentKind.DATA)


def test_reader_waits_while_the_bus_is_full() -> None:
    """No more than a megabyte waits for the bus; then the reader stands still."""
    bus = Bus()
    bus.open.clear()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    added: list[int] = []

    def read() -> None:
        for number in range(8):
            fragment_publisher.add(piece(FRAGMENT_BYTES), 1)
            added.append(number)

    reader = threading.Thread(target=read)
    reader.start()
    wait_until(lambda: len(added) * FRAGMENT_BYTES == MOST_WAITING_BYTES, "the reader to stand still")
    bus.open.set()
    reader.join(10)
    fragment_publisher.finish(Finding(Verdict.COMPLETE, ""))
    fragment_publisher.close()
    assert sum(len(fragment.body) for fragment in bus.fragments) == 8 * FRAGMENT_BYTES


def test_link_types_do_not_mix() -> None:
    """Packets of another link type begin another fragment."""
    bus = Bus()
    bus.open.clear()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    for linktype in (1, 1, 113):
        fragment_publisher.add(piece(10), linktype)
    bus.open.set()
    fragment_publisher.finish(Finding(Verdict.COMPLETE, ""))
    fragment_publisher.close()
    assert [(fragment.linktype, fragment.packets) for fragment in bus.fragments[1:-1]] == [(1, 2), (113, 1)]


def test_progress_is_told_only_for_what_has_left() -> None:
    """The time that everything has been sent up to never runs ahead of the packets that wait."""
    bus = Bus()
    bus.open.clear()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    for time_us in (5, 6):
        fragment_publisher.add(piece(FRAGMENT_BYTES, time_us), 1)
    fragment_publisher.advance(100)
    bus.open.set()
    fragment_publisher.finish(Finding(Verdict.COMPLETE, ""))
    fragment_publisher.close()
    assert [fragment.through_us for fragment in bus.fragments[1:]] == [None, 100, 100]


def test_progress_without_packets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that searches without a find still moves the bar."""
    monkeypatch.setattr("docket.workers.interface.fragment_publisher.PROGRESS_S", 0.01)
    bus = Bus()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    fragment_publisher.watch(lambda: 70)
    wait_until(lambda: bus.fragments and bus.fragments[-1].through_us == 70, "the progress")
    fragment_publisher.close()
    assert numbers(bus)[-1] == (-1, FragmentKind.STATUS)


def test_each_beginning_is_published_though_many_wait() -> None:
    """Readings that last are begun a tenth of a second after they had their turn, those without one a second after they
    came."""
    bus = Bus()
    readings = [FragmentPublisher(bus.publish, msgspec.structs.replace(TEMPLATE, run=str(n))) for n in range(20)]
    for reading in readings[::2]:
        reading.begin_soon()
    wait_until(lambda: len(bus.fragments) == len(readings), "all to begin")
    for reading in readings:
        reading.close()
    assert {fragment.kind for fragment in bus.fragments} == {FragmentKind.BEGIN}
    assert all(int(fragment.run) % 2 == 0 for fragment in bus.fragments[:10])


@pytest.mark.parametrize("error", [BusLost("gone"), ZeroDivisionError("a fault")])
def test_what_the_bus_does_not_take_is_an_error_of_the_reading(error: Exception) -> None:
    """Whatever publishing fails with comes up in the reading's thread, at the latest at the end."""

    def fail(_fragment: Fragment) -> None:
        raise error

    fragment_publisher = FragmentPublisher(fail, TEMPLATE)
    with pytest.raises(type(error)):
        fragment_publisher.finish(Finding(Verdict.COMPLETE, ""))
    fragment_publisher.close()


def test_closing_throws_away_what_waits() -> None:
    """A reading that was stopped says nothing more."""
    bus = Bus()
    bus.open.clear()
    fragment_publisher = FragmentPublisher(bus.publish, TEMPLATE)
    fragment_publisher.add(piece(10), 1)
    closing = threading.Thread(target=fragment_publisher.close)
    closing.start()
    bus.open.set()
    closing.join(10)
    assert numbers(bus) in ([], [(0, FragmentKind.BEGIN)])
