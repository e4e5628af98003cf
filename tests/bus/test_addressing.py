"""A header says which sources a message is for; without it every worker reads the message."""

from __future__ import annotations

import msgspec
import pytest

from docket.bus.addressing import HEADER, LONGEST_BYTES, address, is_for, reading_for
from docket.bus.messages import Cancel, JobMessage, Order, Retry
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.request import Request

EM1, EM2 = "rock01:em1", "rock01:em2"
REQUEST = Request(id="0", query="", asked="", after_us=0, before_us=1, requested_at_us=0, sources=(EM1, EM2))


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (REQUEST, {HEADER: f"{EM1},{EM2}", f"docket-source-{EM1}": "1", f"docket-source-{EM2}": "1"}),
        (msgspec.structs.replace(REQUEST, sources=None), {}),
        (Retry(id="0", order=Order(request=REQUEST, attempts={EM2: 2})), {HEADER: EM2, f"docket-source-{EM2}": "1"}),
        (Retry(id="0"), {}),
        (Cancel(id="0"), {}),
    ],
)
def test_a_message_says_whom_it_is_for(message: JobMessage, headers: dict[str, str]) -> None:
    """A retry with an order is for those that read again; what the collector decides on is for no source."""
    assert address(message) == headers


def test_too_many_sources_are_not_named() -> None:
    """Headers have a bound at the broker; the message itself names all of them."""
    names = tuple(f"sensor{number}:eth0" for number in range(LONGEST_BYTES // 10))
    assert address(msgspec.structs.replace(REQUEST, sources=names)) == {}


@pytest.mark.parametrize(
    ("headers", "due"),
    [({}, True), ({HEADER: EM1}, True), ({HEADER: f"{EM2},{EM1}"}, True), ({HEADER: EM2}, False), ({HEADER: 7}, True)],
)
def test_a_worker_leaves_what_is_for_others(headers: dict[str, object], due: bool) -> None:
    """A header that is none counts as no header."""
    assert is_for(headers, EM1) is due
    assert not is_for({HEADER: f"x{EM1}"}, EM1)


@pytest.mark.parametrize(
    ("message", "source", "attempt"),
    [
        (REQUEST, EM1, 1),
        (REQUEST, "rock01:em3", None),
        (msgspec.structs.replace(REQUEST, sources=None), EM1, 1),
        (msgspec.structs.replace(REQUEST, sources=None), SPOOL_SOURCE, None),
        (msgspec.structs.replace(REQUEST, sources=(SPOOL_SOURCE,)), SPOOL_SOURCE, 1),
        (Retry(id="0", order=Order(request=REQUEST, attempts={EM2: 2})), EM2, 2),
        (Retry(id="0", order=Order(request=REQUEST, attempts={EM2: 2})), EM1, None),
        (Retry(id="0"), EM1, None),
        (Cancel(id="0"), EM1, None),
    ],
)
def test_a_source_reads_what_is_for_it(message: JobMessage, source: str, attempt: int | None) -> None:
    """A request without names is for every sensor, and not for the results in the spool; a retry needs its order."""
    assert reading_for(message, source) == (None if attempt is None else (request_of(message), attempt))


def request_of(message: JobMessage) -> Request:
    """The request that the message carries."""
    if isinstance(message, Request):
        return message
    assert isinstance(message, Retry)
    assert message.order is not None
    return message.order.request
