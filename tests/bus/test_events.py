"""Events as they are read from the bus: what says a source's name and times is believed only if they are some."""

import msgspec
import pytest

from docket.bus.messages import decode_event, decode_job_message, encode
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.source import SourceStatus
from docket.errors import MessageError

KEY = EventName.SOURCE_STATS.value
NOW = "2026-11-24T14:00:00.000000Z"


def event(**facts: object) -> bytes:
    """A word of a source with these facts."""
    status = msgspec.convert(
        {"name": "rock01:em1", "kind": "x", "state": "online", "last_seen": NOW} | facts, SourceStatus
    )
    return encode(EventMessage(event=EventName.SOURCE_STATS, at=NOW, source=status))


def test_good_status_is_read() -> None:
    """All facts, or only those that must be there."""
    assert decode_event(event(), KEY).source == SourceStatus(name="rock01:em1", kind="x", state="online", last_seen=NOW)
    full = decode_event(event(oldest=NOW, readable_until=NOW), KEY).source
    assert full is not None
    assert (full.oldest, full.readable_until) == (NOW, NOW)


@pytest.mark.parametrize("name", ["", "em1", "<img src=x>:em1", "rock01:em1/../x", "rock01:em1\n", "a:" + "b" * 100])
def test_name_that_is_none_is_refused(name: str) -> None:
    """It would be asked for packets, and every question to all sources would fail."""
    with pytest.raises(MessageError, match="is not a sensor:interface name"):
        decode_event(event(name=name), KEY)


@pytest.mark.parametrize("fact", ["oldest", "readable_until", "last_seen"])
@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", "15m"])
def test_time_that_is_none_is_refused(fact: str, text: str) -> None:
    """Whoever reckons with it later would fail there."""
    with pytest.raises(MessageError, match="a time of rock01:em1"):
        decode_event(event(**{fact: text}), KEY)


@pytest.mark.parametrize("key", ["job.inspected", "source.online", "job.", "", "job.rejected\n"])
def test_event_under_another_key_is_refused(key: str) -> None:
    """The broker lets workers and the inspector publish their own keys alone, and so they cannot end a job."""
    with pytest.raises(MessageError, match=r"the event says job\.rejected and came as"):
        decode_event(encode(EventMessage(event=EventName.REJECTED, at=NOW, job_id="x")), key)


@pytest.mark.parametrize(
    ("message", "key"),
    [
        (EventMessage(event=EventName.SOURCE_STATS, at=NOW, seq=7), "source.stats"),
        (EventMessage(event=EventName.SOURCE_ONLINE, at=NOW, job_id="x"), "source.online"),
        (EventMessage(event=EventName.INSPECTED, at=NOW, job_id="x", seq=9), "job.inspected"),
        (EventMessage(event=EventName.PROGRESS, at=NOW, job_id="x", seq=9), "job.progress"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_event_says_nothing_that_its_key_has_no_right_to(message: EventMessage, key: str) -> None:
    """A worker's event carries no job and no number of the ledger, an inspector's no number."""
    with pytest.raises(MessageError):
        decode_event(encode(message), key)


@pytest.mark.parametrize("schema", ["cancel", "retry", "delete"])
def test_schema_counts_only_under_its_own_key(schema: str) -> None:
    """Whoever may only publish `job.request` neither cancels nor retries nor deletes."""
    body = f'{{"schema": "docket.job.{schema}/1", "id": "x"}}'.encode()
    assert getattr(decode_job_message(body, f"job.{schema}"), "id", None) == "x"
    with pytest.raises(MessageError, match=r"came as 'job\.request'"):
        decode_job_message(body, "job.request")
