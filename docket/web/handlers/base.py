"""What every handler has: one error shape, a request id, security headers, the principal, a bounded body.

Handlers stay thin: they read the request, call one of the services and write what comes back.
"""

from __future__ import annotations

import logging
import re
import secrets
from functools import cached_property
from types import TracebackType
from typing import Any, ClassVar

import msgspec
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from docket.bus.messages import AuditAction
from docket.domain.job import Job
from docket.errors import DocketError
from docket.web.auth.authenticator import Principal
from docket.web.context import AppContext
from docket.web.http import api_errors
from docket.web.http.api_errors import api_error
from docket.web.http.route_spec import Operations

logger = logging.getLogger(__name__)

LARGEST_BODY_BYTES = 256 * 1024
LARGEST_DRAINED_BYTES = 16 * 1024 * 1024
"""A body that is too large is read and dropped up to here, so that the client receives the error; beyond, the
connection is closed."""

CONTENT_POLICY = "default-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; frame-ancestors 'none'"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@stream_request_body
class Handler(RequestHandler):
    """The parent of all handlers. Bodies are taken as a stream, so that their size is bounded for every route."""

    operations: ClassVar[Operations] = {}
    """What the route promises per method, upper case; also the list of methods in `Allow`."""
    changes_state: ClassVar[bool] = False
    """True where even a GET needs the check of the origin, as WebSockets do."""

    logged_quietly: ClassVar[bool] = False
    """True for a POST that changes nothing and comes with every key that a user presses."""

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._prepared = False
        super().__init__(application, request, **kwargs)

    def initialize(self, route: str) -> None:
        self.route = route

    @property
    def services(self) -> AppContext:
        services: AppContext = self.settings["services"]
        return services

    @cached_property
    def principal(self) -> Principal:
        return self.services.authenticator.principal(self.request)

    @cached_property
    def request_id(self) -> str:
        """The proxy's id of this request, if one that we trust sent one, else a new one."""
        given = self.request.headers.get("X-Request-Id", "")
        try:
            trusted = self.principal.proxied
        except HTTPError:
            trusted = False
        return given if trusted and _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

    @property
    def traceparent(self) -> str:
        """The trace that the client says its request belongs to, as W3C has it; unchecked."""
        return self.request.headers.get("traceparent", "")

    def set_default_headers(self) -> None:
        self.set_header("Server", "docket")
        self.set_header("X-Request-Id", self.request_id)
        self.set_header("Content-Security-Policy", CONTENT_POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    def prepare(self) -> None:
        if _declared_bytes(self.request) > LARGEST_DRAINED_BYTES:
            raise _too_large()
        principal = self._authenticated()
        self.services.authenticator.check_host(self.request, principal)
        if self.changes_state or self.request.method not in _SAFE_METHODS:
            self.services.authenticator.check_same_origin(self.request, principal)
        self._prepared = True

    def _authenticated(self) -> Principal:
        """Raises ApiError for a name or token that is none, after a line in the audit trail."""
        try:
            return self.principal
        except api_errors.ApiError as error:
            stranger = self.services.authenticator.principal_or_stranger(self.request)
            detail = f"{self.request.method} {self.request.path}: {error.faults[0].code}"
            self.services.audit.record(
                stranger, AuditAction.REFUSED, job_id="", request_id=self.request_id, detail=detail
            )
            raise

    async def changeable_job(self, job_id: str) -> Job:
        """The job, for a principal who may change it; audited where not. Raises ApiError, NoSuchJob."""
        try:
            return await self.services.access.changeable(job_id, self.principal)
        except api_errors.ApiError as error:
            self.record(
                AuditAction.REFUSED, job_id, f"{self.request.method} {self.request.path}: {error.faults[0].code}"
            )
            raise

    def record(self, action: AuditAction, job_id: str, detail: str = "") -> None:
        """Add to the audit trail."""
        self.services.audit.record(self.principal, action, job_id=job_id, request_id=self.request_id, detail=detail)

    def data_received(self, chunk: bytes) -> None:
        self._body_bytes += len(chunk)
        if self._body_bytes <= LARGEST_BODY_BYTES:
            self._body.append(chunk)
        else:
            self._body.clear()

    def body(self) -> bytes:
        """The whole request body. Raises ApiError (413)."""
        if self._body_bytes > LARGEST_BODY_BYTES:
            raise _too_large()
        return b"".join(self._body)

    def json_body(self, *, optional: bool = False) -> dict[str, Any]:
        """The body as a JSON object; `optional` lets an empty body stand for an empty object.

        Raises ApiError: 413 too large, 415 not declared as JSON, 400 not a JSON object.
        """
        body = self.body()
        if optional and not body:
            return {}
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise api_error(415, "not-json", "the body must be JSON, sent with Content-Type: application/json")
        return parse_object(body)

    def write_json(self, value: object, status: int = 200) -> None:
        self.write_raw_json(msgspec.json.encode(value), status)

    def write_raw_json(self, value: bytes, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(value)

    def compute_etag(self) -> str | None:
        """None: answers are not cached by their content; files set their own tags."""
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        answer = api_errors.from_exception(error, status_code)
        self.set_status(answer.status_code)
        for name, value in answer.headers.items():
            self.set_header(name, value)
        if not self._prepared:
            # The body was not read; Tornado closes the connection then, and the client should know.
            self.set_header("Connection", "close")
        if answer.status_code == 405:
            self.set_header("Allow", ", ".join(self.operations))
        self.finish_refused(answer)

    def finish_refused(self, answer: api_errors.ApiError) -> None:
        """Write the body of a refusal, whose status and headers are set."""
        self.write_raw_json(api_errors.body(answer), answer.status_code)
        self.finish()

    def log_exception(
        self,
        typ: type[BaseException] | None,  # noqa: ARG002 - Tornado's signature
        value: BaseException | None,
        tb: TracebackType | None,  # noqa: ARG002
    ) -> None:
        if isinstance(value, HTTPError | DocketError):
            logger.debug("request %s refused: %s", self.request_id, value)
            return
        logger.error(
            "request %s failed: %s %s", self.request_id, self.request.method, self.request.path, exc_info=value
        )


class NotFound(Handler):
    """Every path that no route has."""

    def get(self) -> None:
        raise api_error(404, "not-found", "not found")

    head = post = put = patch = delete = options = get


def log_request(handler: RequestHandler) -> None:
    """Count every finished request, and write one line: changes and failures where an operator sees them."""
    request, status = handler.request, handler.get_status()
    if not isinstance(handler, Handler):
        return
    elapsed_s = request.request_time()
    handler.services.metrics.observe(_label(request), handler.route, status, elapsed_s)
    level = logging.DEBUG
    if status >= 500:
        level = logging.WARNING
    elif status >= 400 or not (request.method in _SAFE_METHODS or handler.logged_quietly):
        level = logging.INFO
    if not logger.isEnabledFor(level):
        return
    principal = handler.services.authenticator.principal_or_stranger(request)
    logger.log(
        level,
        "%s %s %d in %.0f ms, user %r at %s, request %s",
        request.method,
        request.path,
        status,
        elapsed_s * 1000,
        principal.user,
        principal.address,
        handler.request_id,
    )


def _label(request: HTTPServerRequest) -> str:
    """The method for the figures: a client may send any word, and each would be a series of its own for ever."""
    return request.method if request.method in RequestHandler.SUPPORTED_METHODS else "other"


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is. Raises ApiError."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise api_error(400, "bad-json", f"the body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise api_error(400, "bad-json", "the body must be a JSON object")
    return value


def _too_large() -> api_errors.ApiError:
    return api_error(413, "body-too-large", f"the body may have at most {LARGEST_BODY_BYTES} bytes")


def _declared_bytes(request: HTTPServerRequest) -> int:
    declared = request.headers.get("Content-Length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0
