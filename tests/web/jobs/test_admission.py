"""Questions at the door of the web app: users in turn, and no user far ahead of the collector."""

import asyncio
from collections import Counter

import pytest

from docket.web.jobs import admission
from docket.web.jobs.admission import AT_ONCE, MOST_UNREAD, Admission


class Asker:
    """Asks questions as users, and holds each turn until it is let go."""

    def __init__(self) -> None:
        self.unread: Counter[str] = Counter()
        self.admission = Admission(lambda user: self.unread[user])
        self.inside: list[str] = []
        self._released: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def ask(self, user: str, times: int = 1) -> None:
        """Begin so many questions, and let them come as far as they come."""
        self._tasks += [asyncio.create_task(self._ask(user)) for _ in range(times)]
        await settle()

    async def release(self, user: str) -> None:
        """Let one turn of this user end."""
        self._released[user] += 1
        self._news.set()
        await settle()

    async def end(self) -> None:
        """Give up what still waits or is inside."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, user: str) -> None:
        async with self.admission.turn(user):
            self.inside.append(user)
            while not self._released[user]:
                self._news.clear()
                await self._news.wait()
            self._released[user] -= 1


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_another_user_comes_in_though_one_has_hundreds() -> None:
    """One user has half of the turns at most, and another's question need not wait for any of them."""

    async def scenario() -> None:
        asker = Asker()
        await asker.ask("many", 300)
        assert asker.inside == ["many"] * (AT_ONCE // 2)
        await asker.ask("other")
        assert asker.inside[-1] == "other"
        await asker.end()

    asyncio.run(scenario())


def test_users_take_turns() -> None:
    """Of those that wait each user has the next turn once, whoever came first."""

    async def scenario() -> None:
        asker = Asker()
        users = [f"user {number}" for number in range(AT_ONCE)]
        for user in users:
            await asker.ask(user)
        await asker.ask("many", 5)
        await asker.ask("other", 5)
        for user in (*users[:2], "many", "other"):
            await asker.release(user)
        assert asker.inside[AT_ONCE:] == ["many", "other", "many", "other"]
        await asker.end()

    asyncio.run(scenario())


def test_user_waits_for_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has many questions on the bus that are not read puts no more there, until one is read; others do."""
    monkeypatch.setattr(admission, "LONGEST_WAIT_S", 60.0)

    async def scenario() -> None:
        asker = Asker()
        asker.unread["many"] = MOST_UNREAD
        await asker.ask("many", 2)
        await asker.ask("other")
        assert asker.inside == ["other"]
        asker.unread["many"] -= 1
        asker.admission.look()
        await settle()
        assert asker.inside == ["other", "many"]
        await asker.end()

    asyncio.run(scenario())


def test_wait_for_a_collector_that_is_away_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question goes on after a while, as the bus keeps it for the collector."""
    monkeypatch.setattr(admission, "LONGEST_WAIT_S", 0.01)

    async def scenario() -> None:
        asker = Asker()
        asker.unread["many"] = MOST_UNREAD
        async with asyncio.timeout(10), asker.admission.turn("many"):
            pass

    asyncio.run(scenario())


def test_question_that_is_given_up_leaves_nothing_behind() -> None:
    """What was cancelled while it waited or had its turn keeps no other from coming in."""

    async def scenario() -> None:
        asker = Asker()
        await asker.ask("many", 100)
        await asker.end()
        await asker.ask("many", AT_ONCE // 2)
        assert len(asker.inside) == AT_ONCE
        await asker.end()

    asyncio.run(scenario())
