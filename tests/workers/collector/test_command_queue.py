"""Commands that wait: senders take turns, commands about one job stay in order, and nothing grows without end."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from docket.workers.collector import command_queue
from docket.workers.collector.command_queue import CommandQueue


def command(job_id: str, owner: str = "", *, user_id: str | None = None, generation: int = 1) -> Any:
    body = json.dumps({"id": job_id, "owner": owner}).encode()
    return SimpleNamespace(body=body, user_id=user_id, account="docket-collector", generation=generation, name=job_id)


def taken(queue: CommandQueue, generation: int = 1) -> list[str]:
    names = []
    while (delivery := queue.next(generation)) is not None:
        names.append(delivery.name)  # type: ignore[attr-defined]
    return names


def test_senders_take_turns() -> None:
    """One question is carried out after one of another's thousand."""
    queue = CommandQueue()
    for number in range(1_000):
        queue.put(command(f"a{number}", "a"))
    queue.put(command("b", "b"))
    assert taken(queue)[:3] == ["a0", "b", "a1"]
    assert (len(queue), queue.is_full) == (0, False)


def test_one_command_of_each_sender_is_taken_while_answers_wait() -> None:
    """Without them, many of one sender; in both cases no more than the collector carries out in one turn."""
    queue = CommandQueue()
    for number in range(100):
        queue.put(command(f"a{number}", "a"))
    queue.put(command("b0", "b"))
    one_each = [delivery.name for delivery in queue.take(1, one_each=True)]  # type: ignore[attr-defined]
    assert one_each == ["a0", "b0"]
    assert len(list(queue.take(1))) == command_queue.MOST_TAKEN
    for number in range(50):
        queue.put(command(f"c{number}", f"c{number}"))
    assert len(list(queue.take(1, one_each=True))) == command_queue.MOST_TAKEN


def test_the_brokers_word_on_the_sender_counts() -> None:
    """Whoever names a thousand owners has one line; the web app speaks for its users."""
    queue = CommandQueue()
    for number in range(3):
        queue.put(command(f"t{number}", f"owner {number}", user_id="docket-tool"))
    for number in range(2):
        queue.put(command(f"w{number}", f"owner {number}", user_id="docket-web"))
    assert taken(queue) == ["t0", "w0", "w1", "t1", "t2"]


def test_commands_about_one_job_stay_in_order() -> None:
    """Another's cancellation of a job that still waits is not carried out before the question."""
    queue = CommandQueue()
    queue.put(command("a0", "a"))
    queue.put(command("a1", "a"))
    queue.put(command("a1", "admin"))
    assert taken(queue) == ["a0", "a1", "a1"]


def test_a_job_that_is_answered_already_comes_first() -> None:
    """What waits about one job can be taken out at once."""
    queue = CommandQueue()
    for name in ("a0", "a1", "a1", "a2"):
        queue.put(command(name, "a"))
    assert [delivery.name for delivery in queue.of_job("a1", 1)] == ["a1", "a1"]  # type: ignore[attr-defined]
    assert (queue.of_job("a1", 1), taken(queue)) == ([], ["a0", "a2"])


def test_what_the_broker_took_back_is_forgotten() -> None:
    """After a new connection it comes again."""
    queue = CommandQueue()
    queue.put(command("old", "a", generation=1))
    queue.put(command("new", "a", generation=2))
    assert taken(queue, generation=2) == ["new"]


def test_no_more_is_taken_in_than_memory_bears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large commands fill it sooner; a broken one is one like all others."""
    monkeypatch.setattr(command_queue, "MOST_BYTES", 100)
    queue = CommandQueue()
    queue.put(SimpleNamespace(body=b"\xff{" * 51, user_id=None, account=None, generation=1, name="broken"))
    assert queue.is_full
    assert (taken(queue), queue.is_full) == (["broken"], False)
