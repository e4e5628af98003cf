"""`GET api/v1/openapi.json`: the description of this API."""

from __future__ import annotations

from typing import Any, ClassVar

from docket.web.handlers.base import Handler
from docket.web.http.route_spec import Operation, Operations


class OpenApiHandler(Handler):
    """The description of this API."""

    operations: ClassVar[Operations] = {"GET": Operation("This description, OpenAPI 3.1", gives={200: dict[str, Any]})}

    def get(self) -> None:
        self.write_raw_json(self.settings["openapi"])

    head = get
