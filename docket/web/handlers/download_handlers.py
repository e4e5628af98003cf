"""`GET api/v1/jobs/{id}/pcap`: the result with ranges and tags, or the growing file followed to its end.

Where the proxy in front can send files by itself (`web.sendfile`), a finished result is left to it.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import AsyncGenerator
from typing import ClassVar
from urllib.parse import quote

from docket.bus.messages import AuditAction
from docket.domain.job import Job, PcapFile, State
from docket.web.auth.authenticator import forwarded
from docket.web.handlers.base import Handler
from docket.web.handlers.job_handlers import job_id
from docket.web.handlers.streaming import DeliveringHandler
from docket.web.http.api_errors import RETRY_AFTER_S, ApiError, api_error
from docket.web.http.ranges import ByteRange, Unsatisfiable, none_match, parse_range, range_holds
from docket.web.http.route_spec import Operation, Operations, Param
from docket.web.jobs.result_file import ResultFile
from docket.web.jobs.result_follower import Broken

logger = logging.getLogger(__name__)

PCAP_TYPE = "application/vnd.tcpdump.pcap"
PCAPNG_TYPE = "application/vnd.tcpdump.pcapng"

NGINX_SPOOL = "/docket-spool/"
"""The internal location that `deploy/nginx/docket.conf` maps to the spool."""

OPEN_TRIES = 40
OPEN_WAIT_S = 0.05
"""A new revision takes its place in the spool a moment before or after the ledger tells of it."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._,:+@-]+")

FOLLOW = Param("follow", "1: stream the file as it grows, until the job is final", {"type": "string", "enum": ["1"]})
_RANGE = Param("Range", "One range of bytes", where="header")


class PcapHandler(DeliveringHandler):
    """One job's result."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "Download the result, as pcapng where it has several link types; in ranges, or followed while it grows",
            gives={200: PCAP_TYPE, 206: PCAP_TYPE, 304: None},
            params=(FOLLOW, _RANGE),
            refuses=(404, 409, 410, 416, 503),
        ),
        "HEAD": Operation("The headers of the download", gives={200: None}),
    }

    async def get(self, text: str) -> None:
        await self._serve(text, with_body=True)

    async def head(self, text: str) -> None:
        await self._serve(text, with_body=False)

    async def _serve(self, text: str, *, with_body: bool) -> None:
        job = await self.services.access.job(job_id(text), self.principal)
        self.set_header("Content-Type", content_type(job.pcap))
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
            if part is None or not with_body:
                return
            self.record(AuditAction.DOWNLOADED, job.id, f"{part.end - part.start} of {pcap.size} bytes")
            if not self._leave_to_proxy(job):
                await self.deliver(self._chunks(file, part))
        finally:
            file.close()

    def _leave_to_proxy(self, job: Job) -> bool:
        """Name the file to the proxy that handed the request in, if it is one that sends files. It sees to ranges."""
        proxy = self.services.config.web.sendfile
        # A program that connects by itself with the proxy's account would get the header and no packets.
        if proxy == "none" or not self.principal.proxied or not forwarded(self.request):
            return False
        path = self.services.spool.result(job.id)
        if proxy == "nginx":
            self.set_header("X-Accel-Redirect", f"{NGINX_SPOOL}{path.relative_to(self.services.spool.path)}")
        else:
            self.set_header("X-Sendfile", str(path))
        for name in ("Content-Length", "Content-Range"):
            self.clear_header(name)
        self.set_status(200)
        return True

    def _choose_part(self, pcap: PcapFile) -> ByteRange | None:
        """Set status and headers; None where no body follows (304). Raises ApiError (416)."""
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
                raise api_error(416, "bad-range", f"the result has {pcap.size} bytes", headers=size) from error
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
            self.record(AuditAction.DOWNLOADED, job.id, "while it grows")
            await self.deliver(self.services.follow(job).chunks())

    async def _open(self, job: Job) -> tuple[ResultFile, PcapFile]:
        """The file that the ledger speaks of, in the revision that it speaks of. Raises ApiError."""
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
            job = await self.services.job_service.job(job.id)
        logger.error("job %s: %s is not there in the size that the ledger says", job.id, path)
        wait = {"Retry-After": str(RETRY_AFTER_S)}
        raise api_error(503, "result-missing", "the result is not in the spool as it should be", headers=wait)

    async def _chunks(self, file: ResultFile, part: ByteRange) -> AsyncGenerator[bytes, None]:
        offset = part.start
        while offset < part.end:
            chunk = await self.services.files.run(file.read, offset, part.end - offset)
            if not chunk:
                raise Broken("the file in the spool became shorter")
            offset += len(chunk)
            yield chunk


def content_type(pcap: PcapFile | None) -> str:
    """Of a result; of one that still grows, that of most."""
    return PCAPNG_TYPE if pcap is not None and pcap.format == "pcapng" else PCAP_TYPE


async def finished_job(handler: Handler, text: str) -> tuple[Job, PcapFile]:
    """The job of an address, for a principal who may see it, and its result. Raises ApiError, NoSuchJob, SpoolError."""
    job = await handler.services.access.job(job_id(text), handler.principal)
    if job.pcap is None:
        raise no_result(job)
    return job, job.pcap


def no_result(job: Job) -> ApiError:
    """Why there is nothing to download."""
    if job.state is State.EXPIRED:
        return api_error(410, "expired", f"the result is gone: {job.reason or 'it was kept long enough'}", "id")
    if job.is_final:
        return api_error(404, "no-result", f"the job is {job.state} and has no packets to download", "id")
    return api_error(409, "not-ready", "the job is not finished; with ?follow=1 the packets come as they arrive", "id")


def disposition(name: str) -> str:
    """`Content-Disposition` with the name in plain ASCII, and as it is where that differs (RFC 6266)."""
    plain = _UNSAFE.sub("_", name) or "job.pcap"
    header = f'attachment; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
