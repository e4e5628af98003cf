"""`GET api/v1/quota`: what one user may hold of what there is only so much of, and holds now."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from docket.web.handlers.base import Handler
from docket.web.http.route_spec import Operation, Operations


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """One of them."""

    used: int
    most: int


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    """Empty for a request without a user; all of them share."""
    open_jobs: Allowance
    """Jobs that have not ended; beyond this, `429`."""
    spool_bytes: Allowance
    """Results. `most` is the equal share of those who have results: who holds more loses his oldest first."""
    sockets: Allowance
    """WebSockets at this process. `most` is for all users; where they have more, who holds most loses his oldest."""


class QuotaHandler(Handler):
    """Of the user who asks."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "What the user holds and may hold: open jobs, results, sockets", gives={200: Quota}, refuses=(503,)
        )
    }

    async def get(self) -> None:
        services, principal = self.services, self.principal
        holdings = await services.ledger.holdings()
        own = holdings.get(principal.user)
        holders = sum(1 for one in holdings.values() if one.result_bytes) or 1
        share = services.config.spool.max_bytes // holders
        sockets = services.event_feed.socket_shares.count(principal.share)
        self.write_json(
            Quota(
                user=principal.user,
                open_jobs=Allowance(used=own.open_jobs if own else 0, most=services.config.jobs.open_per_user),
                spool_bytes=Allowance(used=own.result_bytes if own else 0, most=share),
                sockets=Allowance(used=sockets, most=services.event_feed.most_sockets),
            )
        )

    head = get
