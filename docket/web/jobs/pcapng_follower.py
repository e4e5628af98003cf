"""A result as pcapng while it still grows: an interface per source before the first packet, the verdicts at the end.

The sources have no verdicts yet when their interfaces are written, so those stand in the statistics behind the last
packet. For downloads only.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import numpy as np

from docket.domain.job import Job
from docket.domain.timewindow import Window, parse_time_us
from docket.errors import CaptureError, SpoolError
from docket.packet import pcapng
from docket.packet.pcap import FILE_HEADER_BYTES, scan
from docket.spool import interface_blocks
from docket.spool.layout import Spool, read_manifest
from docket.spool.packet_sources import PacketSourceList
from docket.spool.result_format import ResultFormat, read_format
from docket.web.http.executor import Executor
from docket.web.jobs.result_follower import Broken, ResultFollower
from docket.web.jobs.service import JobService

MOST_OF_A_BYTE = 256
"""Sources; with more of them each number in the list takes two bytes."""


class PcapngFollower:
    """One client that follows one job. Not for refinements, whose packets have other sources than were asked."""

    def __init__(
        self, follower: ResultFollower, job_service: JobService, spool: Spool, files: Executor, job: Job
    ) -> None:
        self._follower = follower
        self._job_service = job_service
        self._spool = spool
        self._run = files.run
        self._job = job
        self._names = tuple(answer.name for answer in job.sources)
        self._form: ResultFormat | None = None
        self._interfaces: tuple[pcapng.Interface, ...] = ()
        self._counts = [0] * len(self._names)
        self._packets = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The pcapng as it comes. Raises Broken."""
        rest = b""
        try:
            async for chunk in self._follower.chunks():
                blocks, rest = await self._run(self._take, rest + chunk)
                if blocks:
                    yield blocks
            self._job = await self._job_service.job(self._job.id)
            yield await self._run(self._end, rest)
        except (CaptureError, SpoolError) as error:
            raise Broken(str(error)) from error

    def _take(self, data: bytes) -> tuple[bytes, bytes]:
        """What can be sent of some bytes, and what is left of them. Blocking. Raises CaptureError."""
        begin = b""
        if self._form is None:
            if len(data) < FILE_HEADER_BYTES:
                return b"", data
            begin = self._begin(data)
            data = data if self._is_pcapng else data[FILE_HEADER_BYTES:]
        if self._is_pcapng:
            return data, b""
        timestamps, offsets, _ = scan(data, nanoseconds=self._nanoseconds)
        origins = self._growing_list(len(timestamps))
        end = offsets[len(origins)] if origins else 0
        return begin + self._blocks(data[:end], origins), data[end:]

    @property
    def _is_pcapng(self) -> bool:
        return self._form is not None and self._form.is_pcapng

    @property
    def _nanoseconds(self) -> bool:
        return self._form is not None and self._form.nanoseconds

    def _begin(self, data: bytes) -> bytes:
        self._form = form = read_format(data)
        if form.is_pcapng:
            return b""
        self._interfaces = tuple(
            interface_blocks.interface(name, form.linktype, self._job, nanoseconds=form.nanoseconds)
            for name in self._names
        )
        return interface_blocks.beginning(self._interfaces, self._job)

    def _blocks(self, records: bytes, origins: list[int]) -> bytes:
        for origin in set(origins):
            self._counts[origin] += origins.count(origin)
        self._packets += len(origins)
        return pcapng.packets(records, origins, self._interfaces, nanoseconds=self._nanoseconds)[0]

    def _growing_list(self, count: int) -> list[int]:
        """The numbers of the sources of the next packets, as far as the list beside the growing result goes."""
        if len(self._names) == 1:
            return [0] * count
        width = 1 if len(self._names) <= MOST_OF_A_BYTE else 2
        growing = self._spool.partial(self._job.id)
        for path in (growing.with_name(f"{growing.name}.sources"), self._spool.packet_sources(self._job.id)):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue
            try:
                found = os.pread(descriptor, count * width, self._packets * width)
            finally:
                os.close(descriptor)
            whole = found[: len(found) // width * width]
            numbers: list[int] = np.frombuffer(whole, "<u1" if width == 1 else "<u2").tolist()
            # A number beyond the sources is of a kind of packets that came later; the finished list tells.
            known = next((place for place, number in enumerate(numbers) if number >= len(self._names)), len(numbers))
            return numbers[:known]
        return []

    def _end(self, rest: bytes) -> bytes:
        """What is left, with the list of the finished result, and the verdicts. Blocking. Raises SpoolError."""
        if self._is_pcapng:
            return b""
        manifest = read_manifest(self._spool.manifest(self._job.id))
        sources = PacketSourceList.open(self._spool, manifest)
        try:
            timestamps, _, end = scan(rest, nanoseconds=self._nanoseconds)
            if sources.names != self._names or end != len(rest):
                raise SpoolError("the finished result does not go on where the growing one ended")
            blocks = self._blocks(rest, sources.numbers(self._packets, len(timestamps)).tolist())
        finally:
            sources.close()
        window = Window(parse_time_us(self._job.after, None), parse_time_us(self._job.before, None))
        return blocks + interface_blocks.ending(self._interfaces, self._names, self._counts, self._job.sources, window)
