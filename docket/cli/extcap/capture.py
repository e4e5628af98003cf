"""One capture of Wireshark's: the job is asked, watched, and written into the FIFO as pcapng.

Wireshark ends a capture with a signal, or by closing the FIFO: the job is cancelled then.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import threading
from collections.abc import Awaitable, Mapping
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
            self._stopped.set()
            loop.remove_reader(out)
            os.close(out)

    async def _run(self, loop: asyncio.AbstractEventLoop, out: int) -> Job | None:
        job, is_new = await loop.run_in_executor(None, self._client.ask, self._question)
        writing = self._written(loop, job, _Fifo(out, self._stopped))
        final = await self._unless_stopped(follow(self._client, job))
        if final is None:
            writing.cancel()
            if is_new:
                # Where it has just ended by itself there is nothing to cancel.
                with suppress(DocketError):
                    await loop.run_in_executor(None, self._client.cancel, job.id)
            return None
        if final.pcap is None:
            writing.cancel()
            return final
        return final if await writing else None

    def _written(self, loop: asyncio.AbstractEventLoop, job: Job, fifo: _Fifo) -> asyncio.Future[bool]:
        """Whether all packets were written, once that is so; they are written from now on, as they come."""
        done: asyncio.Future[bool] = loop.create_future()

        def write() -> None:
            try:
                outcome: bool | DocketError = self._write(job, fifo)
            except DocketError as error:
                outcome = error
            with suppress(RuntimeError):  # the capture was stopped, and its loop has ended
                loop.call_soon_threadsafe(_settle, done, outcome)

        # A daemon: one that waits for packets of a job that goes on must not keep the capture from ending.
        threading.Thread(target=write, name="packets", daemon=True).start()
        return done

    async def _unless_stopped(self, following: Awaitable[Job]) -> Job | None:
        watching, stopping = asyncio.ensure_future(following), asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait((watching, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not watching.done():
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            return None
        return watching.result()

    def _write(self, job: Job, fifo: _Fifo) -> bool:
        try:
            try:
                self._client.download(job.id, fifo.write, follow=True, kind="pcapng")
            except DocketError:
                # A server that does not follow, or a result that was put together again, before a packet was written.
                if fifo.written_bytes:
                    raise
                self._download_finished(job, fifo)
        except BrokenPipeError:
            return False
        return True

    def _download_finished(self, job: Job, fifo: _Fifo) -> None:
        """Raises DocketError, BrokenPipeError."""
        asyncio.run(follow(self._client, job))
        self._client.download(job.id, fifo.write, kind="pcapng")


class _Fifo:
    """Where the packets go, for the thread that writes them."""

    def __init__(self, descriptor: int, stopped: asyncio.Event) -> None:
        self._descriptor = descriptor
        self._stopped = stopped
        self.written_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Raises BrokenPipeError where it is to end, or is not read any more."""
        view = memoryview(chunk)
        while view:
            if self._stopped.is_set():
                raise BrokenPipeError
            written = os.write(self._descriptor, view)
            self.written_bytes += written
            view = view[written:]


def _settle(done: asyncio.Future[bool], outcome: bool | DocketError) -> None:
    if done.done():
        return
    if isinstance(outcome, DocketError):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
