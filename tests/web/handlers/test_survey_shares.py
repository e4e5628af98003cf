"""Surveys of indexes are shared: one user who asks for hundreds of timelines leaves room for another's."""

import asyncio
from typing import Any, cast

import pytest

from docket.bus import survey_messages
from docket.bus.async_interface import AsyncBusClient
from docket.domain.query.canonical import parse
from docket.domain.source import SourceStatus
from docket.domain.timewindow import Window
from docket.web.jobs import surveys
from docket.web.jobs.surveys import INDEXED, MOST_WAITING, Surveys

AT = "2026-11-24T14:00:00.000000Z"
SOURCE = SourceStatus(name="rock01:em1", kind="capture-files", state="online", last_seen=AT, stats={INDEXED: 1})


class _Link:
    """A bus whose workers never answer; counts what they are asked."""

    connected = True

    def __init__(self) -> None:
        self.asked = 0

    def listen(self, *_: object) -> None: ...

    async def publish(self, _exchange: str, key: str, *_: object, **__: object) -> None:
        self.asked += key == survey_messages.ASKED_KEY


def test_one_user_leaves_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """He has half of the places; when his have been answered or given up, they are free again."""
    monkeypatch.setattr(surveys, "WAIT_S", 0.2)
    link = _Link()

    async def act() -> list[int]:
        asker = Surveys(cast(AsyncBusClient, link))

        def ask(name: str) -> Any:
            return asyncio.ensure_future(asker.ask(parse(""), Window(0, 1), [SOURCE], name))

        counts = []
        greedy = [ask("greedy") for _ in range(200)]
        await asyncio.sleep(0)
        counts.append(link.asked)
        other = ask("other")
        await asyncio.sleep(0)
        counts.append(link.asked)
        await asyncio.gather(*greedy, other)
        await ask("greedy")
        return [*counts, link.asked]

    half = MOST_WAITING // 2
    assert asyncio.run(act()) == [half, half + 1, half + 2]
