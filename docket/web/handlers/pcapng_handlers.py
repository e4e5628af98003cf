"""`GET api/v1/jobs/{id}/pcapng`: the result in the newer format, made while it is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import ClassVar

from docket import __version__
from docket.bus.messages import AuditAction
from docket.domain.job import Job
from docket.errors import CaptureError
from docket.packet import pcapng
from docket.packet.pcap import FILE_HEADER_BYTES, parse_file_header
from docket.web.handlers.download_handlers import disposition, no_result
from docket.web.handlers.job_handlers import job_id
from docket.web.http.route_spec import Operation, Operations
from docket.web.http.streaming import DeliveringHandler
from docket.web.jobs.result_file import PIECE_BYTES, ResultFile
from docket.web.jobs.result_follower import Broken

PCAPNG_TYPE = "application/vnd.tcpdump.pcapng"


class PcapngHandler(DeliveringHandler):
    """One job's result as pcapng."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "Download the result as pcapng, with the job's id and the SHA-256 of the result in a comment",
            gives={200: PCAPNG_TYPE},
            refuses=(404, 409, 410, 503),
        )
    }

    async def get(self, text: str) -> None:
        job = await self.services.access.job(job_id(text), self.principal)
        file = None
        if job.pcap is not None:
            file = await self.services.files.run(ResultFile.open, self.services.spool.result(job.id))
        if file is None or job.pcap is None:
            raise no_result(job)
        try:
            self.set_header("Content-Type", PCAPNG_TYPE)
            self.set_header("Content-Disposition", disposition(f"{job.pcap.name.removesuffix('.pcap')}.pcapng"))
            self.record(AuditAction.DOWNLOADED, job.id, "as pcapng")
            await self.deliver(self._chunks(file, job))
        finally:
            file.close()

    async def _chunks(self, file: ResultFile, job: Job) -> AsyncGenerator[bytes, None]:
        """Raises Broken where the file is damaged."""
        run = self.services.files.run
        try:
            header = parse_file_header(await run(file.read, 0, FILE_HEADER_BYTES))
            yield pcapng.beginning(header, application=f"docket {__version__}", comment=_origin(job), interface="")
            offset, rest = FILE_HEADER_BYTES, b""
            while chunk := await run(file.read, offset, PIECE_BYTES):
                offset += len(chunk)
                records = rest + chunk
                blocks, end = await run(partial(pcapng.packets, records, nanoseconds=header.nanoseconds))
                rest = records[end:]
                yield blocks
        except CaptureError as error:
            raise Broken(str(error)) from error


def _origin(job: Job) -> str:
    """What the file says about itself to whoever opens it later."""
    sha256 = job.pcap.sha256 if job.pcap is not None else ""
    sources = ", ".join(answer.name for answer in job.sources)
    return f"Docket job {job.id}, sources {sources}, {job.after} to {job.before}; SHA-256 of the classic PCAP: {sha256}"
