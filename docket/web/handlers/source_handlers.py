"""`GET api/v1/sources`: every source, its state and what it holds."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from docket.bus.messages import SourceStatus
from docket.web.http.base import Handler
from docket.web.http.route_spec import Operation, Operations


class SourceList(msgspec.Struct, frozen=True, kw_only=True):
    sources: list[SourceStatus]
    """By name. `last_seen` is empty for a configured source that was never heard of."""


class SourcesHandler(Handler):
    """All sources."""

    operations: ClassVar[Operations] = {"GET": Operation("Coverage and health per source", gives={200: SourceList})}

    async def get(self) -> None:
        self.write_json(SourceList(sources=await self.services.job_service.sources_or_configured()))

    head = get
