"""Questions of links, remembered for a while, so that a second click leads to the same job. For `compat` alone."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable

MOST_REMEMBERED = 1_000


class LinkCache:
    """One per process, for the event loop only."""

    def __init__(self) -> None:
        self._asked: OrderedDict[Hashable, tuple[float, asyncio.Future[str]]] = OrderedDict()

    async def job_id(
        self,
        key: Hashable,
        remembered_s: float,
        ask: Callable[[], Awaitable[str]],
        still_good: Callable[[str], Awaitable[bool]],
    ) -> str:
        """The id of the job that the key led to within `remembered_s`, if it is still good, else of a new one.

        Those who come while the first one is still asking wait for its answer, or its error.
        """
        known = self._asked.get(key)
        if known is not None and time.monotonic() - known[0] < remembered_s:
            # The client that asked first may leave; the others' answer must not be cancelled with it.
            found = await asyncio.shield(known[1])
            if await still_good(found):
                return found
        future: asyncio.Future[str] = asyncio.ensure_future(self._ask(ask))
        self._asked[key] = (time.monotonic(), future)
        self._asked.move_to_end(key)
        while len(self._asked) > MOST_REMEMBERED:
            self._asked.popitem(last=False)
        try:
            return await asyncio.shield(future)
        except Exception:
            if self._asked.get(key, (0, None))[1] is future:
                del self._asked[key]
            raise

    @staticmethod
    async def _ask(ask: Callable[[], Awaitable[str]]) -> str:
        return await ask()
