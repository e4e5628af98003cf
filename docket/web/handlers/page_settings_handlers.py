"""`GET api/v1/page`: what the configuration says to the page: a CyberChef, links for values, shared queries."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from docket.web.handlers.base import Handler
from docket.web.http.route_spec import Operation, Operations


class PageAction(msgspec.Struct, frozen=True, kw_only=True, rename={"kinds": "for"}):
    """A link beside a value."""

    name: str
    kinds: tuple[str, ...]
    """Of values: `address`, `port`, `name`, `hash`."""
    url: str
    """With `{value}` in the place of the value."""


class SharedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query for everybody."""

    name: str
    query: str
    last: str
    """How far back from now: `15m`."""


class PageSettings(msgspec.Struct, frozen=True, kw_only=True):
    cyberchef: str | None
    """Null: none is offered."""
    actions: tuple[PageAction, ...]
    queries: tuple[SharedQuery, ...]


class PageSettingsHandler(Handler):
    """The page's settings."""

    operations: ClassVar[Operations] = {
        "GET": Operation("What the configuration says to the page", gives={200: PageSettings})
    }

    async def get(self) -> None:
        web = self.services.config.web
        actions = tuple(PageAction(name=one.name, kinds=one.kinds, url=one.url) for one in web.actions)
        queries = tuple(SharedQuery(name=one.name, query=one.query, last=one.last) for one in web.queries)
        self.write_json(PageSettings(cyberchef=web.cyberchef, actions=actions, queries=queries))

    head = get
