"""Answers that the bus does not take: a request goes only when its whole answer is confirmed."""

from typing import Any

import pytest

from docket.bus.memory.memory_broker import MemoryBroker, MemoryPublisher
from docket.bus.messages import FragmentKind
from docket.bus.topology import DEAD_QUEUE
from docket.config.model import StenographerConfig
from docket.domain.job import EventName, Verdict
from docket.errors import BusLost
from docket.workers.sources.base import Source
from tests.faults.stand_in import StandIn
from tests.services.waiting import wait_until
from tests.workers.interface.defective_source import Defective
from tests.workers.interface.test_interface import job, settled
from tests.workers.worker_harness import Office, working


class Refusing:
    """A bus that does not take the first messages of one kind, though there is time left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: FragmentKind, times: int) -> None:
        self.refused = 0
        taken = MemoryPublisher.publish

        def publish(publisher: MemoryPublisher, *what: Any, headers: Any = None, **how: Any) -> None:
            if (headers or {}).get("kind") == kind.value and self.refused < times:
                self.refused += 1
                raise BusLost("the broker did not confirm the message in time")
            taken(publisher, *what, headers=headers, **how)

        monkeypatch.setattr(MemoryPublisher, "publish", publish)


@pytest.mark.parametrize(
    ("kind", "whole"),
    [(FragmentKind.BEGIN, False), (FragmentKind.DATA, False), (FragmentKind.END, False), (FragmentKind.END, True)],
)
def test_an_answer_that_the_bus_did_not_take_is_read_again(
    bus: MemoryBroker,
    office: Office,
    config: StenographerConfig,
    monkeypatch: pytest.MonkeyPatch,
    kind: FragmentKind,
    whole: bool,
) -> None:
    """The request goes only when its whole answer is on the bus, as one message or as several; the later reading is a
    later attempt."""
    if not whole:
        monkeypatch.setattr("docket.workers.interface.fragment_publisher.WHOLE_BYTES", -1)
    bus_fault = Refusing(monkeypatch, kind, 2)
    request = job()
    with working(bus, [config]) as worker:
        office.send(request)
        end = office.ended(request)
        settled(bus, worker)
    assert (bus_fault.refused, end.attempt, end.verdict) == (2, 3, Verdict.COMPLETE)
    assert len(office.of(request, FragmentKind.END)) == 1


def test_a_failure_that_the_bus_did_not_take_is_said_later(
    bus: MemoryBroker, office: Office, config: StenographerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is no dead letter before its job has heard what became of it."""
    source: Source = Defective()
    bus_fault = Refusing(monkeypatch, FragmentKind.END, 1)
    request = job()
    with working(bus, [config], [source]):
        office.send(request)
        end = office.ended(request)
        wait_until(lambda: bus.depth(DEAD_QUEUE).messages == 1, "the dead letter")
    assert (bus_fault.refused, end.attempt, end.verdict) == (1, 2, Verdict.REFUSED)


def test_a_job_that_ended_is_not_read_again_for_an_answer_that_the_bus_did_not_take(
    bus: MemoryBroker,
    office: Office,
    config: StenographerConfig,
    steno: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A job that was cancelled meanwhile waits for no answer."""
    bus_fault = Refusing(monkeypatch, FragmentKind.END, 1_000)
    request = job()
    with working(bus, [config]) as worker:
        office.send(request)
        wait_until(lambda: bus_fault.refused >= 1, "the answer to be refused")
        office.tell(EventName.CANCELLED, request)
        settled(bus, worker)
        queries = len(steno.queries)
        office.send(request)
        settled(bus, worker)
    assert (len(steno.queries), office.of(request, FragmentKind.END)) == (queries, [])
