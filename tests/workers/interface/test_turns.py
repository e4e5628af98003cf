"""The worker's places: whose question is read next, and that none keeps the others waiting."""

import pytest
from msgspec.structs import replace

from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.messages import FragmentKind
from docket.config.model import StenographerConfig
from docket.domain.job import EventName, Verdict
from tests.faults import scripts
from tests.faults.certificates import Pair
from tests.faults.stand_in import StandIn
from tests.services.ports import free_port
from tests.services.waiting import wait_until
from tests.workers.interface.test_interface import MINUTE_US, held, job, settled
from tests.workers.requests import US, ask, steno_config
from tests.workers.worker_harness import Office, working


def test_small_question_passes_big_ones(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """With two queries at once, big questions never hold both places, however many wait."""
    steno.script = scripts.silent(after=3)
    big = [job(minutes=60_000) for _ in range(3)]
    with working(bus, [config], given_back=3):
        for request in big:
            office.send(request)
            office.begun(request)
        wait_until(lambda: len(steno.queries) == 1, "the first query to arrive")
        steno.script = scripts.serve
        small = job()
        office.send(small)
        assert office.ended(small).verdict is Verdict.COMPLETE
        assert len(steno.queries) == 2


def test_dead_source_delays_nobody_else(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn, client: Pair
) -> None:
    """Two sources in one process: while one cannot be reached the other answers."""
    dead = steno_config(steno, client, name="rock01:em2", url=f"https://127.0.0.1:{free_port()}")
    request = job()
    with working(bus, [config, dead], patience_s=3):
        office.send(request)
        alive = office.ended(request)
        assert office.of(request, FragmentKind.END, "rock01:em2") == []
        gone = office.ended(request, "rock01:em2")
    assert (alive.verdict, gone.verdict) == (Verdict.COMPLETE, Verdict.UNREACHABLE)


def test_seventy_jobs_that_wait_for_2035_take_no_place(
    bus: MemoryBroker, office: Office, config: StenographerConfig, steno: StandIn
) -> None:
    """A question of now is read beside them, they say what they wait for, and a cancelled one is let go of."""
    far_us = 2_051_222_400 * US
    far = [ask(far_us, far_us + MINUTE_US, f"port {number + 1}", deadline_s=86_400) for number in range(70)]
    with working(bus, [config], given_back=69) as worker:
        for request in far:
            office.send(request)
        wait_until(lambda: worker.in_hand == 70, "all to be taken")
        now = job()
        office.send(now)
        office.ended(now)
        said = wait_until(lambda: office.of(far[69], FragmentKind.STATUS), "what it waits for")
        office.tell(EventName.CANCELLED, far[0])
        wait_until(lambda: worker.in_hand == 69, "the cancelled one to be let go of")
    assert (len(steno.queries), "Its window ends in the future" in said[0].sentence) == (1, True)


def test_many_jobs_of_one_user_do_not_keep_another_waiting(
    bus: MemoryBroker,
    office: Office,
    config: StenographerConfig,
    steno: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other's job is among the next that are read, though it came last; each job that waits says behind whom."""
    monkeypatch.setattr("docket.workers.interface.job_runner.PLACES", 8)
    release = held(steno)
    requests = [replace(job(f"port {number + 1}"), owner="many") for number in range(60)]
    with working(bus, [config]) as worker:
        for request in requests:
            office.send(request)
        wait_until(lambda: worker.in_hand == 60, "all to be taken")
        other = replace(job("port 53"), owner="other")
        office.send(other)
        office.begun(other)
        said = wait_until(lambda: office.of(requests[59], FragmentKind.STATUS), "what it waits for")
        release.set()
        office.ended(other)
        ended = [fragment for fragment in office.fragments if fragment.kind is FragmentKind.END]
        settled(bus, worker)
    assert [fragment.job for fragment in ended].index(other.id) < 9
    assert "jobs of the same user came before" in said[0].sentence
