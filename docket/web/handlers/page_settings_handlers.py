"""`GET api/v1/page`: what the configuration says to the page: a CyberChef, and links for values."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from docket.web.http.base import Handler
from docket.web.http.route_spec import Operation, Operations


class PageAction(msgspec.Struct, frozen=True, kw_only=True, rename={"kinds": "for"}):
    """A link beside a value."""

    name: str
    kinds: tuple[str, ...]
    """Of values: `address`, `port`, `name`, `hash`."""
    url: str
    """With `{value}` in the place of the value."""


class PageSettings(msgspec.Struct, frozen=True, kw_only=True):
    cyberchef: str | None
    """Null: none is offered."""
    actions: tuple[PageAction, ...]


class PageSettingsHandler(Handler):
    """The page's settings."""

    operations: ClassVar[Operations] = {
        "GET": Operation("What the configuration says to the page", gives={200: PageSettings})
    }

    async def get(self) -> None:
        web = self.services.config.web
        actions = tuple(PageAction(name=one.name, kinds=one.kinds, url=one.url) for one in web.actions)
        self.write_json(PageSettings(cyberchef=web.cyberchef, actions=actions))

    head = get
