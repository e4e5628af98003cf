"""The broker is asked about a bounded number of queues at a time, however often health is asked."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from docket.bus import topology
from docket.bus.interface import QueueDepth
from docket.domain.clock import now_text
from docket.errors import BusLost
from docket.spool.collector_health import CollectorHealth
from docket.web.health.queue_depths import MOST_AT_ONCE, QueueDepths

SOURCES = [f"rock{number:03}:em1" for number in range(250)]
SHARED = [queue.name for queue in topology.queues([])]


class Link:
    """A broker that counts what it is asked."""

    def __init__(self) -> None:
        self.looks: list[list[str]] = []
        self.is_away = False
        self.hidden: set[str] = set()

    async def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        self.looks.append(list(queues))
        if self.is_away:
            raise BusLost("away")
        return {name: QueueDepth(len(self.looks), 1) for name in queues if name not in self.hidden}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = SimpleNamespace(now_s=0.0)
    monkeypatch.setattr("docket.web.health.queue_depths.time", SimpleNamespace(monotonic=lambda: made.now_s))
    return made


def test_many_calls_are_one_look(clock: Any) -> None:  # noqa: ARG001
    """Also those that come at once."""

    async def ask() -> None:
        depths, link = QueueDepths(), Link()
        answers = await asyncio.gather(*(depths.of(link, SOURCES[:2]) for _ in range(20)))  # type: ignore[arg-type]
        assert (len(link.looks), len(answers[0]), answers[0]) == (1, len(SHARED) + 2, answers[-1])

    asyncio.run(ask())


def test_sources_take_turns(clock: Any) -> None:
    """What all share is looked at each time, and every source after a few looks."""

    async def ask() -> None:
        depths, link = QueueDepths(), Link()
        for _ in range(3):
            answer = await depths.of(link, SOURCES)  # type: ignore[arg-type]
            clock.now_s += 10
        assert [len(look) for look in link.looks] == [len(SHARED) + MOST_AT_ONCE] * 3
        assert set(answer) == {queue.name for queue in topology.queues(SOURCES)}
        assert {answer[name].messages for name in SHARED} == {3}

    asyncio.run(ask())


def test_a_broker_that_is_away_is_asked_again(clock: Any) -> None:  # noqa: ARG001
    """What was known then is not shown for what is."""

    async def ask() -> None:
        depths, link = QueueDepths(), Link()
        link.is_away = True
        assert await depths.of(link, SOURCES[:1]) == {}  # type: ignore[arg-type]
        link.is_away = False
        assert (await depths.of(link, SOURCES[:1]))[SHARED[0]].messages == 2  # type: ignore[arg-type]

    asyncio.run(ask())


def heartbeat(at: str) -> CollectorHealth:
    return CollectorHealth(
        at=at,
        started_at=at,
        version="1",
        open_jobs=0,
        free_bytes=0,
        free_inodes=None,
        used_bytes=0,
        max_bytes=0,
        min_free_bytes=0,
        queues=dict.fromkeys(SHARED, (7, 1)),
    )


def test_what_the_collector_sees_stands_where_this_process_may_not_look(clock: Any) -> None:  # noqa: ARG001
    """What it said long ago does not, and what is seen here goes first."""

    async def ask() -> None:
        depths, link = QueueDepths(), Link()
        link.hidden = set(SHARED[1:])
        seen = await depths.of(link, [], heartbeat(now_text()))  # type: ignore[arg-type]
        assert seen == dict.fromkeys(SHARED, QueueDepth(7, 1)) | {SHARED[0]: QueueDepth(1, 1)}
        old = await depths.of(link, [], heartbeat("2001-01-01T00:00:00Z"))  # type: ignore[arg-type]
        assert old == {SHARED[0]: QueueDepth(1, 1)}

    asyncio.run(ask())
