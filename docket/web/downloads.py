"""`GET api/v1/jobs/{id}/pcap`: the result with ranges and tags, or the growing file followed to its end.

A file is read in pieces and the next piece is read only when the client has taken the last one, so the size of
a result and the pace of a client cost no memory.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import ClassVar
from urllib.parse import quote

from tornado.iostream import StreamClosedError

from docket.errors import DocketError
from docket.job import Job, PcapFile, State
from docket.web.base import Handler
from docket.web.contract import Operation, Operations, Param
from docket.web.following import Broken, Follower
from docket.web.jobs import job_id
from docket.web.ranges import ByteRange, Unsatisfiable, none_match, parse_range, range_holds
from docket.web.refusal import RETRY_AFTER_S, Refusal, refuse
from docket.web.result_file import ResultFile

logger = logging.getLogger(__name__)

PCAP_TYPE = "application/vnd.tcpdump.pcap"

STALL_S = 300.0
"""A client that takes not one piece in this time is gone, whatever its connection says."""

OPEN_TRIES = 40
OPEN_WAIT_S = 0.05
"""A new revision takes its place in the spool a moment before or after the ledger tells of it."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._,:+@-]+")

_FOLLOW = Param("follow", "1: stream the file as it grows, until the job is final", {"type": "string", "enum": ["1"]})
_RANGE = Param("Range", "One range of bytes", where="header")


class PcapHandler(Handler):
    """One job's result."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "Download the result; one range at a time, or followed while it grows",
            gives={200: PCAP_TYPE, 206: PCAP_TYPE, 304: None},
            params=(_FOLLOW, _RANGE),
            refuses=(404, 409, 410, 416, 503),
        ),
        "HEAD": Operation("The headers of the download", gives={200: None}),
    }

    _sending: asyncio.Task[None] | None = None

    async def get(self, text: str) -> None:
        await self._serve(text, with_body=True)

    async def head(self, text: str) -> None:
        await self._serve(text, with_body=False)

    async def _serve(self, text: str, *, with_body: bool) -> None:
        job = await self.services.desk.job(job_id(text))
        self.set_header("Content-Type", PCAP_TYPE)
        self.set_header("X-Docket-State", job.state.value)
        self.set_header("X-Docket-Revision", str(job.revision))
        if self.get_query_argument("follow", "0") not in ("", "0") and not job.is_final:
            await self._follow(job, with_body=with_body)
        else:
            await self._send_result(job, with_body=with_body)

    async def _send_result(self, job: Job, *, with_body: bool) -> None:
        file, pcap = await self._open(job)
        try:
            part = self._choose_part(pcap)
            if part is not None and with_body:
                await self._deliver(self._pieces(file, part))
        finally:
            file.close()

    def _choose_part(self, pcap: PcapFile) -> ByteRange | None:
        """Set status and headers; None where no body follows (304). Raises Refusal (416)."""
        self.set_header("ETag", f'"{pcap.sha256}"')
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "private, no-cache")
        if not none_match(self.request.headers.get("If-None-Match"), pcap.sha256):
            self.clear_header("Content-Type")
            self.set_status(304)
            return None
        self.set_header("Content-Disposition", disposition(pcap.name))
        self.set_header("Repr-Digest", f"sha-256=:{base64.b64encode(bytes.fromhex(pcap.sha256)).decode()}:")
        part = ByteRange(0, pcap.size)
        if range_holds(self.request.headers.get("If-Range"), pcap.sha256):
            try:
                asked = parse_range(self.request.headers.get("Range"), pcap.size)
            except Unsatisfiable as error:
                size = {"Content-Range": f"bytes */{pcap.size}"}
                raise refuse(416, "bad-range", f"the result has {pcap.size} bytes", headers=size) from error
            if asked is not None:
                part = asked
                self.set_status(206)
                self.set_header("Content-Range", f"bytes {part.start}-{part.end - 1}/{pcap.size}")
        self.set_header("Content-Length", str(part.end - part.start))
        return part

    async def _follow(self, job: Job, *, with_body: bool) -> None:
        self.set_header("Content-Disposition", disposition(self.services.spool.pcap_name(job)))
        if with_body:
            # The client learns at once that it is being served, though the first packet may take a while.
            await self.flush()
            await self._deliver(Follower(self.services, job).pieces())

    async def _open(self, job: Job) -> tuple[ResultFile, PcapFile]:
        """The file that the ledger speaks of, in the revision that it speaks of. Raises Refusal."""
        path = self.services.spool.result(job.id)
        for _ in range(OPEN_TRIES):
            if job.pcap is None:
                raise no_result(job)
            file = await self.services.files.run(ResultFile.open, path)
            if file is not None:
                if file.size_bytes == job.pcap.size:
                    return file, job.pcap
                file.close()
            await asyncio.sleep(OPEN_WAIT_S)
            job = await self.services.desk.job(job.id)
        logger.error("job %s: %s is not there in the size that the ledger says", job.id, path)
        wait = {"Retry-After": str(RETRY_AFTER_S)}
        raise refuse(503, "result-missing", "the result is not in the spool as it should be", headers=wait)

    async def _pieces(self, file: ResultFile, part: ByteRange) -> AsyncGenerator[bytes, None]:
        offset = part.start
        while offset < part.end:
            piece = await self.services.files.run(file.read, offset, part.end - offset)
            if not piece:
                raise Broken("the file in the spool became shorter")
            offset += len(piece)
            yield piece

    async def _deliver(self, pieces: AsyncGenerator[bytes, None]) -> None:
        """Send the pieces at the client's pace, until it has all or leaves."""
        metrics = self.services.metrics
        metrics.downloads += 1
        self._sending = asyncio.create_task(self._send(pieces))
        try:
            await self._sending
        except asyncio.CancelledError:
            logger.debug("request %s: the client left", self.request_id)
        finally:
            metrics.downloads -= 1

    def on_connection_close(self) -> None:
        """The client left, perhaps while nothing is there to be sent."""
        super().on_connection_close()
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self, pieces: AsyncGenerator[bytes, None]) -> None:
        """A failure breaks the connection: the client must not take what it has for the whole."""
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    self.write(piece)
                    await asyncio.wait_for(self.flush(), STALL_S)
                    self.services.metrics.downloaded_bytes += len(piece)
        except StreamClosedError:
            logger.debug("request %s: the client left", self.request_id)
        except TimeoutError:
            self._break("the client takes nothing")
        except (Broken, DocketError, Refusal) as error:
            self._break(str(error))

    def _break(self, reason: str) -> None:
        logger.warning("download broken off: %s, %s, request %s", self.request.path, reason, self.request_id)
        stream = self.detach()
        if stream.socket.family != socket.AF_UNIX:
            # A reset, which no client can take for the end of an answer that has no length.
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.close()


def no_result(job: Job) -> Refusal:
    """Why there is nothing to download."""
    if job.state is State.EXPIRED:
        return refuse(410, "expired", f"the result is gone: {job.reason or 'it was kept long enough'}", "id")
    if job.is_final:
        return refuse(404, "no-result", f"the job is {job.state} and has no packets to download", "id")
    return refuse(409, "not-ready", "the job is not finished; with ?follow=1 the packets come as they arrive", "id")


def disposition(name: str) -> str:
    """`Content-Disposition` with the name in plain ASCII, and as it is where that differs (RFC 6266)."""
    plain = _UNSAFE.sub("_", name) or "job.pcap"
    header = f'attachment; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
