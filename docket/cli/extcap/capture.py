"""One capture of Wireshark's: the job is asked, watched, and written into the FIFO as pcapng.

Wireshark ends a capture with a signal, or by closing the FIFO: the job is cancelled then.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from docket.client.follow import follow
from docket.client.http_client import Client
from docket.domain.job import Job
from docket.errors import DocketError


class Capture:
    """From the question to the last packet."""

    def __init__(self, client: Client, question: Mapping[str, Any], fifo: Path) -> None:
        self._client = client
        self._question = question
        self._fifo = fifo
        self._stopped = asyncio.Event()

    async def run(self) -> Job | None:
        """The final job once its packets are written; None if the capture was stopped before. Raises DocketError."""
        loop = asyncio.get_running_loop()
        # Opening waits for the reader; until then there is nothing to cancel.
        out = os.open(self._fifo, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for one in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(one, self._stopped.set)
            if stat.S_ISFIFO(os.fstat(out).st_mode):
                # A pipe whose reader has gone is ready to be read: that is its error.
                loop.add_reader(out, self._stopped.set)
            return await self._run(loop, out)
        finally:
            loop.remove_reader(out)
            os.close(out)

    async def _run(self, loop: asyncio.AbstractEventLoop, out: int) -> Job | None:
        job, is_new = await loop.run_in_executor(None, self._client.ask, self._question)
        final = await self._unless_stopped(follow(self._client, job))
        if final is None:
            if is_new:
                # Where it has just ended by itself there is nothing to cancel.
                with suppress(DocketError):
                    await loop.run_in_executor(None, self._client.cancel, job.id)
            return None
        if final.pcap is None:
            return final
        written = await loop.run_in_executor(None, self._write, final, _writer(out, self._stopped))
        return final if written else None

    async def _unless_stopped(self, following: Awaitable[Job]) -> Job | None:
        watching, stopping = asyncio.ensure_future(following), asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait((watching, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not watching.done():
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            return None
        return watching.result()

    def _write(self, job: Job, write: Callable[[bytes], object]) -> bool:
        try:
            self._client.download(job.id, write, kind="pcapng")
        except BrokenPipeError:
            return False
        return True


def _writer(out: int, stopped: asyncio.Event) -> Callable[[bytes], None]:
    def write(chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            if stopped.is_set():
                raise BrokenPipeError
            view = view[os.write(out, view) :]

    return write
