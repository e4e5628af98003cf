"""`api/v1/jobs/{id}/dissection`, `transactions`: how a result is dissected, and what is counted in it."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from docket.bus.messages import AuditAction
from docket.domain.decoding import prepare
from docket.errors import Fault, InvalidRequest
from docket.web.handlers.job_handlers import job_id
from docket.web.handlers.packet_handlers import INSPECTOR_REFUSES, InspectorHandler
from docket.web.http.route_spec import Operation, Operations
from docket.workers.inspector.rpc_messages import DissectionSettings, TransactionList


class DissectionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to dissect; what is left out stays."""

    decode_as: list[str] | None = None
    """As after tshark's `-d`: `tcp.port==8443,tls`."""
    key_log: str | None = None
    """A TLS key log, as SSLKEYLOGFILE has it; empty takes the keys away."""


class DissectionHandler(InspectorHandler):
    """How the packets are dissected."""

    operations: ClassVar[Operations] = {
        "GET": Operation("How the result is dissected", gives={200: DissectionSettings}, refuses=INSPECTOR_REFUSES),
        "POST": Operation(
            "Have the result dissected in another way, for everybody: decode as, TLS keys",
            takes=DissectionBody,
            gives={200: DissectionSettings},
            refuses=(400, 403, 413, 415, *INSPECTOR_REFUSES),
        ),
    }

    async def get(self, text: str) -> None:
        await self.ask(text, "dissection")

    async def post(self, text: str) -> None:
        """For the owner and the admins, since all who look see it."""
        try:
            wanted = msgspec.convert(self.json_body(), DissectionBody)
        except msgspec.ValidationError as error:
            raise InvalidRequest([Fault("bad-field", str(error))]) from error
        job = await self.changeable_job(job_id(text))
        rules = None if wanted.decode_as is None else tuple(wanted.decode_as)
        keys = "as they were" if wanted.key_log is None else "given" if wanted.key_log else "taken away"
        self.record(AuditAction.ANNOTATED, job.id, f"dissection, keys {keys}")
        await self.ask(text, "dissect", decode_as=rules, key_log=wanted.key_log)


class TransactionsHandler(InspectorHandler):
    """DNS, TLS and HTTP."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "DNS by registered domain, TLS connections and HTTP requests; 202 while they are counted",
            gives={200: TransactionList, 202: TransactionList},
            refuses=INSPECTOR_REFUSES,
        )
    }

    async def get(self, text: str) -> None:
        await self.ask(text, "transactions")


prepare(DissectionBody)
