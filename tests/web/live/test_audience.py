"""The sockets of one user: a few are sent each event at once, many of them what came together, in order and once."""

import asyncio
from collections.abc import Awaitable, Callable

from docket.web.live.audience import FEW, Audience
from docket.web.live.send_queue import SendQueue


def _fail(code: int) -> None:
    raise AssertionError(f"ended with {code}")


def _audience(sockets: int) -> tuple[Audience, list[SendQueue]]:
    audience = Audience(None)
    queues = [SendQueue(_fail) for _ in range(sockets)]
    for queue in queues:
        queue.begin([], 0)
        audience.add(queue)
    return audience, queues


def _run(act: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await act()

    asyncio.run(bounded())


def test_a_few_sockets_are_sent_each_event_at_once() -> None:
    """Nothing waits for a turn of the loop."""

    async def act() -> None:
        audience, queues = _audience(FEW)
        for seq in (1, 2):
            audience.put(seq, "job", b"%d" % seq)
        assert [len(queue) for queue in queues] == [2] * FEW

    _run(act)


def test_many_sockets_are_sent_what_came_together_as_one() -> None:
    """In one write each, with progress left out that an event has overtaken."""

    async def act() -> None:
        audience, queues = _audience(FEW + 1)
        audience.put(None, "job", b"half")
        audience.put(1, "job", b"done")
        audience.put(None, "other", b"quarter")
        audience.put(None, "other", b"half of the other")
        assert [await queue.take() for queue in queues] == [b"donehalf of the other"] * (FEW + 1)

    _run(act)


def test_later_rounds_lose_nothing_and_send_nothing_twice() -> None:
    """Also to a socket that came in between, which its beginning has brought up to the middle of a run."""

    async def act() -> None:
        audience, queues = _audience(FEW + 1)
        late = SendQueue(_fail)
        for seq in range(1, 7):
            audience.put(seq, None, b"%d" % seq)
            if seq == 3:
                assert await queues[0].take() == b"123"
                audience.add(late)
            if seq == 5:
                late.begin([b"snapshot"], 5)
        got = b""
        while len(got) < 3:
            got += await queues[0].take()
        assert got == b"456"
        assert [await late.take(), await late.take()] == [b"snapshot", b"6"]

    _run(act)
