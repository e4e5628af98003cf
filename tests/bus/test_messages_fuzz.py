"""The decoders of messages under tens of thousands of damaged ones: nothing but our own exceptions may come out.

And whatever is taken can be worked with: written down, sent on, and read again as the same.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from docket.bus.messages import (
    Annotate,
    Cancel,
    Delete,
    Forget,
    Fragment,
    FragmentKind,
    Order,
    Retry,
    decode_event,
    decode_fragment,
    decode_job_message,
    encode,
    fragment_headers,
    job_id_of,
)
from docket.domain.job import Verdict
from docket.domain.request import Request, check_request
from docket.domain.timewindow import format_us
from docket.errors import InvalidRequest, MessageError
from tests.domain.query.test_query_fuzz import Choices, quickly

CASES_OF_JOB_MESSAGES = 10_000
CASES_OF_BYTES = 5_000
CASES_OF_FRAGMENTS = 10_000
CASES_OF_EVENTS = 5_000

ID = "0192f0c1-7a5e-7c31-8d9b-0a4de1f2c3b4"
AT_US = 1_700_000_000_000_000

REQUEST: dict[str, Any] = {
    "schema": "docket.job.request/1",
    "id": ID,
    "query": "host 10.1.2.3 and port 443",
    "after": "2023-11-14T22:00:00Z",
    "before": "2023-11-14T22:10:00+01:00",
    "requested_at": "2023-11-14T22:20:31.5Z",
    "sources": ["rock01:em1", "rock01:em2"],
    "limits": {"bytes": 2_000_000_000, "packets": None},
    "deadline_s": 900,
    "wait_for_flush": True,
    "owner": "analyst1",
    "note": "ticket 4711",
}
FIELDS = {"host": ["10.1.2.3"], "net": "10.0.0.0/8", "port": [443, "80"], "proto": "tcp", "vlan": 7, "mpls": None}
PART_OF = {"parent": ID, "refine": {"filter": "tcp", "sender": {"address": "10.1.2.3", "port": 53}}, "sources": None}
GOOD_REQUEST = check_request(REQUEST | {"before": "2023-11-14T22:10:00Z"})
RETRY = Retry(id=ID, user="anna", deadline_s=60)
ORDER = Retry(id=ID, order=Order(request=GOOD_REQUEST, attempts={"rock01:em1": 2}))
JOB_MESSAGES: list[dict[str, Any]] = [
    REQUEST | {"before": "2023-11-14T22:10:00Z"},
    REQUEST | {"before": "5m", "after": "3h30m", "query": FIELDS},
    REQUEST | {"before": None, "after": None} | PART_OF,
    *(msgspec.to_builtins(message) for message in (Cancel(id=ID, user="anna"), RETRY, ORDER, Delete(id=ID))),
    msgspec.to_builtins(Forget(name="rock01:em1", user="anna")),
    msgspec.to_builtins(Annotate(id=ID, note="seen", tags=("c2",), case="17", user="anna")),
]
SOURCE = {
    "name": "rock01:em1",
    "kind": "stenographer",
    "state": "online",
    "last_seen": format_us(AT_US),
    "stats": {"a": 1},
}
ANSWER = {"name": "rock01:em1", "verdict": "cut", "sentence": "It broke off.", "packets": 3, "progress": 0.5}
JOB = {
    "id": ID,
    "state": "running",
    "query": "port 53",
    "asked": "port 53",
    "explanation": "Packets with port 53.",
    "after": format_us(AT_US),
    "before": format_us(AT_US + 1),
    "owner": "",
    "note": "",
    "created_at": format_us(AT_US),
    "deadline": format_us(AT_US + 1),
    "sources": [ANSWER],
}
EVENT = {"schema": "docket.event/1", "at": format_us(AT_US)}
EVENTS: list[dict[str, Any]] = [
    EVENT | {"event": "job.completed", "job": JOB, "seq": 7, "job_id": ID},
    EVENT | {"event": "source.online", "source": SOURCE},
]
FRAGMENT = Fragment(
    job=ID,
    source="rock01:em1",
    attempt=1,
    run="00000187abcdef00-1f2e3d4c",
    seq=3,
    kind=FragmentKind.END,
    packets=7,
    trimmed=2,
    first_us=AT_US,
    last_us=AT_US + 5,
    through_us=AT_US + 6,
    verdict=Verdict.CUT,
    usable=True,
    sentence="It broke off.",
    next_step="Retry.",
    sent="port 53",
    body=b"",
)

ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**31,
    2**63,
    2**64,
    -(2**70),
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\0",
    "ü\u202e\U0001f4a9",
    "\ud800",
    "x" * 3_000,
    "9" * 5_000,
    "../../etc/passwd",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "99999999999w",
    "docket.job.request/2",
    "docket.event/1",
    b"\xff\xfe",
    [],
    {},
    [[]],
    [None, 1, "a", {}],
    {"": {"": None}},
    ["rock01:em1"] * 300,
]


def damaged(choices: Choices, whole: dict[str, Any]) -> dict[str, Any]:
    """The message with up to three places changed, taken away, or put in besides."""
    message = copy.deepcopy(whole)
    for _ in range(choices.below(4)):
        places = list(_places(message))
        holder, key = places[choices.below(len(places))] if places else (message, "id")
        odd = copy.deepcopy(ODD[choices.below(len(ODD))])
        match choices.below(4):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[f"{key}{choices.below(3)}"] = odd
            case _:
                holder[key] = odd
    return message


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where something stands that can be changed: in a mapping or a list, at any depth."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner)


def as_json(message: dict[str, Any]) -> bytes:
    """JSON, also of what JSON cannot say: that becomes a text."""
    try:
        return msgspec.json.encode(message)
    except (OverflowError, UnicodeEncodeError):
        return (
            repr(message).replace("'", '"').replace("None", "null").replace("True", "true").encode("utf-8", "replace")
        )


def taken(decode: Callable[[], Any]) -> Any:
    """What is read, or None if it is refused. Any other exception is a fault of ours."""
    try:
        return decode()
    except (MessageError, InvalidRequest) as error:
        reason = str(error)
    assert reason
    return None


def key_of(body: bytes) -> str:
    """The routing key that a message says it has."""
    found = re.search(rb'"docket\.(job\.[a-z]+)/1"', body)
    if b'"docket.source.forget/1"' in body:
        return "job.forget"
    return found[1].decode() if found else "job.request"


def check_job_message(body: bytes) -> None:
    """What holds for every body that comes through `docket.jobs`."""
    message = taken(lambda: decode_job_message(body, key_of(body), AT_US))
    named = job_id_of(body)
    assert named is None or len(named) <= 64
    if isinstance(message, Request):
        check_taken(message)
    elif message is not None:
        assert decode_job_message(encode(message), key_of(body), AT_US) == message
        if isinstance(message, Retry) and message.order is not None:
            check_taken(message.order.request)


def check_taken(request: Request) -> None:
    """A request that was taken can be worked with and sent on."""
    assert request.parsed_query.canonical == request.query
    assert request.window.length_us > 0
    assert format_us(request.deadline_us)
    assert decode_job_message(encode(request), "job.request") == request


@given(st.binary(max_size=24))
@quickly(CASES_OF_JOB_MESSAGES)
def test_a_damaged_job_message_is_read_or_refused(data: bytes) -> None:
    """Request, cancel, retry, order and delete, with values of every wrong kind in every place."""
    choices = Choices(data)
    check_job_message(as_json(damaged(choices, choices.one_of(JOB_MESSAGES))))


@given(st.binary(max_size=24))
@quickly(CASES_OF_JOB_MESSAGES // 2)
def test_a_damaged_question_is_taken_or_refused(data: bytes) -> None:
    """The same door for HTTP, where Python's values come in that JSON has no words for."""
    choices = Choices(data)
    raw = damaged(choices, choices.one_of(JOB_MESSAGES[:3]))
    request = taken(lambda: check_request(raw, arrived_at_us=AT_US, stamp=bool(choices.below(2))))
    if request is not None:
        check_taken(request)


@given(st.binary(max_size=200))
@quickly(CASES_OF_BYTES)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Arbitrary bytes, and good messages with some bytes changed, cut out or put in."""
    choices = Choices(data)
    body = bytearray(data)
    if choices.below(2):
        body = bytearray(msgspec.json.encode(choices.one_of(JOB_MESSAGES)))
        for _ in range(1 + choices.below(3)):
            place = choices.below(256) * 256 + choices.below(256)
            body[place % len(body) : place % len(body) + choices.below(3)] = data[-choices.below(4) - 1 :]
    check_job_message(bytes(body))
    taken(lambda: decode_event(bytes(body), "job.completed"))


@given(st.binary(max_size=24))
@quickly(CASES_OF_EVENTS)
def test_a_damaged_event_is_read_or_refused(data: bytes) -> None:
    """What was read can be sent on, and is the same then."""
    choices = Choices(data)
    original = choices.one_of(EVENTS)
    event = taken(lambda: decode_event(as_json(damaged(choices, original)), original["event"]))
    if event is not None:
        assert decode_event(encode(event), event.event.value) == event


@given(st.binary(max_size=24))
@quickly(CASES_OF_FRAGMENTS)
def test_a_damaged_fragment_is_read_or_refused(data: bytes) -> None:
    """What was read has numbers that mean something, and times that can be written."""
    headers = damaged(Choices(data), fragment_headers(FRAGMENT))
    fragment = taken(lambda: decode_fragment(headers, data))
    if fragment is None:
        return
    for time_us in (fragment.first_us, fragment.last_us, fragment.through_us):
        assert time_us is None or format_us(time_us)
    assert (fragment.attempt >= 1, fragment.seq >= -1, fragment.packets >= 0, fragment.trimmed >= 0) == (True,) * 4
    assert 0 <= fragment.linktype < 1 << 32
    assert msgspec.json.encode({key: value for key, value in msgspec.structs.asdict(fragment).items() if key != "body"})
    assert decode_fragment(fragment_headers(fragment), data) == fragment


def test_the_undamaged_ones_are_taken() -> None:
    """Otherwise all of the above would prove nothing."""
    for body in map(as_json, JOB_MESSAGES):
        assert taken(partial(decode_job_message, body, key_of(body), AT_US)) is not None
    for event in EVENTS:
        assert taken(lambda event=event: decode_event(as_json(event), event["event"])) is not None  # type: ignore[misc]
    assert decode_fragment(fragment_headers(FRAGMENT), b"") == FRAGMENT
