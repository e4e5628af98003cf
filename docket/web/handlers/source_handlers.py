"""`GET api/v1/sources`: every source, its state and what it holds. `DELETE api/v1/sources/{name}`: forget one."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from docket.bus.messages import AuditAction
from docket.domain.api import SourceList
from docket.web.handlers.base import Handler
from docket.web.http.api_errors import api_error
from docket.web.http.route_spec import Operation, Operations


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    done: bool
    """False (202): the collector has not said yet that it has taken effect."""


class SourcesHandler(Handler):
    """All sources."""

    operations: ClassVar[Operations] = {"GET": Operation("Coverage and health per source", gives={200: SourceList})}

    async def get(self) -> None:
        self.write_json(SourceList(sources=tuple(await self.services.job_service.sources_or_configured())))

    head = get


class SourceHandler(Handler):
    """One source."""

    operations: ClassVar[Operations] = {
        "DELETE": Operation(
            "Forget a source that is gone for good: it is not asked any more",
            gives={200: Forgotten, 202: Forgotten},
            refuses=(403, 404, 409, 503),
        ),
    }

    async def delete(self, name: str) -> None:
        if self.services.config.web.admins and not self.principal.is_admin:
            self.record(AuditAction.REFUSED, "", f"forget source {name}")
            raise api_error(403, "not-admin", "a source is forgotten by an admin", "name")
        done = await self.services.job_commands.forget(name, self.principal.user)
        self.record(AuditAction.FORGOTTEN, "", f"source {name}")
        self.write_json(Forgotten(name=name, done=done), 200 if done else 202)
