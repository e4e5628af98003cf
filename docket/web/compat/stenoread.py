"""`POST query`: what stenographer's own tools `stenoread` and `stenocurl` speak, answered by all sources at once.

The merged PCAP is streamed while it grows. Errors before the first packet are plain text and a status, as
stenographer has them. An answer that turns out not to be whole is broken off, so that curl says so.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import ClassVar

from docket.bus.messages import AuditAction
from docket.domain.clock import now_us
from docket.domain.job import Job
from docket.errors import DocketError
from docket.packet.pcap import file_header
from docket.web.compat.steno_query import RawQuestion, raw_question
from docket.web.handlers.download_handlers import PCAP_TYPE
from docket.web.handlers.job_handlers import asked
from docket.web.handlers.streaming import DeliveringHandler
from docket.web.http import api_errors
from docket.web.http.api_errors import api_error
from docket.web.http.route_spec import Operation, Operations, Route
from docket.web.jobs.result_follower import Broken

logger = logging.getLogger(__name__)


class StenoreadHandler(DeliveringHandler):
    """One query, one stream."""

    operations: ClassVar[Operations] = {"POST": Operation("A query in stenographer's words", gives={200: PCAP_TYPE})}

    async def post(self) -> None:
        text = self.body().decode(errors="replace")
        sources = await self.services.job_service.sources_or_configured()
        question = raw_question(text, self.request.headers, sources, now_us())
        job, is_new = await self.services.access.ask(
            {"note": "stenoread", **question.fields}, self.principal, self.traceparent
        )
        self.record(AuditAction.ASKED, job.id, asked(job, is_new=is_new))
        chunks = self._chunks(question, job)
        try:
            first = await self.first_of(chunks)
        except Broken as error:
            raise api_error(502, "no-result", await self._reasons(job.id) or str(error)) from error
        has_all = first is not None and await self._deliver_from(first, chunks, job)
        if not has_all and is_new and question.is_open:
            await self._give_up(job.id)

    async def _deliver_from(self, first: bytes, chunks: AsyncGenerator[bytes, None], job: Job) -> bool:
        self.set_header("Content-Type", PCAP_TYPE)
        self.set_header("X-Docket-Job", job.id)
        self.record(AuditAction.DOWNLOADED, job.id, "while it grows")
        return await self.deliver(_chained(first, chunks))

    async def _chunks(self, question: RawQuestion, job: Job) -> AsyncGenerator[bytes, None]:
        """The bytes, then the judgement. Raises Broken where the answer is not whole."""
        sent = False
        try:
            async for chunk in self.services.follow(job).chunks():
                sent = True
                yield chunk
        except Broken:
            job = await self.services.job_service.job(job.id)
            if sent or not question.is_whole(job):
                raise
            yield file_header()
        job = await self.services.job_service.job(job.id)
        if not question.is_whole(job):
            raise Broken(await self._reasons(job.id) or f"the job is {job.state}")

    async def _reasons(self, job_id: str) -> str:
        """What the sources that fell short say."""
        job = await self.services.job_service.job(job_id)
        short = [job.answer(name) for name in job.fell_short]
        return (
            "; ".join(f"{answer.name}: {answer.sentence or answer.verdict}" for answer in short if answer) or job.reason
        )

    async def _give_up(self, job_id: str) -> None:
        """Stop the sources' reading: at stenographer a query ends with its connection, too."""
        try:
            await self.services.job_commands.cancel(job_id, self.principal.user, keep=True)
        except (DocketError, api_errors.ApiError) as error:
            logger.debug("request %s: the job goes on without its asker: %s", self.request_id, error)

    def finish_refused(self, answer: api_errors.ApiError) -> None:
        """Plain text, one fault a line, for tools that show what they get."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("".join(f"{fault.message}\n" for fault in answer.faults))


async def _chained(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for chunk in rest:
            yield chunk
    finally:
        await rest.aclose()


STENOREAD = (Route("query", StenoreadHandler, loose=True),)
"""Below the base path, and at the root for a port of its own."""
