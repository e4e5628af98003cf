"""Blocking work off the event loop: one bounded pool of threads per purpose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from docket.web.http.api_errors import RETRY_AFTER_S, api_error

P = ParamSpec("P")
T = TypeVar("T")


class Executor:
    """A pool that refuses work instead of letting a queue grow without end."""

    def __init__(self, name: str, workers: int, most_waiting: int = 2_000) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._most = workers + most_waiting
        self.busy = 0
        """Calls that run or wait right now."""

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function in a thread. Raises what it raises, or Refusal (503) when too much waits."""
        if self.busy >= self._most:
            wait = {"Retry-After": str(RETRY_AFTER_S)}
            raise api_error(503, "busy", "too many requests are waiting for the disk; try again", headers=wait)
        self.busy += 1
        try:
            call = partial(function, *args, **kwargs)
            try:
                answer = asyncio.get_running_loop().run_in_executor(self._pool, call)
            except RuntimeError as error:
                raise api_error(503, "stopping", "the web app is stopping; try again") from error
            return await answer
        finally:
            self.busy -= 1

    async def close(self) -> None:
        """Drop what waits, and return when no call runs any more."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
