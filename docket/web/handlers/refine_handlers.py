"""`POST api/v1/jobs/{id}/refine`: a job of its own, out of the result of another, without asking a sensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from docket.bus.messages import AuditAction
from docket.domain.decoding import prepare
from docket.domain.job import Job
from docket.domain.refinement import LONGEST_FILTER, Refinement, Sender
from docket.domain.request_message import Limits
from docket.errors import Fault, InvalidRequest
from docket.web.handlers.base import Handler
from docket.web.handlers.download_handlers import finished_job
from docket.web.handlers.job_handlers import asked
from docket.web.http.api_errors import ApiError
from docket.web.http.route_spec import Operation, Operations
from docket.workers.inspector import rpc_client
from docket.workers.inspector.rpc_messages import Question

_OF_REFINEMENT = tuple(name for name in Refinement.__struct_fields__ if name != "sha256")


class RefineBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to keep. Everything may be left out; what is given must all hold."""

    query: str = ""
    """In Docket's words: a conversation, for instance."""
    filter: str = ""
    """A display filter."""
    bpf: str = ""
    """A packet filter in tcpdump's words."""
    after: str | None = None
    """Beginning of the window; the job's own if left out."""
    before: str | None = None
    sender: Sender | None = None
    """Only packets from this end."""
    drop_duplicates_ms: int = 0
    drop_tap_duplicates_ms: int = 0
    snaplen: int = 0
    sources: tuple[str, ...] = ()
    """Only packets that these sources recorded."""
    limits: Limits | None = None
    owner: str = ""
    note: str = ""
    fresh: bool = False


class RefineHandler(Handler):
    """Taking a part of a result."""

    operations: ClassVar[Operations] = {
        "POST": Operation(
            "Make a job of a part of the result; the same part again is the same job",
            takes=RefineBody,
            gives={201: Job, 200: Job},
            refuses=(400, 403, 404, 409, 410, 413, 415, 429, 501, 503, 507),
        )
    }

    async def post(self, text: str) -> None:
        parent, pcap = await finished_job(self, text)
        order = _order(self.json_body(optional=True))
        await self._check_filters(parent.id, order)
        refinement = {name: msgspec.to_builtins(getattr(order, name)) for name in _OF_REFINEMENT}
        question: dict[str, Any] = {
            "parent": parent.id,
            "refine": {**refinement, "sha256": pcap.sha256},
            "query": order.query,
            "after": order.after or parent.after,
            "before": order.before or parent.before,
            "limits": msgspec.to_builtins(order.limits),
            "owner": order.owner,
            "note": order.note,
            "fresh": order.fresh,
            # The size is known: it is at most that of the parent.
            "force": True,
        }
        try:
            job, is_new = await self.services.access.ask(question, self.principal, self.traceparent)
        except InvalidRequest as error:
            raise InvalidRequest([_renamed(fault) for fault in error.faults]) from error
        self.record(AuditAction.ASKED, job.id, f"{asked(job, is_new=is_new)}, of job {parent.id}")
        self.set_header("Location", self.services.urls.job(job.id))
        self.write_json(self.services.urls.shown(job), 201 if is_new else 200)

    async def _check_filters(self, parent: str, order: RefineBody) -> None:
        """Have the inspector look at them, so that a fault is shown at its place. Raises ApiError, InspectorAway."""
        if max(len(order.filter), len(order.bpf)) > LONGEST_FILTER:
            raise InvalidRequest([Fault("bad-text", f"a filter may have {LONGEST_FILTER:,} characters")])
        question = Question(ask="check", job=parent, user=self.principal.share, filter=order.filter, bpf=order.bpf)
        async with rpc_client.ask(self.services.spool.counter, question) as (heading, _):
            if heading.faults:
                raise ApiError(heading.status, heading.faults)


def _order(raw: Mapping[str, Any]) -> RefineBody:
    try:
        return msgspec.convert(raw, RefineBody)
    except msgspec.ValidationError as error:
        raise InvalidRequest([Fault("bad-field", str(error))]) from error


def _renamed(fault: Fault) -> Fault:
    """The fault with the field's name in this order, not in the question that was made of it."""
    field = fault.field
    return Fault(fault.code, fault.message, field and field.removeprefix("refine."), fault.position)


prepare(RefineBody)
