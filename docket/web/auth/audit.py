"""The audit trail: who did what with which packets, as a line of the log and as `audit.*` on the bus.

Only what was done over HTTP stands here; what tools do on the bus shows in the events of the collector. A trail
that the bus cannot take for the moment is in the log all the same. For the event loop only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict

from docket.bus import topology
from docket.bus.async_interface import AsyncBusClient
from docket.bus.messages import AuditAction, AuditMessage, encode
from docket.domain.clock import now_text
from docket.errors import BusError
from docket.web.auth.authenticator import Principal

logger = logging.getLogger(__name__)

MOST_WAITING = 1_000
"""Entries that wait for the bus; more are only in the log."""
PUBLISH_S = 10.0
ONE_LOOK_S = 600.0
"""Turning pages is one look: what a user sees within ten minutes is one entry per job and kind of look."""
MOST_LOOKS = 10_000
"""Looks that are remembered; beyond them, the oldest is recorded again if it goes on."""


class Audit:
    """One per process."""

    def __init__(self, link: AsyncBusClient) -> None:
        self._link = link
        self._sending: set[asyncio.Task[None]] = set()
        self._looks: OrderedDict[tuple[str, str, str, str], float] = OrderedDict()

    def record(
        self, principal: Principal, action: AuditAction, *, job_id: str, request_id: str, detail: str = ""
    ) -> None:
        """Write down what a user did, or was refused."""
        message = AuditMessage(
            event=f"audit.{action.value}",
            at=now_text(),
            user=principal.user,
            address=principal.address,
            job_id=job_id,
            request=request_id,
            detail=detail,
        )
        logger.info(
            "audit: %s job %s by user %r at %s, request %s%s",
            action.value,
            job_id or "-",
            principal.user,
            principal.address,
            request_id,
            f", {detail}" if detail else "",
        )
        if len(self._sending) >= MOST_WAITING:
            return
        task = asyncio.create_task(self._send(message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def look(self, principal: Principal, *, job_id: str, request_id: str, detail: str) -> None:
        """Write down that a user looks at packets, unless the same look was written down a while ago."""
        key, now_s = (principal.user, principal.address, job_id, detail), time.monotonic()
        if now_s - self._looks.get(key, -ONE_LOOK_S) < ONE_LOOK_S:
            return
        self._looks[key] = now_s
        self._looks.move_to_end(key)
        if len(self._looks) > MOST_LOOKS:
            self._looks.popitem(last=False)
        self.record(principal, AuditAction.VIEWED, job_id=job_id, request_id=request_id, detail=detail)

    async def stop(self) -> None:
        """Give what waits a moment to leave."""
        if self._sending:
            await asyncio.wait(tuple(self._sending), timeout=1.0)

    async def _send(self, message: AuditMessage) -> None:
        body = encode(message)
        try:
            await self._link.publish(topology.EVENTS, message.event, body, mandatory=False, timeout_s=PUBLISH_S)
        except BusError as error:
            logger.warning("an audit entry is only in this log, not on the bus: %s, request %s", error, message.request)
