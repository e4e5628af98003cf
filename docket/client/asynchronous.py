"""`AsyncDocket`: the same as `Docket` inside an event loop, which is never blocked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docket.client.answers import QueryCheck
from docket.client.blocking import Docket
from docket.client.follow import follow, states
from docket.domain.job import Job
from docket.domain.source import SourceStatus

if TYPE_CHECKING:
    from docket.workers.inspector.rpc_messages import PacketPage
    from docket.workers.inspector.tshark.summary import Summary


class AsyncDocket:
    """A Docket server; arguments, answers and errors are those of `Docket`."""

    def __init__(self, url: str, **login: Any) -> None:
        self._docket = Docket(url, **login)

    async def __aenter__(self) -> AsyncDocket:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._docket.close()

    async def ask(self, query: str, **how: Any) -> Job:
        return await asyncio.to_thread(self._docket.ask, query, **how)

    async def check(self, query: str, **how: Any) -> QueryCheck:
        return await asyncio.to_thread(self._docket.check, query, **how)

    async def job(self, job: Job | str) -> Job:
        return await asyncio.to_thread(self._docket.job, job)

    async def watch(self, job: Job | str) -> AsyncIterator[Job]:
        async for state in states(self._docket.client, await self.job(job)):
            yield state

    async def wait(self, job: Job | str) -> Job:
        return await follow(self._docket.client, await self.job(job))

    async def fetch(self, job: Job | str, path: str | os.PathLike[str] | None = None) -> Path:
        return await asyncio.to_thread(self._docket.fetch, job, path)

    async def cancel(self, job: Job | str, *, keep: bool = True) -> Job:
        return await asyncio.to_thread(self._docket.cancel, job, keep=keep)

    async def retry(self, job: Job | str) -> Job:
        return await asyncio.to_thread(self._docket.retry, job)

    async def sources(self) -> tuple[SourceStatus, ...]:
        return await asyncio.to_thread(self._docket.sources)

    async def packets(
        self, job: Job | str, display_filter: str = "", *, offset: int = 0, limit: int = 100
    ) -> PacketPage:
        return await asyncio.to_thread(self._docket.packets, job, display_filter, offset=offset, limit=limit)

    async def summary(self, job: Job | str) -> Summary:
        return await asyncio.to_thread(self._docket.summary, job)
