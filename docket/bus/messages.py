"""The messages on the bus, version 1: classes, and the only functions that touch their bytes.

JSON with a `schema` field, except fragments, which carry their facts in AMQP headers and raw packet records
as the body. Fields are only ever added. The words themselves live in `docket.domain.job` and `docket.domain.request`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from docket.domain.annotation import FIELDS, Annotation, check_annotation
from docket.domain.decoding import prepare
from docket.domain.event import EventMessage
from docket.domain.ids import CLAIM_NAME
from docket.domain.job import EventName, Verdict
from docket.domain.request import LONGEST_DEADLINE_S, LONGEST_OWNER, SOURCE_NAME, Request, check_request
from docket.domain.source import checked
from docket.domain.timewindow import US_PER_S
from docket.errors import InvalidRequest, MessageError
from docket.packet.pcap import FILE_HEADER_BYTES

LARGEST_JSON_BYTES = 1_000_000

Message = TypeVar("Message", bound=msgspec.Struct)


class Cancel(msgspec.Struct, frozen=True, kw_only=True):
    """`job.cancel`: stop reading; with `keep` the packets that arrived stay downloadable."""

    schema: str = "docket.job.cancel/1"
    id: str
    keep: bool = True
    user: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the collector adds to a retry before workers act on it: the question and who is to read again."""

    request: Request
    attempts: dict[str, int]
    """Source name to the attempt number that the next reading must carry, or a higher one."""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """`job.retry`: ask the sources that fell short again.

    Tools publish it without `order`; the collector checks it and publishes it again with one. Workers act
    only on a retry with an order, the collector only on one without.
    """

    schema: str = "docket.job.retry/1"
    id: str
    user: str = ""
    deadline_s: int | None = None
    order: Order | None = None


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """`job.delete`: remove the result from the spool; the record stays."""

    schema: str = "docket.job.delete/1"
    id: str
    user: str = ""


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """`job.forget`: a source is gone for good and is not to be asked any more, until its worker announces it again."""

    schema: str = "docket.source.forget/1"
    name: str
    user: str = ""


class Annotate(msgspec.Struct, frozen=True, kw_only=True):
    """`job.annotate`: write a note, tags or a case number on a job; what is null stays as it is."""

    schema: str = "docket.job.annotate/1"
    id: str
    note: str | None = None
    tags: tuple[str, ...] | None = None
    case: str | None = None
    user: str = ""

    def annotation(self) -> Annotation:
        """Raises InvalidRequest."""
        return check_annotation({name: getattr(self, name) for name in FIELDS})


class AuditAction(StrEnum):
    """What the audit trail tells of; the routing key on `docket.events` is `audit.` and one of these."""

    ASKED = "asked"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    DELETED = "deleted"
    FORGOTTEN = "forgotten"
    ANNOTATED = "annotated"
    PROBE = "probe"
    """Nothing was done: the web app's health looks whether the broker takes messages."""
    DOWNLOADED = "downloaded"
    VIEWED = "viewed"
    REFUSED = "refused"


class AuditMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`audit.*`: a user did something over HTTP, or was refused."""

    schema: str = "docket.audit/1"
    event: str
    at: str
    user: str
    """As the proxy or the token names it; empty without one."""
    address: str
    job_id: str
    request: str
    """The request's id, as `X-Request-Id` and the log have it."""
    detail: str = ""


class FragmentKind(StrEnum):
    """The four things a worker says about one reading."""

    BEGIN = "begin"
    DATA = "data"
    STATUS = "status"
    END = "end"


class FragmentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the headers of a fragment say.

    A reading is (job, source, attempt, run). `begin` has seq 0, `data` counts on, `end` has the next: a hole is seen.
    An `end` with seq 0 is a whole answer. `status` has seq -1: it may get lost.
    """

    job: str
    source: str
    attempt: int
    run: str
    """Names the reading among those with the same attempt; later readings sort higher."""
    seq: int
    kind: FragmentKind = FragmentKind.DATA
    packets: int = 0
    trimmed: int = 0
    """Packets outside the window since the previous fragment, of those that match."""
    received: int = 0
    """Packets that came from the store since the previous fragment, whatever became of them."""
    first_us: int | None = None
    last_us: int | None = None
    """Smallest and largest packet time in the body."""
    through_us: int | None = None
    """Every packet of this source before this time has been sent."""
    linktype: int = 1
    nanoseconds: bool = False
    """The records' fractions of a second are nanoseconds; microseconds otherwise."""
    origin: str = ""
    """The source that recorded these packets, where a refinement took them from its result."""
    verdict: Verdict | None = None
    usable: bool = False
    sentence: str = ""
    next_step: str = ""
    sent: str = ""
    kept: str = ""
    """In `begin`: what is kept of the answer, where the store was asked for more."""
    question: str = ""
    """In `begin`: the fingerprint of the question that is read; one of another question under the id is not taken."""
    claim: str = ""
    """In `data`: the records lie in this file of the source's directory below `incoming/`."""
    claim_at: int | None = None
    """Where in that file they begin, which is where they belong in the part."""
    claim_bytes: int | None = None
    """How many bytes they have."""


class Fragment(FragmentFacts, frozen=True, kw_only=True):
    """One message on `docket.fragments`: a run of whole packet records, or a word about the reading."""

    body: bytes | memoryview = b""
    """Classic PCAP records, little-endian; no file header. With `claim`: the lengths of the packets, or nothing."""


_LATEST_US = US_PER_S << 32
"""A record of a classic PCAP has 32 bits for its seconds."""

_RANGES = {
    "attempt": (1, 1 << 31),
    "seq": (-1, 1 << 53),
    "packets": (0, 1 << 53),
    "trimmed": (0, 1 << 53),
    "received": (0, 1 << 53),
    "first_us": (0, _LATEST_US),
    "last_us": (0, _LATEST_US),
    "through_us": (0, _LATEST_US),
    "linktype": (0, (1 << 32) - 1),
    "claim_at": (FILE_HEADER_BYTES, 1 << 53),
    "claim_bytes": (1, 1 << 53),
}
"""The least and the most that the numbers of a fragment can be."""

_KEY_OF_SCHEMA = {
    "docket.job.request/1": "job.request",
    "docket.job.cancel/1": "job.cancel",
    "docket.job.retry/1": "job.retry",
    "docket.job.delete/1": "job.delete",
    "docket.source.forget/1": "job.forget",
    "docket.job.annotate/1": "job.annotate",
}
"""The routing key that each message on `docket.jobs` must come with."""

_UNNUMBERED = frozenset({EventName.PROGRESS, EventName.INSPECTED})
"""Events about a job that are not in the ledger."""

JobMessage = Request | Cancel | Retry | Delete | Forget | Annotate
"""What comes through `docket.jobs`."""


def encode(message: JobMessage | EventMessage | AuditMessage) -> bytes:
    """The message as JSON bytes."""
    if isinstance(message, Request):
        return msgspec.json.encode(message.to_message())
    return msgspec.json.encode(message)


def decode_event(body: bytes, key: str) -> EventMessage:
    """An event that came with the routing key `key`.

    RabbitMQ lets each role publish its own keys alone, so the word counts only if it is the key's: no source closes a
    job under the name of a source. For the same reason only what belongs to the key may be carried: a source's event
    has neither a job nor a number of the ledger. Raises MessageError, also for a source whose name or times are none:
    readers count on them.
    """
    _expect_schema(_json(body), "docket.event", 1)
    message = _decode(body, EventMessage)
    if message.event.value != key:
        raise MessageError(f"the event says {message.event.value} and came as {key[:80]!r}")
    _check_belongings(message)
    if message.source is None:
        return message
    try:
        return msgspec.structs.replace(message, source=checked(message.source))
    except ValueError as error:
        raise MessageError(str(error)) from error


def _check_belongings(message: EventMessage) -> None:
    """Raises MessageError for an event that carries what its key has no right to say."""
    of_source = message.event.value.startswith("source.")
    if of_source and (message.job is not None or message.job_id is not None or message.source is None):
        raise MessageError(f"{message.event.value} must carry a source and nothing of a job")
    if not of_source and message.source is not None:
        raise MessageError(f"{message.event.value} must not carry a source")
    if message.seq is not None and (of_source or message.event in _UNNUMBERED):
        raise MessageError(f"{message.event.value} has no number in the ledger")


def decode_job_message(body: bytes, key: str, arrived_at_us: int | None = None) -> JobMessage:
    """Read what came through `docket.jobs` with the routing key `key`.

    RabbitMQ lets each role publish its own keys alone, so the schema counts only if it is the key's: an account that
    may only ask deletes nothing. Raises MessageError for what is no message of ours, InvalidRequest for a request
    with faults.
    """
    raw = _json(body)
    _check_user(raw.get("user"))
    schema = raw.get("schema")
    if isinstance(schema, str) and key != _KEY_OF_SCHEMA.get(schema, key):
        raise MessageError(f"the message says {schema} and came as {key[:80]!r}")
    if schema == "docket.job.request/1":
        return check_request(raw, arrived_at_us=arrived_at_us)
    if schema == "docket.job.cancel/1":
        return _decode(body, Cancel)
    if schema == "docket.job.retry/1":
        return _checked(_decode(body, Retry))
    if schema == "docket.job.delete/1":
        return _decode(body, Delete)
    if schema == "docket.source.forget/1":
        return _named(_decode(body, Forget))
    if schema == "docket.job.annotate/1":
        annotate = _decode(body, Annotate)
        annotate.annotation()
        return annotate
    raise MessageError(_unknown_schema(schema))


def _check_user(user: object) -> None:
    """Who did it goes into the events of the job. Raises MessageError."""
    if isinstance(user, str) and (len(user) > LONGEST_OWNER or not user.isprintable()):
        raise MessageError(f"user must be a name of at most {LONGEST_OWNER} characters")


def _named(forget: Forget) -> Forget:
    if not SOURCE_NAME.fullmatch(forget.name):
        raise MessageError(f"{forget.name[:80]!r} is not a sensor:interface name")
    return forget


def _checked(retry: Retry) -> Retry:
    """An order is acted on as it stands, so its question must be one. Raises MessageError."""
    if retry.deadline_s is not None and not 1 <= retry.deadline_s <= LONGEST_DEADLINE_S:
        raise MessageError(f"deadline_s must be a whole number from 1 to {LONGEST_DEADLINE_S}")
    if retry.order is None:
        return retry
    try:
        sound = check_request(retry.order.request.to_message()) == retry.order.request
    except (InvalidRequest, ValueError) as error:
        raise MessageError(f"the order's question is not valid: {error}") from error
    low, high = _RANGES["attempt"]
    if not sound or not all(low <= attempt <= high for attempt in retry.order.attempts.values()):
        raise MessageError("the order's question or attempts are not valid")
    return retry


def job_id_of(body: bytes) -> str | None:
    """The id that a broken message names, if that much can be read; for `job.rejected`."""
    try:
        value = _json(body).get("id")
    except MessageError:
        return None
    return value[:64] if isinstance(value, str) else None


def fragment_headers(fragment: Fragment) -> dict[str, Any]:
    """The AMQP headers of a fragment: all its facts that differ from their defaults."""
    facts = msgspec.structs.asdict(fragment)
    del facts["body"]
    present = {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in facts.items()
        if value is not None and value != ""
    }
    return {"schema": "docket.fragment/1"} | present


def decode_fragment(headers: Mapping[str, Any], body: bytes | memoryview) -> Fragment:
    """Raises MessageError."""
    _expect_schema(headers, "docket.fragment", 1)
    present = {name: headers[name] for name in FragmentFacts.__struct_fields__ if name in headers}
    try:
        facts = msgspec.convert(present, FragmentFacts)
        msgspec.json.encode(facts)  # all of it must be fit to be written down
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError) as error:
        raise MessageError(f"the fragment's headers are not valid: {error}") from error
    if not (facts.job and facts.run and SOURCE_NAME.fullmatch(facts.source)):
        raise MessageError("the fragment's headers do not name its reading: job, source and run")
    if facts.origin and not SOURCE_NAME.fullmatch(facts.origin):
        raise MessageError("the origin in the fragment's headers is no name of a source")
    for name, (low, high) in _RANGES.items():
        value = getattr(facts, name)
        if value is not None and not low <= value <= high:
            raise MessageError(f"the fragment's headers are not valid: {name} is {value}")
    _check_claim(facts, body)
    return Fragment(**msgspec.structs.asdict(facts), body=body)


def _check_claim(facts: FragmentFacts, body: bytes | memoryview) -> None:
    """Raises MessageError for records that are said to lie in a file, but not where."""
    if not facts.claim:
        return
    whole = facts.kind is FragmentKind.DATA and None not in (facts.claim_at, facts.claim_bytes)
    if not whole or not CLAIM_NAME.fullmatch(facts.claim):
        raise MessageError("the fragment's headers do not say where in which file its records lie")
    if len(body) not in (0, 4 * facts.packets):
        raise MessageError("the fragment's body has not one length for each of its packets")


def _json(body: bytes) -> Mapping[str, Any]:
    if len(body) > LARGEST_JSON_BYTES:
        raise MessageError(f"the message has {len(body)} bytes; {LARGEST_JSON_BYTES} is the most")
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the message is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise MessageError("the message is not a JSON object")
    return raw


def _decode(body: bytes, kind: type[Message]) -> Message:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise MessageError(f"the message is not valid: {error}") from error


def _expect_schema(raw: Mapping[str, Any], name: str, version: int) -> None:
    if raw.get("schema") != f"{name}/{version}":
        raise MessageError(_unknown_schema(raw.get("schema")))


def _unknown_schema(schema: object) -> str:
    if schema is None:
        return "the message has no schema field"
    return f"the message's schema {str(schema)[:80]!r} is unknown here, or newer than this Docket"


prepare(EventMessage, Cancel, Retry, Delete, Forget, Annotate, FragmentFacts)
