"""What each route promises: the words from which the OpenAPI description is made. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of the query string or one request header."""

    name: str
    about: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    where: str = "query"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route."""

    summary: str
    gives: Mapping[int, Any]
    """Status to a type that is sent as JSON, or to a media type written as text, or None for an empty body."""
    takes: type | None = None
    params: tuple[Param, ...] = ()
    refuses: tuple[int, ...] = ()
    """Further statuses, all with the one shape of errors."""


Operations = Mapping[str, Operation]
"""By method, upper case."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path below the base path, with `{name}` for its parts that vary, and its handler."""

    path: str
    handler: Any
    loose: bool = False
    """Whether a slash may stand at the end."""
