"""`GET api/v1/jobs/{id}/pcapng`: the result in the newer format, made while it is sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import ClassVar

from docket.bus.messages import AuditAction
from docket.domain.job import Job
from docket.domain.timewindow import Window, parse_time_us
from docket.errors import CaptureError, SpoolError
from docket.packet import pcapng
from docket.packet.pcap import scan
from docket.spool import interface_blocks
from docket.spool.layout import Spool, read_manifest
from docket.spool.manifest import Manifest
from docket.spool.packet_sources import PacketSourceList
from docket.spool.result_format import ResultFormat, read_format
from docket.web.handlers.download_handlers import FOLLOW, PCAPNG_TYPE, disposition, finished_job, no_result
from docket.web.handlers.job_handlers import job_id
from docket.web.handlers.streaming import DeliveringHandler
from docket.web.http.api_errors import api_error
from docket.web.http.route_spec import Operation, Operations
from docket.web.jobs.result_file import PIECE_BYTES, ResultFile
from docket.web.jobs.result_follower import Broken

LIST_TYPE = "application/octet-stream"


class PcapngHandler(DeliveringHandler):
    """One job's result as pcapng."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "Download the result as pcapng: an interface per source, with its verdict in a comment",
            gives={200: PCAPNG_TYPE},
            params=(FOLLOW,),
            refuses=(404, 409, 410, 503),
        )
    }

    async def get(self, text: str) -> None:
        job = await self.services.access.job(job_id(text), self.principal)
        if self.get_query_argument("follow", "0") not in ("", "0") and not job.is_final and job.parent is None:
            await self._follow(job)
            return
        file = None
        if job.pcap is not None:
            file = await self.services.files.run(ResultFile.open, self.services.spool.result(job.id))
        if file is None or job.pcap is None:
            raise no_result(job)
        try:
            self.set_header("Content-Type", PCAPNG_TYPE)
            self.set_header(
                "Content-Disposition",
                disposition(_name(job.pcap.name)),
            )
            self.record(AuditAction.DOWNLOADED, job.id, "as pcapng")
            await self.deliver(self._chunks(file, job))
        finally:
            file.close()

    async def _follow(self, job: Job) -> None:
        self.set_header("Content-Type", PCAPNG_TYPE)
        self.set_header("Content-Disposition", disposition(_name(self.services.spool.pcap_name(job))))
        # The client learns at once that it is being served, though the first packet may take a while.
        await self.flush()
        self.record(AuditAction.DOWNLOADED, job.id, "as pcapng, while it grows")
        await self.deliver(self.services.follow_as_pcapng(job).chunks())

    async def _chunks(self, file: ResultFile, job: Job) -> AsyncGenerator[bytes, None]:
        """Raises Broken where the file is damaged."""
        run = self.services.files.run
        try:
            opened = await run(_Conversion.open, self.services.spool, file, job)
            try:
                if not opened.form.is_pcapng:
                    yield opened.beginning()
                offset, rest = (0, b"") if opened.form.is_pcapng else (opened.form.size_bytes, b"")
                while chunk := await run(file.read, offset, PIECE_BYTES):
                    offset += len(chunk)
                    if opened.form.is_pcapng:
                        yield chunk
                        continue
                    blocks, rest = await run(opened.blocks, rest + chunk)
                    yield blocks
                if not opened.form.is_pcapng:
                    yield opened.ending()
            finally:
                opened.sources.close()
        except (CaptureError, SpoolError) as error:
            raise Broken(str(error)) from error


class PacketSourcesHandler(DeliveringHandler):
    """The source of every packet of one job's result."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "The source of every packet: numbers whose names are in `packet_sources` of the manifest",
            gives={200: LIST_TYPE},
            refuses=(404, 409, 410, 503),
        )
    }

    async def get(self, text: str) -> None:
        job, pcap = await finished_job(self, text)
        file = await self.services.files.run(ResultFile.open, self.services.spool.packet_sources(job.id))
        if file is None:
            raise api_error(404, "one-source", "every packet of this result is of the same source", "id")
        try:
            self.set_header("Content-Type", LIST_TYPE)
            self.set_header("Content-Length", str(file.size_bytes))
            self.set_header("Content-Disposition", disposition(f"{pcap.name}.sources"))
            await self.deliver(self._whole(file))
        finally:
            file.close()

    async def _whole(self, file: ResultFile) -> AsyncGenerator[bytes, None]:
        offset = 0
        while chunk := await self.services.files.run(file.read, offset, PIECE_BYTES):
            offset += len(chunk)
            yield chunk


@dataclass(slots=True)
class _Conversion:
    """One classic result on its way to pcapng, block by block."""

    job: Job
    form: ResultFormat
    sources: PacketSourceList
    interfaces: tuple[pcapng.Interface, ...]
    parts: tuple[str, ...]
    """The answer that each interface belongs to."""
    counts: list[int]
    packets: int = 0

    @classmethod
    def open(cls, spool: Spool, file: ResultFile, job: Job) -> _Conversion:
        """Blocking. Raises CaptureError, SpoolError."""
        manifest = read_manifest(spool.manifest(job.id))
        if manifest.result is None or job.pcap is None or manifest.result.sha256 != job.pcap.sha256:
            raise SpoolError("the result was replaced while it was opened")
        form = read_format(file.beginning(pcapng.LONGEST_BEGINNING_BYTES))
        sources = PacketSourceList.open(spool, manifest)
        parts = _parts(sources.names, manifest)
        answers = {answer.name: answer for answer in job.sources}
        interfaces = tuple(
            interface_blocks.interface(
                name,
                form.linktype,
                job,
                nanoseconds=form.nanoseconds,
                comment=interface_blocks.verdict_comment(answers[part]),
            )
            for name, part in zip(sources.names, parts, strict=True)
        )
        return cls(job, form, sources, interfaces, parts, [0] * len(interfaces))

    def beginning(self) -> bytes:
        sha256 = self.job.pcap.sha256 if self.job.pcap is not None else ""
        return interface_blocks.beginning(self.interfaces, self.job, f"; SHA-256 of the classic PCAP: {sha256}")

    def blocks(self, data: bytes) -> tuple[bytes, bytes]:
        """The whole records of some bytes, and what is left of them."""
        timestamps, _, end = scan(data, nanoseconds=self.form.nanoseconds)
        origins = self.sources.numbers(self.packets, len(timestamps)).tolist()
        for origin in set(origins):
            self.counts[origin] += origins.count(origin)
        self.packets += len(timestamps)
        blocks, _ = pcapng.packets(data[:end], origins, self.interfaces, nanoseconds=self.form.nanoseconds)
        return blocks, data[end:]

    def ending(self) -> bytes:
        window = Window(parse_time_us(self.job.after, None), parse_time_us(self.job.before, None))
        return interface_blocks.ending(self.interfaces, self.parts, self.counts, self.job.sources, window)


def _name(of_result: str) -> str:
    return f"{of_result.removesuffix('.pcap').removesuffix('.pcapng')}.pcapng"


def _parts(names: tuple[str, ...], manifest: Manifest) -> tuple[str, ...]:
    """The source that was asked, for each that recorded packets: they differ where a refinement asked the spool."""
    asked = manifest.question.sources
    return tuple(name if name in asked else asked[0] for name in names)
