"""The one door: what becomes of a question, good or bad."""

from __future__ import annotations

from typing import Any

import pytest

from docket.domain.request import DEFAULT_DEADLINE_S, check_request
from docket.domain.request_message import Limits
from docket.domain.timewindow import parse_time_us
from docket.errors import InvalidRequest

ID = "0192f0c1-0000-7000-8000-000000000001"
GOOD: dict[str, Any] = {
    "schema": "docket.job.request/1",
    "id": ID,
    "query": "host 10.1.2.3 and port 443",
    "after": "2026-11-24T14:02:00Z",
    "before": "2026-11-24T14:10:00Z",
    "requested_at": "2026-11-24T14:20:31.5Z",
}


def codes_and_fields(raw: dict[str, Any]) -> set[tuple[str, str | None]]:
    with pytest.raises(InvalidRequest) as caught:
        check_request(raw)
    return {(fault.code, fault.field) for fault in caught.value.faults}


def test_a_good_request_keeps_its_window_to_the_microsecond() -> None:
    """The window's edges come through exactly."""
    request = check_request(GOOD | {"after": "2026-11-24T14:02:00.000001Z"})
    assert request.after_us == parse_time_us("2026-11-24T14:02:00.000001Z", None)
    assert request.before_us - request.after_us == 8 * 60 * 1_000_000 - 1


def test_the_message_of_a_request_is_read_as_the_same_request() -> None:
    """What the web publishes is what a worker understands, for every field."""
    request = check_request(
        GOOD
        | {"sources": ["rock01:em1", "rock01:em2"], "limits": {"bytes": 5, "packets": None}, "deadline_s": 7}
        | {"wait_for_flush": False, "owner": "analyst1", "note": "ticket 4711"}
    )
    assert check_request(request.to_message()) == request


def test_a_duration_counts_back_from_requested_at() -> None:
    """ "8m" ends up eight minutes before the moment of asking, on every worker alike."""
    request = check_request(GOOD | {"after": "8m", "before": None})
    assert request.before_us == request.requested_at_us == parse_time_us("2026-11-24T14:20:31.5Z", None)
    assert request.before_us - request.after_us == 8 * 60 * 1_000_000


def test_a_relative_window_needs_requested_at() -> None:
    """Without the moment of asking a duration would mean something else to everybody."""
    raw = {key: value for key, value in GOOD.items() if key != "requested_at"} | {"after": "8m"}
    assert ("after" in {field for _, field in codes_and_fields(raw)}) is True


def test_without_requested_at_the_deadline_counts_from_the_arrival() -> None:
    """A question about an old window is not late from the beginning."""
    raw = {key: value for key, value in GOOD.items() if key != "requested_at"}
    arrived_at_us = parse_time_us("2027-01-01T00:00:00Z", None)
    assert check_request(raw, arrived_at_us=arrived_at_us).requested_at_us == arrived_at_us


def test_only_a_stamp_makes_an_arrival_the_base_of_a_duration() -> None:
    """The web app stamps; a worker must not guess what "8m" is relative to."""
    raw = {key: value for key, value in GOOD.items() if key != "requested_at"} | {"after": "8m", "before": None}
    arrived_at_us = parse_time_us("2027-01-01T00:00:00Z", None)
    with pytest.raises(InvalidRequest):
        check_request(raw, arrived_at_us=arrived_at_us)
    assert check_request(raw, arrived_at_us=arrived_at_us, stamp=True).before_us == arrived_at_us


def test_the_fields_form_and_the_text_are_the_same_question() -> None:
    """{"host": …, "port": …} and "host … and port …" have one canonical text."""
    fields = check_request(GOOD | {"query": {"host": ["10.1.2.3"], "port": [443]}})
    assert fields.query == check_request(GOOD).query


def test_defaults_are_filled_in() -> None:
    """A short question is a whole one."""
    request = check_request(GOOD)
    assert (request.deadline_s, request.limits, request.sources) == (DEFAULT_DEADLINE_S, Limits(), None)
    assert request.wait_for_flush is True


def test_every_fault_is_told_at_once() -> None:
    """Nine wrong fields give nine faults, each with its field."""
    faults = codes_and_fields(
        {
            "id": "../../etc/passwd",
            "query": "port 70000",
            "after": "2026-11-24T14:10:00Z",
            "before": "2026-11-24T14:02:00Z",
            "requested_at": 5,
            "sources": ["../x"],
            "limits": {"bytes": -1},
            "deadline_s": 0,
            "wait_for_flush": "yes",
            "note": "x" * 10_000,
            "colour": "blue",
        }
    )
    fields = {field for _, field in faults}
    assert {"id", "query", "requested_at", "sources", "limits.bytes", "deadline_s"} <= fields
    assert {"wait_for_flush", "note", "colour"} <= fields
    assert fields & {"after", "before"}


@pytest.mark.parametrize(
    "name", ["rock01", "a:b/c", "../a:b", "a:", ":b", "a:b\n", "a:b:c", "-a:b", 5, None, "a" * 70 + ":b"]
)
def test_a_source_name_that_could_do_harm_is_refused(name: object) -> None:
    """Names become files and queues; only sensor:interface passes."""
    assert ("bad-source-name", "sources") in codes_and_fields(GOOD | {"sources": [name]})


@pytest.mark.parametrize("value", [True, 1.5, "9", 0, -3, 10**30, [], {}])
def test_a_deadline_is_a_whole_number_in_range(value: object) -> None:
    """Neither true nor a fraction nor nothing at all passes as seconds."""
    assert ("bad-number", "deadline_s") in codes_and_fields(GOOD | {"deadline_s": value})
