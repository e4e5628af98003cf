"""`api/v1/jobs/{id}/summary`, `packets`, `streams`: what the inspector finds in a finished result.

Nothing is dissected in this process: it asks the inspector and hands on what that says. Everything in it that comes
from packets is a stranger's text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from tornado.iostream import StreamClosedError

from docket.bus.messages import AuditAction
from docket.domain.refinement import MOST_SOURCES
from docket.web.handlers.base import Handler
from docket.web.handlers.download_handlers import disposition, finished_job
from docket.web.handlers.streaming import STALL_S
from docket.web.http.api_errors import RETRY_AFTER_S, ApiError, api_error
from docket.web.http.route_spec import Operation, Operations, Param
from docket.workers.inspector import rpc_client
from docket.workers.inspector.rpc_messages import (
    DIRECTIONS,
    FORMS,
    MOST_ROWS,
    MOST_STREAM_BYTES,
    USUAL_ROWS,
    USUAL_STREAM_BYTES,
    ConversationPage,
    ObjectList,
    PacketPage,
    Question,
    StreamPage,
)
from docket.workers.inspector.tshark.conversation_list import BY, SORTS
from docket.workers.inspector.tshark.detail import PacketDetail
from docket.workers.inspector.tshark.streams import PROTOCOLS
from docket.workers.inspector.tshark.summary import Summary

INSPECTOR_REFUSES = (404, 409, 410, 422, 501, 503)
_LARGEST_NUMBER = 2**31 - 1
LONGEST_SEARCH = 200

LOOKS = {"packets": "packets", "packet": "packets", "stream": "streams", "objects": "files"}
"""What the inspector can be asked for that shows packets, and the audit trail's word for it. A summary only counts."""


class InspectorHandler(Handler):
    """The parent of those that ask the inspector."""

    async def ask(self, text: str, kind: str, **more: Any) -> None:
        """Answer with what the inspector says about the job's result. Raises ApiError, NoSuchJob, InspectorAway."""
        job, _ = await finished_job(self, text)
        question = Question(ask=kind, job=job.id, user=self.principal.share, **more)
        async with rpc_client.ask(self.services.spool.counter, question) as (heading, body):
            if heading.faults:
                wait = {"Retry-After": str(RETRY_AFTER_S)} if heading.status == 503 else None
                raise ApiError(heading.status, heading.faults, wait)
            self._tell(job.id, kind, more)
            self.set_status(heading.status)
            self.set_header("Content-Type", heading.kind)
            if heading.name:
                self.set_header("Content-Disposition", disposition(f"{job.id[:8]}-{heading.name}"))
            if heading.cut_bytes:
                self.set_header("X-Docket-Cut-After", str(heading.cut_bytes))
            if heading.missing_bytes:
                self.set_header("X-Docket-Missing-Bytes", str(heading.missing_bytes))
            async for chunk in body:
                self.write(chunk)
                try:
                    await asyncio.wait_for(self.flush(), STALL_S)
                except (StreamClosedError, TimeoutError):
                    return

    def _tell(self, job_id: str, kind: str, more: Mapping[str, Any]) -> None:
        """The audit trail records who sees packets: once per look, and of each file that is saved."""
        if kind == "transcript":
            self.record(AuditAction.DOWNLOADED, job_id, f"{more['protocol']} stream {more['number']}, {more['form']}")
        elif kind == "dissect":
            self.record(AuditAction.ANNOTATED, job_id, "dissection")
        elif kind in ("object", "archive"):
            self.record(AuditAction.DOWNLOADED, job_id, f"file {more['number']}" if "number" in more else "all files")
        elif kind in LOOKS:
            self.services.audit.look(self.principal, job_id=job_id, request_id=self.request_id, detail=LOOKS[kind])

    def number(self, name: str, usual: int, low: int, high: int) -> int:
        """A whole number of the query string. Raises ApiError (400)."""
        return whole(self.get_query_argument(name, "") or str(usual), name, low, high)

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """One of the words, of which the first is the usual one. Raises ApiError (400)."""
        chosen = self.get_query_argument(name, "") or known[0]
        if chosen not in known:
            raise api_error(400, "bad-choice", f"{name} is one of {', '.join(known)}", name)
        return chosen

    def flag(self, name: str) -> bool:
        return self.get_query_argument(name, "0", strip=True) not in ("", "0", "false")


class SummaryHandler(InspectorHandler):
    """What is in a result, at a glance."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "What is in the result; 202 with what is known by now while it is being looked at",
            gives={200: Summary, 202: Summary},
            refuses=INSPECTOR_REFUSES,
        )
    }

    async def get(self, text: str) -> None:
        await self.ask(text, "summary")


class PacketsHandler(InspectorHandler):
    """The list of packets."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "One page of the packets, or of those that a display filter shows",
            gives={200: PacketPage},
            params=(
                Param("filter", "A display filter in Wireshark's words"),
                Param("source", "Only packets that this source recorded; may be repeated"),
                Param("offset", "Rows to skip", {"type": "integer", "minimum": 0, "default": 0}),
                Param(
                    "limit",
                    "Rows per page",
                    {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": USUAL_ROWS},
                ),
            ),
            refuses=(400, *INSPECTOR_REFUSES),
        )
    }

    async def get(self, text: str) -> None:
        await self.ask(
            text,
            "packets",
            filter=self.get_query_argument("filter", ""),
            sources=tuple(name for name in self.get_query_arguments("source")[:MOST_SOURCES] if name),
            offset=self.number("offset", 0, 0, _LARGEST_NUMBER),
            limit=self.number("limit", USUAL_ROWS, 1, MOST_ROWS),
        )


class PacketHandler(InspectorHandler):
    """One packet."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "One packet in full: the tree of its fields, and its bytes",
            gives={200: PacketDetail},
            params=(Param("exact", "1: read the file from its beginning, even if that takes long"),),
            refuses=(400, *INSPECTOR_REFUSES),
        )
    }

    async def get(self, text: str, number: str) -> None:
        await self.ask(text, "packet", number=whole(number, "number", 1, _LARGEST_NUMBER), exact=self.flag("exact"))


class StreamHandler(InspectorHandler):
    """What two ends said to each other."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "Follow a stream, page by page, or save it whole; 202 while it is being put together",
            gives={200: StreamPage, 202: StreamPage},
            params=(
                Param("protocol", "What to follow", {"type": "string", "enum": list(PROTOCOLS), "default": "tcp"}),
                Param("direction", "Whose words", {"type": "string", "enum": list(DIRECTIONS), "default": "both"}),
                Param("format", "How to show them", {"type": "string", "enum": list(FORMS), "default": "text"}),
                Param("offset", "Pieces to skip", {"type": "integer", "minimum": 0, "default": 0}),
                Param(
                    "limit",
                    "Bytes per page, about",
                    {"type": "integer", "minimum": 1, "maximum": MOST_STREAM_BYTES, "default": USUAL_STREAM_BYTES},
                ),
                Param("download", "1: all of it, as a file"),
            ),
            refuses=(400, *INSPECTOR_REFUSES),
        )
    }

    async def get(self, text: str, number: str) -> None:
        wanted: Mapping[str, Any] = {
            "number": whole(number, "number", 0, _LARGEST_NUMBER),
            "protocol": self.choice("protocol", PROTOCOLS),
            "direction": self.choice("direction", DIRECTIONS),
            "form": self.choice("format", FORMS),
        }
        if self.flag("download"):
            await self.ask(text, "transcript", **wanted)
        else:
            await self.ask(
                text,
                "stream",
                offset=self.number("offset", 0, 0, _LARGEST_NUMBER),
                limit=self.number("limit", USUAL_STREAM_BYTES, 1, MOST_STREAM_BYTES),
                **wanted,
            )


class ConversationsHandler(InspectorHandler):
    """All conversations."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "All conversations of the result, searched, sorted and by pages; or as CSV; 202 while they are counted",
            gives={200: ConversationPage, 202: ConversationPage},
            params=(
                Param("text", "Words that must all occur: addresses, ports, protocols, a community id"),
                Param(
                    "sort",
                    "What to sort by; with a leading - the greatest first",
                    {"type": "string", "enum": [sign + name for name in SORTS for sign in ("", "-")]},
                ),
                Param("by", "One row for each", {"type": "string", "enum": list(BY), "default": BY[0]}),
                Param("offset", "Rows to skip", {"type": "integer", "minimum": 0, "default": 0}),
                Param(
                    "limit",
                    "Rows per page",
                    {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": USUAL_ROWS},
                ),
                Param("format", "csv: all that are found, as a file", {"type": "string", "enum": ["json", "csv"]}),
            ),
            refuses=(400, *INSPECTOR_REFUSES),
        )
    }

    async def get(self, text: str) -> None:
        await self.ask(
            text,
            "conversations",
            search=self.get_query_argument("text", "")[:LONGEST_SEARCH],
            sort=self.get_query_argument("sort", "") or "-bytes",
            by=self.choice("by", BY),
            form=self.choice("format", ("json", "csv")),
            offset=self.number("offset", 0, 0, _LARGEST_NUMBER),
            limit=self.number("limit", USUAL_ROWS, 1, MOST_ROWS),
        )


class ObjectsHandler(InspectorHandler):
    """The files that were transferred."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "Files of HTTP, SMB, SMTP, FTP and TFTP in the result; 202 while they are taken out",
            gives={200: ObjectList, 202: ObjectList},
            params=(Param("download", "1: all of them, as a zip with the password infected"),),
            refuses=(400, *INSPECTOR_REFUSES),
        )
    }

    async def get(self, text: str) -> None:
        await self.ask(text, "archive" if self.flag("download") else "objects")


class ObjectHandler(InspectorHandler):
    """One of them."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "One file of the result, as it was transferred, or locked into a zip with the password infected",
            gives={200: None},
            params=(Param("zip", "1: in a zip with a password"),),
            refuses=(400, *INSPECTOR_REFUSES),
        )
    }

    async def get(self, text: str, number: str) -> None:
        wanted = whole(number, "number", 1, _LARGEST_NUMBER)
        await self.ask(text, "archive" if self.flag("zip") else "object", number=wanted)


def whole(text: str, name: str, low: int, high: int) -> int:
    """A whole number within bounds. Raises ApiError (400)."""
    if not (text.isascii() and text.isdigit() and low <= int(text[:12]) <= high):
        raise api_error(400, "bad-number", f"{name} must be a whole number from {low} to {high}", name)
    return int(text)
