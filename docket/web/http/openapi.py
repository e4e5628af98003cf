"""The OpenAPI description, generated from the route table and the message classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from docket import __version__
from docket.domain.api import ErrorBody
from docket.web.http.route_spec import Operation, Param, Route

_VARIABLE = re.compile(r"\{(\w+)\}")
_NO_SCHEMA: Mapping[str, Any] = {}


def describe(routes: Iterable[Route], base_path: str) -> dict[str, Any]:
    """The whole description as a JSON-like mapping. Routes whose handler promises nothing are left out."""
    described = [route for route in routes if route.handler.operations]
    types = [kind for route in described for kind in _types(route.handler.operations.values())]
    unique = list({repr(kind): kind for kind in [ErrorBody, *types]}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    by_type = {repr(kind): schema for kind, schema in zip(unique, schemas, strict=True)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Docket",
            "version": __version__,
            "description": "Packets from every stenographer at once. Times are RFC 3339 UTC with microseconds.",
        },
        "servers": [{"url": base_path.rstrip("/") or "/"}],
        "paths": {f"/{route.path}": _path_item(route, by_type) for route in described},
        "components": {"schemas": components},
    }


def _types(operations: Iterable[Operation]) -> Iterable[Any]:
    for operation in operations:
        if operation.takes is not None:
            yield operation.takes
        yield from (kind for kind in operation.gives.values() if kind is not None and not isinstance(kind, str))


def _path_item(route: Route, schemas: Mapping[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for method, operation in route.handler.operations.items():
        if method != "HEAD":
            item[method.lower()] = _operation(route, method, operation, schemas)
    variables = _VARIABLE.findall(route.path)
    if variables:
        item["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in variables
        ]
    return item


def _operation(route: Route, method: str, operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    name = "_".join([method.lower(), *re.findall(r"\w+", route.path.removeprefix("api/v1/"))])
    described: dict[str, Any] = {
        "operationId": name,
        "summary": operation.summary,
        "responses": {
            **{str(status): _answer(status, kind, schemas) for status, kind in operation.gives.items()},
            **{str(status): _answer(status, ErrorBody, schemas) for status in operation.refuses},
            "default": {
                "description": "Every error has this one shape",
                "content": {"application/json": {"schema": schemas[repr(ErrorBody)]}},
            },
        },
    }
    if operation.takes is not None:
        content = {"application/json": {"schema": schemas[repr(operation.takes)]}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.params:
        described["parameters"] = [_parameter(param) for param in operation.params]
    return described


def _answer(status: int, kind: Any, schemas: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(kind, str):
        answer["content"] = {kind: {"schema": _NO_SCHEMA}}
    elif kind is not None:
        answer["content"] = {"application/json": {"schema": schemas[repr(kind)]}}
    return answer


def _parameter(param: Param) -> dict[str, Any]:
    return {"name": param.name, "in": param.where, "description": param.about, "schema": dict(param.schema)}
