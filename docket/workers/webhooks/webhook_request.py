"""One attempt to deliver: a POST with the event, signed as Standard Webhooks has it, and what came of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import socket
import threading
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from docket import __version__
from docket.domain.plain_text import shortened
from docket.workers.webhooks.destination import NotAllowed, connect
from docket.workers.webhooks.hooks import Hook, authorization_of, secrets_of

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
GONE = 410
LONGEST_OUTCOME = 300
"""Characters: it may quote what the receiver sent."""
_LATER = (429, 503)
LONGEST_RETRY_AFTER_S = 6 * 3600


class Attempt(NamedTuple):
    """What came of one attempt."""

    delivered: bool
    outcome: str
    final: bool = False
    """Trying again makes no sense."""
    away: bool = False
    """Others need not be tried now: the receiver does not answer, or asks for a pause."""
    retry_after_s: int = 0


def signatures(keys: list[bytes], event_id: str, at_s: int, body: bytes) -> str:
    """The value of `webhook-signature`: an HMAC-SHA256 over id, time and body for each key, separated by spaces."""
    signed = f"{event_id}.{at_s}.".encode() + body
    digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def deliver(hook: Hook, event_id: str, body: bytes, at_s: int) -> Attempt:
    """Try once. Redirects are not followed."""
    try:
        headers = _headers(hook, event_id, body, at_s)
        with contextlib.closing(connect(hook, hook.timeout_s)) as connected:
            with _bounded(connected, hook.timeout_s) as over:
                attempt = _post(hook, connected, headers, body)
            # Headers that end because the time is over look as if they were whole.
            return Attempt(False, f"no answer within {hook.timeout}", away=True) if over.is_set() else attempt
    except NotAllowed as error:
        return Attempt(False, str(error), final=True)
    except (OSError, http.client.HTTPException) as error:
        return Attempt(False, shortened(str(error), LONGEST_OUTCOME) or type(error).__name__, away=True)
    except ValueError as error:
        return Attempt(False, shortened(str(error), LONGEST_OUTCOME))


def _headers(hook: Hook, event_id: str, body: bytes, at_s: int) -> dict[str, str]:
    """Secrets are read for each attempt, so that a new one needs no restart. Raises OSError, ValueError."""
    login = authorization_of(hook)
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": f"docket/{__version__}",
        "webhook-id": event_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": signatures(secrets_of(hook), event_id, at_s, body),
        "Connection": "close",
    } | ({"Authorization": login} if login else {})


def _post(hook: Hook, connected: socket.socket, headers: dict[str, str], body: bytes) -> Attempt:
    parts = urlsplit(hook.url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = connected
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    status = response.status
    if 200 <= status < 300:
        return Attempt(True, f"answered {status}")
    redirected = ", and redirects are not followed" if 300 <= status < 400 else ""
    outcome = f"answered {status}{redirected}"
    return Attempt(False, outcome, status == GONE, status in _LATER, _retry_after_s(response.getheader("Retry-After")))


def _retry_after_s(value: str | None) -> int:
    return min(int(value), LONGEST_RETRY_AFTER_S) if value and value.isascii() and value.isdigit() else 0


@contextlib.contextmanager
def _bounded(connected: socket.socket, most_s: float) -> Iterator[threading.Event]:
    """End the connection after so long: a receiver that sends a byte now and then would hold it for ever."""
    over = threading.Event()

    def end() -> None:
        over.set()
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(most_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()
