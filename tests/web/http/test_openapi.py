"""The description of the API covers every route, and the documentation does too."""

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from docket.domain.api import ErrorBody
from docket.domain.request import check_request
from docket.domain.request_message import RequestBody
from docket.domain.timewindow import parse_time_us
from docket.web.app import ROUTES
from docket.web.auth import authenticator
from docket.web.handlers import base, check_handlers, download_handlers, event_handlers, job_handlers, page_handlers
from docket.web.handlers.base import Handler
from docket.web.http import api_errors, executor, openapi
from docket.web.http.route_spec import Route
from docket.web.jobs import job_commands, service
from tests.web.docket_site import Site

DOCS = Path(__file__).parents[3] / "docs" / "http-api.md"


def methods(route: Route) -> set[str]:
    """The methods that a handler has, but HEAD, which goes with GET."""
    names = ("get", "post", "put", "patch", "delete", "options")
    return {name.upper() for name in names if name in vars(route.handler)}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_method_of_every_route_is_described(route: Route) -> None:
    """What a handler does is what it promises."""
    promised = {method for method in route.handler.operations if method != "HEAD"}
    expected = methods(route) or {"GET"}  # the WebSocket's own GET comes from Tornado
    assert promised == expected


def test_description_is_served(site: Site) -> None:
    """The document has every path, and every reference in it leads to a schema."""
    answer = site.call("GET", "api/v1/openapi.json")
    description = answer.json()
    assert description["openapi"] == "3.1.0"
    assert set(description["paths"]) == {f"/{route.path}" for route in ROUTES}
    schemas = description["components"]["schemas"]
    references = set(re.findall(r'"\$ref":\s*"#/components/schemas/(\w+)"', answer.text))
    assert references <= set(schemas)
    assert {"Job", "SourceAnswer", "ErrorBody", "SourceStatus", "Health", "CheckAnswer"} <= set(schemas)


def test_every_operation_names_its_errors() -> None:
    """Each operation has the one error shape as its default answer, and an id of its own."""
    paths = openapi.describe(ROUTES, "/app/docket/")["paths"]
    operations = [item[method] for item in paths.values() for method in item if method != "parameters"]
    assert all("default" in operation["responses"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_described_question_is_the_one_that_is_checked() -> None:
    """Every field of the described question is a field of the request's own check, beside `fresh` and `force`."""
    fields = dict.fromkeys(set(RequestBody.__struct_fields__) - {"fresh", "force"})
    now_us = parse_time_us("2026-11-24T14:00:00Z", None)
    raw = fields | {"id": "0192f0c1-0000-7000-8000-000000000000", "query": "port 53"}
    assert check_request(raw, arrived_at_us=now_us, stamp=True).query


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_is_documented(route: Route) -> None:
    """The page of documentation shows each method with its path."""
    text = DOCS.read_text()
    missing = [
        method
        for method in route.handler.operations
        if method != "HEAD" and f"`{method} {route.path}`" not in text and f"`WS {route.path}`" not in text
    ]
    assert missing == []


def test_every_error_code_is_documented() -> None:
    """A client can look up every code that the web app itself gives."""
    text = DOCS.read_text()
    sources = "".join(
        inspect.getsource(module)
        for module in (
            authenticator,
            base,
            check_handlers,
            service,
            download_handlers,
            job_handlers,
            event_handlers,
            job_commands,
            page_handlers,
            api_errors,
            executor,
        )
    )
    codes = set(re.findall(r'(?:api_error\(\s*\d{3},|Fault\()\s*"([a-z-]+)"', sources))
    codes.remove("bad-address")  # of the configuration, not of a request
    assert {code for code in codes if f"`{code}`" not in text} == set()
    assert len(codes) > 20


def test_every_metric_is_documented(site: Site) -> None:
    """Each family of the metrics page is in the documentation."""
    families = set(re.findall(r"^# TYPE (\w+)", site.call("GET", "metrics").text, re.MULTILINE))
    text = DOCS.read_text()
    assert {family for family in families if f"`{family}`" not in text} == set()


def test_handlers_without_a_promise_are_not_in_the_description() -> None:
    """The page is no part of the API."""
    assert openapi.describe([Route("page", Handler)], "/")["paths"] == {}


def test_error_shape_in_the_description_is_the_real_one(site: Site) -> None:
    """An error decodes as the described body."""
    answer = site.call("GET", "api/v1/jobs/none")
    assert msgspec.json.decode(answer.content, type=ErrorBody).error.code == "no-such-job"
