"""Following a result that still grows, to its end. For downloads only.

The collector writes the growing file at one name and gives it its final name at the end. It may also begin again,
when a source's reading is repeated or a packet came later than its order allows. Then what was sent already is
compared with the finished file: the same beginning goes on, any other is broken off.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator

from docket.domain.job import Job
from docket.spool.layout import Spool
from docket.web.http.executor import Executor
from docket.web.jobs.result_file import PIECE_BYTES, ResultFile
from docket.web.jobs.service import JobService
from docket.web.live.event_feed import Watch

LOOK_S = 0.05
"""How often the file is looked at for growth. Watching costs one `fstat` in a thread."""
ASK_AGAIN_LOOKS = 40
"""After so many looks without news the ledger is asked, in case the bus is away."""


class Broken(Exception):
    """What was sent is not, or cannot become, the job's result; says why."""


class ResultFollower:
    """One client that follows one job."""

    def __init__(self, job_service: JobService, spool: Spool, files: Executor, job: Job) -> None:
        self._job_service = job_service
        self._spool = spool
        self._run = files.run
        self._job = job
        self._growing = spool.partial(job.id)
        self._file: ResultFile | None = None
        self._sent_bytes = 0
        self._digest = hashlib.sha256()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The file's bytes as they come. Raises Broken."""
        try:
            with self._job_service.watch(self._job.id) as watch:
                self._job = await self._job_service.job(self._job.id)
                while not self._job.is_final:
                    async for chunk in self._grown():
                        yield chunk
                    await self._wait(watch)
            async for chunk in self._rest():
                yield chunk
        finally:
            if self._file is not None:
                self._file.close()

    async def _grown(self) -> AsyncGenerator[bytes, None]:
        """What the growing file has more than was sent."""
        if self._file is None:
            self._file = await self._run(ResultFile.open, self._growing)
        # A file that lost its name may be the finished one or a discarded one; `_rest` finds out.
        while self._file is not None and await self._run(self._file.is_at, self._growing):
            chunk = await self._run(self._next, self._file)
            if not chunk:
                return
            yield chunk

    async def _wait(self, watch: Watch) -> None:
        for _ in range(ASK_AGAIN_LOOKS):
            if await watch.news(LOOK_S) and watch.latest is not None:
                self._job = watch.latest
                return
            if await self._has_grown():
                return
        self._job = await self._job_service.job(self._job.id)

    async def _has_grown(self) -> bool:
        if self._file is None:
            return await self._run(self._growing.exists)
        return await self._run(self._file.size_now) > self._sent_bytes

    async def _rest(self) -> AsyncGenerator[bytes, None]:
        """The finished file after what was sent, once its beginning is known to be the same."""
        pcap = self._job.pcap
        path = self._spool.result(self._job.id)
        finished = await self._run(ResultFile.open, path) if pcap is not None else None
        if pcap is None or finished is None:
            raise Broken(f"the job is {self._job.state} and has no result")
        followed, self._file = self._file, finished
        renamed = False
        if followed is not None:
            renamed = await self._run(followed.is_at, path)
            followed.close()
        if not renamed and await self._run(finished.digest, self._sent_bytes) != self._digest.digest():
            raise Broken("the result was put together again and begins differently")
        while chunk := await self._run(self._next, finished):
            yield chunk
        if self._digest.hexdigest() != pcap.sha256:
            raise Broken("the result was replaced while it was sent")

    def _next(self, file: ResultFile) -> bytes:
        """Read and count the next piece. Blocking, for threads: hashing is as slow as reading."""
        chunk = file.read(self._sent_bytes, PIECE_BYTES)
        self._sent_bytes += len(chunk)
        self._digest.update(chunk)
        return chunk
