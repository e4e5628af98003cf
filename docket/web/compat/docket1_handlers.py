"""The interface of the original Docket 1.0.3, so that its users' links and scripts go on working.

`docs/original.md` describes it. It is deprecated and says so in every answer; nothing is added to it. All answers
follow the same rules of access as the ones of today.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import unquote_plus

import msgspec
from tornado.httputil import HTTPFile, HTTPInputError, parse_body_arguments
from tornado.web import HTTPError

from docket.bus.messages import AuditAction
from docket.domain.clock import now_us
from docket.domain.job import Job, State
from docket.domain.timewindow import parse_time_us
from docket.errors import Fault, InvalidRequest, NoSuchJob
from docket.spool.ledger_reader import NEWEST_FIRST
from docket.web.compat import docket1_answers as answers
from docket.web.compat import docket1_requests
from docket.web.compat.steno_query import raw_question
from docket.web.handlers.base import Handler, parse_object
from docket.web.handlers.download_handlers import PcapHandler
from docket.web.handlers.job_handlers import asked, job_id
from docket.web.http.api_errors import ApiError, api_error
from docket.web.http.route_spec import Operation, Operations, Route

DEPRECATED_SINCE = "@1795046400"
"""RFC 9745: the day when version 1 of today's interface was there."""

MOST_LISTED = 1_000
MOST_STATUS = 100
"""Jobs listed where no ids are given, the newest first."""

REMEMBERED_S = 600.0
REMEMBERED_RELATIVE_S = 60.0
"""How long a link leads to the job that it led to before; a link that says `3m` means other packets each minute."""

_UNEXPIRED = ",".join(state.value for state in State if state is not State.EXPIRED)
_BETWEEN_IDS = re.compile(r"[, \t;+]+")
_HEX_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class LegacyHandler(Handler):
    """The parent of all routes here."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Deprecation", DEPRECATED_SINCE)
        base = self.services.urls.base
        self.set_header("Link", f'<{base}api/v1/openapi.json>; rel="successor-version"')

    async def ask(self, question: Mapping[str, Any]) -> Job:
        """Hand in a question; the guard against mistyped values answers as it did."""
        try:
            described = {"note": "original interface", **question}
            job, is_new = await self.services.access.ask(described, self.principal, self.traceparent)
        except ApiError as error:
            if error.faults[0].code != "too-big":
                raise
            message = f"Request parameters exceed weight: {error.faults[0].message}; or say ignore-weight"
            raise api_error(400, "too-big", message) from error
        self.record(AuditAction.ASKED, job.id, asked(job, is_new=is_new))
        return job

    async def known_sources(self) -> list[str]:
        return [source.name for source in await self.services.job_service.sources_or_configured()]

    async def jobs(self, ids: str | None, most: int) -> list[Job]:
        """The jobs of a set of ids, or the newest; without those that are expired, unknown or hidden."""
        if ids is None:
            owner = self.services.access.owner_filter(self.principal, "")
            if owner is None:
                return []
            page = await self.services.ledger.page(
                state=_UNEXPIRED, owner=owner, source=None, text=None, sort=NEWEST_FIRST, limit=most, cursor=None
            )
            return [self.services.job_service.freshest(job) for job in page.jobs]
        found: list[Job] = []
        for text in dict.fromkeys(word for word in _BETWEEN_IDS.split(ids.strip("/")) if word):
            try:
                job = await self.services.access.job(job_id(with_dashes(text)), self.principal)
            except (NoSuchJob, ApiError):
                continue
            if job.state is not State.EXPIRED:
                found.append(job)
        return found[:most]


class AskHandler(LegacyHandler):
    """`POST api/`: form or JSON."""

    operations: ClassVar[Operations] = {"POST": Operation("Ask, with a form or JSON", gives={200: dict[str, Any]})}

    async def post(self) -> None:
        question = docket1_requests.question(self._values(), self.request.headers, await self.known_sources())
        self.write_json(answers.created(await self.ask(question)))

    def _values(self) -> docket1_requests.Values:
        values = docket1_requests.values_of_json(body) if (body := json_object(self)) is not None else form(self)
        for name in self.request.query_arguments:
            values.setdefault(name, []).extend(self.get_query_arguments(name))
        return values


class LinkHandler(LegacyHandler):
    """`GET api/uri/…`: a link that asks, and leads to the job's page."""

    operations: ClassVar[Operations] = {
        "GET": Operation("Ask with a path, and be led to the job", gives={302: dict[str, Any]}),
        "POST": Operation("Ask with a path", gives={200: dict[str, Any]}),
    }

    async def get(self, path: str) -> None:
        self.services.authenticator.check_link(self.request)
        job = await self._job(path)
        self.set_status(302)
        self.set_header("Location", f"{self.services.urls.base}jobs/{job.id}")
        self.write_json(answers.created(job), 302)

    async def post(self, path: str) -> None:
        self.write_json(answers.created(await self._job(path)))

    async def _job(self, path: str) -> Job:
        values = docket1_requests.values_of_path(path)
        question = docket1_requests.question(values, self.request.headers, await self.known_sources())
        key = (self.principal.user, msgspec.json.encode(question, order="deterministic"))
        after = _absolute_us(question.get("after"))
        before = question.get("before")
        if after is not None and before is None:
            question["before"] = docket1_requests.link_end(after, now_us())
        lasting = after is not None and (before is None or _absolute_us(before) is not None)

        async def ask() -> str:
            return (await self.ask(question)).id

        found = await self.services.link_cache.job_id(
            key, REMEMBERED_S if lasting else REMEMBERED_RELATIVE_S, ask, self._still_good
        )
        return await self.services.access.job(found, self.principal)

    async def _still_good(self, found: str) -> bool:
        try:
            job = await self.services.access.job(found, self.principal)
        except NoSuchJob:
            return False
        return job.state not in (State.EXPIRED, State.CANCELLED)


class RawHandler(LegacyHandler):
    """`GET api/raw/…` and `POST api/query/`: a query in stenographer's own words."""

    operations: ClassVar[Operations] = {
        "GET": Operation("Ask in stenographer's words", gives={200: dict[str, Any]}),
        "POST": Operation("Ask in stenographer's words", gives={200: dict[str, Any]}),
    }

    async def get(self, path: str = "") -> None:
        if not path:
            raise HTTPError(405)
        self.services.authenticator.check_link(self.request)
        await self._answer(docket1_requests.raw_text(path))

    async def post(self, path: str = "") -> None:
        await self._answer(docket1_requests.raw_text(path) if path else self._text())

    def _text(self) -> str:
        """The query in the body: alone, or as the field `query` of JSON or a form."""
        body = json_object(self)
        if body is not None:
            return str(body.get("query", ""))
        text = self.body().decode(errors="replace")
        name, separator, rest = text.partition("=")
        return unquote_plus(rest) if separator and name == "query" else text

    async def _answer(self, text: str) -> None:
        question = raw_question(
            text, self.request.headers, await self.services.job_service.sources_or_configured(), now_us()
        )
        self.write_json(answers.created(await self.ask(question.fields)))


class IdsHandler(LegacyHandler):
    operations: ClassVar[Operations] = {"GET": Operation("The ids of all jobs, or of some", gives={200: list[str]})}

    async def get(self, ids: str | None = None) -> None:
        self.write_json([job.id for job in await self.jobs(ids, MOST_LISTED)])


class UrlsHandler(LegacyHandler):
    operations: ClassVar[Operations] = {"GET": Operation("Where the results are", gives={200: dict[str, str]})}

    async def get(self, ids: str | None = None) -> None:
        self.write_json(answers.urls(await self.jobs(ids, MOST_LISTED)))


class JobsHandler(LegacyHandler):
    operations: ClassVar[Operations] = {"GET": Operation("All jobs, or some", gives={200: list[Any]})}

    async def get(self, ids: str | None = None) -> None:
        self.write_json([answers.created(job) for job in await self.jobs(ids, MOST_LISTED)])


class StatusHandler(LegacyHandler):
    operations: ClassVar[Operations] = {"GET": Operation("All jobs in full, or some", gives={200: dict[str, Any]})}

    async def get(self, ids: str | None = None) -> None:
        states: dict[str, Any] = {}
        for job in await self.jobs(ids, MOST_STATUS):
            states[job.id] = answers.status(*await self.services.access.story(job.id, self.principal))
        self.write_json(states)


class StatsHandler(LegacyHandler):
    operations: ClassVar[Operations] = {"GET": Operation("Counters of the sensors", gives={200: dict[str, Any]})}

    async def get(self, names: str | None = None) -> None:
        sources = await self.services.job_service.sources_or_configured()
        if names is not None:
            wanted = set(_BETWEEN_IDS.split(names.strip("/")))
            sources = [source for source in sources if wanted & {source.name, *source.name.split(":")}]
        free_bytes = await self.services.files.run(self.services.spool.free_bytes)
        jobs = sum((await self.services.ledger.states()).values())
        self.write_json(answers.stats(sources, free_bytes, jobs))


class CleanHandler(LegacyHandler):
    """`GET api/clean`: the original deleted here. A GET must not, and there is nothing left to do by hand."""

    operations: ClassVar[Operations] = {"GET": Operation("Say how results go", gives={200: dict[str, Any]})}

    async def get(self) -> None:
        spool = self.services.config.spool
        self.write_json(
            {
                "cleaned": [],
                "explanation": "Nothing was deleted. Results go by themselves, the oldest first; delete one with "
                f"DELETE {self.services.urls.jobs}/ID",
                "keep_s": spool.keep_s,
                "max_bytes": spool.max_bytes,
                "min_free_bytes": spool.min_free_bytes,
                "free_bytes": await self.services.files.run(self.services.spool.free_bytes),
            }
        )


class ResultHandler(PcapHandler, LegacyHandler):
    """`GET /results/<id>/merged.pcap`."""

    operations: ClassVar[Operations] = {
        "GET": Operation("Download the result", gives={200: "application/vnd.tcpdump.pcap"}),
        "HEAD": Operation("The headers of the download", gives={200: None}),
    }

    async def get(self, text: str) -> None:
        await super().get(with_dashes(text))

    async def head(self, text: str) -> None:
        await super().head(with_dashes(text))


LEGACY = (
    Route("api", AskHandler, loose=True),
    Route("api/uri/{path:path}", LinkHandler),
    Route("api/raw/{path:path}", RawHandler),
    Route("api/query", RawHandler, loose=True),
    *(
        Route(f"api/{name}{rest}", handler, loose=True)
        for name, handler in (
            ("ids", IdsHandler),
            ("urls", UrlsHandler),
            ("jobs", JobsHandler),
            ("status", StatusHandler),
            ("stats", StatsHandler),
        )
        for rest in ("", "/{ids}")
    ),
    Route("api/clean", CleanHandler, loose=True),
    Route("api/cleanup", CleanHandler, loose=True),
    Route("results/{id}/merged.pcap", ResultHandler),
)
"""All routes, below the base path and at the root, with and without the slash at the end."""


def with_dashes(text: str) -> str:
    """An id as UUIDs are written; the original wrote its ids without dashes."""
    lower = text.lower()
    return str(uuid.UUID(lower)) if _HEX_ID.fullmatch(lower) else lower


def json_object(handler: Handler) -> dict[str, Any] | None:
    """The body as a JSON object, whatever its declared type; None where it is something else. Raises ApiError."""
    body = handler.body().strip()
    declared = handler.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not body.startswith(b"{"):
        return None
    return parse_object(body)


def form(handler: Handler) -> docket1_requests.Values:
    """The fields of a form. Raises InvalidRequest."""
    arguments: dict[str, list[bytes]] = {}
    files: dict[str, list[HTTPFile]] = {}
    kind = handler.request.headers.get("Content-Type", "application/x-www-form-urlencoded")
    try:
        parse_body_arguments(kind, handler.body(), arguments, files)
        return {name: [value.decode() for value in values] for name, values in arguments.items()}
    except (HTTPError, HTTPInputError, UnicodeDecodeError) as error:
        raise InvalidRequest([Fault("bad-form", "the form cannot be read")]) from error


def _absolute_us(text: str | None) -> int | None:
    """The time that a text names by itself; None for durations and what is no time."""
    if text is None:
        return None
    try:
        return parse_time_us(text, None)
    except ValueError:
        return None
