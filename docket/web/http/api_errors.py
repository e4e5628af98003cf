"""Every error that HTTP shows, in its one shape. For the handlers of `docket.web`; knows no handler.

{"error": {"code", "message", "field", "position"}, "errors": [the same shape, one per fault]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from tornado.web import HTTPError

from docket.domain.api import ErrorBody
from docket.errors import BusError, DocketError, Fault, Faulty, InspectorAway, NoSuchJob, SpoolError, SpoolFull

RETRY_AFTER_S = 5
"""How long a client is asked to wait while the bus or the ledger is away: about one reconnect."""

_CODES = {
    400: "bad-request",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    500: "internal",
}


class ApiError(HTTPError):
    """Raised by handlers; ends the request with this status, these faults and these extra headers."""

    def __init__(self, status: int, faults: Sequence[Fault], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, "%s", faults[0].message)
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


def api_error(
    status: int, code: str, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
) -> ApiError:
    """A refusal with one fault."""
    return ApiError(status, [Fault(code=code, message=message, field=field)], headers)


def from_exception(error: BaseException | None, status: int) -> ApiError:
    """What to answer for anything that a handler let through; `status` is what Tornado had in mind.

    Nothing of an unexpected exception's text reaches the client: it may name files or addresses.
    """
    wait = {"Retry-After": str(RETRY_AFTER_S)}
    match error:
        case ApiError():
            return error
        case Faulty():
            return ApiError(400, error.faults)
        case NoSuchJob():
            return no_such_job()
        case SpoolFull():
            return api_error(507, "spool-low", str(error), headers=wait)
        case SpoolError():
            return api_error(503, "spool-unavailable", f"the spool cannot be used: {error}", headers=wait)
        case BusError():
            return api_error(503, "bus-unavailable", f"the message bus cannot be used: {error}", headers=wait)
        case InspectorAway():
            return api_error(503, "inspector-unavailable", str(error), headers=wait)
        case DocketError():
            return api_error(500, "internal", str(error))
        case HTTPError():
            return api_error(status, _CODES.get(status, "http-error"), _message(error, status))
        case _:
            return api_error(status, _CODES.get(status, "http-error"), _phrase(status))


def no_such_job() -> ApiError:
    """The answer to an unknown id, whatever it looks like."""
    return api_error(404, "no-such-job", "there is no job with this id", "id")


def body(refusal: ApiError) -> bytes:
    return msgspec.json.encode(ErrorBody(error=refusal.faults[0], errors=refusal.faults))


def _message(error: HTTPError, status: int) -> str:
    if status >= 500 or not error.log_message:
        return _phrase(status)
    return error.log_message % error.args if error.args else error.log_message


def _phrase(status: int) -> str:
    if status == 500:
        return "something went wrong in the server; its log has it under this answer's X-Request-Id"
    try:
        known = HTTPStatus(status)
    except ValueError:
        return f"HTTP status {status}"
    return known.description or known.phrase
