"""What waits for one WebSocket is bounded, in order, and told once."""

import asyncio

import pytest

from docket.web.live.send_queue import (
    MOST_BYTES,
    MOST_BYTES_IN_ALL,
    MOST_MESSAGES,
    RESTART_CODE,
    SLOW_CODE,
    Ended,
    Outstanding,
    SendQueue,
)


def _fail(code: int) -> None:
    raise AssertionError(f"ended with {code}")


def _taken(send_queue: SendQueue) -> list[bytes]:
    """Everything that can be taken without waiting."""

    async def take_all() -> list[bytes]:
        return [await asyncio.wait_for(send_queue.take(), 5) for _ in range(len(send_queue))]

    return asyncio.run(take_all())


def test_nothing_is_handed_out_before_the_beginning() -> None:
    """A live event waits until the socket has been told what came before it."""
    send_queue = SendQueue(_fail)
    send_queue.put_event(8, "job", b"8")

    async def take() -> bytes:
        waiting = asyncio.create_task(send_queue.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        send_queue.begin([b"snapshot"], 7)
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(take()) == b"snapshot"
    assert _taken(send_queue) == [b"8"]


def test_events_that_the_beginning_tells_of_are_dropped() -> None:
    """Nothing is told twice, whether it arrived before the beginning was known or after."""
    send_queue = SendQueue(_fail)
    for seq in (6, 7, 8):
        send_queue.put_event(seq, None, str(seq).encode())
    send_queue.begin([b"snapshot"], 7)
    for seq in (7, 8, 9):
        send_queue.put_event(seq, None, str(seq).encode())
    assert _taken(send_queue) == [b"snapshot", b"8", b"9"]


def test_progress_is_replaced_by_newer_progress() -> None:
    """However often a job progresses, one message waits, at its first place."""
    send_queue = SendQueue(_fail)
    send_queue.begin([], 0)
    for number in range(10):
        send_queue.put_latest("a", b"a%d" % number)
        send_queue.put_latest("b", b"b%d" % number)
    assert _taken(send_queue) == [b"a9", b"b9"]


def test_event_supersedes_progress_that_waits() -> None:
    """A job's progress from before an event is never told after it."""
    send_queue = SendQueue(_fail)
    send_queue.begin([], 0)
    send_queue.put_latest("a", b"progress")
    send_queue.put_event(1, "a", b"done")
    send_queue.put_latest("a", b"later")
    assert _taken(send_queue) == [b"done", b"later"]


def test_too_many_messages_end_it() -> None:
    """One message more than the bound, and the socket is to be closed as too slow."""
    codes: list[int] = []
    send_queue = SendQueue(codes.append)
    send_queue.begin([], 0)
    for seq in range(1, MOST_MESSAGES + 2):
        send_queue.put_event(seq, None, b"x")
    with pytest.raises(Ended):
        asyncio.run(send_queue.take())
    assert (codes, len(send_queue)) == ([SLOW_CODE], 0)


def test_too_many_bytes_end_it() -> None:
    """Few large messages are bounded as well, also before the beginning."""
    codes: list[int] = []
    send_queue = SendQueue(codes.append)
    send_queue.put_event(1, None, b"x" * MOST_BYTES)
    send_queue.put_event(2, None, b"x")
    assert codes == [SLOW_CODE]


def test_end_drops_what_waits() -> None:
    """After its end an outbox says only that, once, and takes nothing more."""
    codes: list[int] = []
    send_queue = SendQueue(codes.append)
    send_queue.begin([b"snapshot"], 0)
    send_queue.end(RESTART_CODE)
    send_queue.end(SLOW_CODE)
    send_queue.put_event(1, None, b"x")
    with pytest.raises(Ended):
        asyncio.run(send_queue.take())
    assert (codes, len(send_queue)) == ([RESTART_CODE], 0)


def test_sockets_that_never_read_are_bounded_together() -> None:
    """Each holds less than it may, all of them more: the fullest ones are closed, and a reader is not."""
    outstanding, ended = Outstanding(), []
    reader = SendQueue(_fail, outstanding=outstanding)
    for number in range(100):
        stuck = SendQueue(lambda _, number=number: ended.append(number), outstanding=outstanding)  # type: ignore[misc]
        stuck.begin([bytes(1_000_000 + number)], 1)
    reader.begin([b"snapshot"], 1)
    assert _taken(reader) == [b"snapshot"]
    assert (outstanding.size_bytes <= MOST_BYTES_IN_ALL, len(ended) >= 100 - MOST_BYTES_IN_ALL // 1_000_000) == (
        True,
        True,
    )


def test_message_that_is_being_sent_counts_until_the_next_one() -> None:
    """A socket stuck in the middle of its snapshot still holds it."""
    outstanding = Outstanding()
    send_queue = SendQueue(_fail, outstanding=outstanding)
    send_queue.begin([bytes(5_000)], 1)
    assert (len(_taken(send_queue)), outstanding.size_bytes) == (1, 5_000)
    send_queue.leave()
    assert outstanding.size_bytes == 0
