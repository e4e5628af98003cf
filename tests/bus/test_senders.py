"""For whom a user of the broker may speak: a worker for its own sources, and nobody for another's."""

import json
from collections.abc import Iterator
from typing import Any

import pika
import pytest

from docket.bus import topology
from docket.bus.messages import Fragment, FragmentKind, encode, fragment_headers
from docket.bus.permissions import user_definitions, worker_of
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.bus.senders import objection, objection_to_event, sender
from docket.bus.survey_messages import SurveyAnswered, decode_answered
from docket.bus.survey_messages import encode as encode_survey
from docket.domain.clock import now_text
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.source import SourceStatus
from docket.domain.survey import Bucket, Survey
from docket.errors import MessageError
from tests.services.rabbitmq import Broker

SOURCE, SPOOL = "rock01:em1", "docket:spool"
PASSWORD = "secret"


@pytest.mark.parametrize(
    ("user", "source", "believed"),
    [
        ("docket-worker", SOURCE, True),
        ("docket-worker-rock01", SOURCE, True),
        ("docket-worker-rock02", SOURCE, False),
        ("docket-worker-rock0", SOURCE, False),
        ("docket-worker-", SOURCE, False),
        ("docket-worker", SPOOL, False),
        ("docket-worker-docket", SPOOL, False),
        ("docket-inspector", SPOOL, True),
        ("docket-inspector", SOURCE, False),
        ("docket-collector", SOURCE, True),
        ("docket-web", SOURCE, False),
        ("docket-tool", SOURCE, False),
        ("docket-audit", SOURCE, False),
        ("guest", SOURCE, False),
        ("", SOURCE, False),
        (None, SOURCE, False),
    ],
)
def test_who_speaks_for_a_source(user: str | None, source: str, believed: bool) -> None:
    """Nothing is believed of a source that does not come from its own sensor's account."""
    assert (objection(user, source, "docket-collector") == "") is believed


@pytest.mark.parametrize(("user", "own"), [(None, None), ("docket", "docket")])
def test_one_account_for_all_is_believed(user: str | None, own: str | None) -> None:
    """Within a process, and where all services log in as one user, there is nobody to tell apart."""
    assert objection(user, SOURCE, own) == ""


@pytest.mark.parametrize(
    ("user", "own", "is_from"),
    [
        (None, None, "alice"),
        (None, "docket-collector", "alice"),
        ("docket-web", "docket-collector", "alice"),
        ("docket-collector", "docket-worker", "alice"),
        ("docket-tool", "docket-collector", "docket-tool"),
        ("docket", "docket", "alice"),
    ],
)
def test_who_asks(user: str | None, own: str | None, is_from: str) -> None:
    """The web app and the collector speak for others, a shared account tells nothing; a tool is who the broker says."""
    assert sender(user, "alice", own) == is_from


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"source": 1}', b"[" * 100_000])
def test_what_is_no_event_is_left_to_its_reader(body: bytes) -> None:
    assert objection_to_event("source.stats", "docket-tool", body, "docket-web") == ""


@pytest.mark.parametrize(("user", "is_believed"), [("docket-worker-rock01", True), ("docket-worker-rock02", False)])
def test_survey_is_of_ones_own_source(user: str, is_believed: bool) -> None:
    """The estimate of another sensor's source is not another worker's to give."""
    body = encode_survey(SurveyAnswered(id="1", survey=survey()))
    assert (objection_to_event("survey.answered", user, body, "docket-web") == "") is is_believed


@pytest.mark.parametrize(
    "wrong",
    [
        {"packets": -1},
        {"bytes": 1 << 60},
        {"timeline": (Bucket(10**15, 1, 1),)},
        {"timeline": (Bucket(1, 1, 1),) * 20_000},
        {"sentence": "x" * 5_000},
    ],
)
def test_survey_says_what_an_index_can(wrong: dict[str, Any]) -> None:
    """Numbers that cannot be, and texts without end, are no survey."""
    decode_answered(encode_survey(SurveyAnswered(id="1", survey=survey())))
    with pytest.raises(MessageError):
        decode_answered(encode_survey(SurveyAnswered(id="1", survey=survey(**wrong))))


def survey(**facts: Any) -> Survey:
    values: dict[str, Any] = {"files": 1, "of_files": 2, "packets": 3, "bytes": 4, "exact": True, "read_bytes": 5}
    return Survey(source=SOURCE, **values | facts)


@pytest.fixture
def users(broker: Broker) -> Iterator[str]:
    """A vhost with the account of each role, and one worker's account for each of two sensors."""
    broker.start()
    vhost = "senders"
    broker.add_vhost(vhost)
    names = set()
    for sensor in ("rock01", "rock02"):
        definitions = topology.definitions(vhost, [SOURCE]) | user_definitions(vhost, sensor, worker_of(sensor))
        broker.import_definitions(definitions)
        names |= {user["name"] for user in definitions["users"]}
    for name in names:
        broker.eval(f'rabbit_auth_backend_internal:change_password(<<"{name}">>, <<"{PASSWORD}">>, <<"tests">>)')
    yield vhost
    broker.drop_vhost(vhost)
    for name in names:
        broker.drop_user(name)


def opened(broker: Broker, vhost: str, user: str) -> AmqpBroker:
    return AmqpBroker(parse_address(broker.url(vhost, user, PASSWORD), {}), user)


def online(source: str) -> bytes:
    status = SourceStatus(name=source, kind="made", state="online", last_seen=now_text())
    return encode(EventMessage(event=EventName.SOURCE_ONLINE, at=now_text(), source=status))


@pytest.mark.rabbitmq
def test_a_worker_is_heard_of_its_own_source_alone(broker: Broker, users: str) -> None:
    """What it says of another sensor's source reaches no reader, whether it names itself, nobody, or somebody else."""
    collector = opened(broker, users, "docket-collector")
    receiver = collector.receiver("test", [topology.fragment_queue(0)], prefetch=10, listen=["source.*"])
    receiver.receive(0.2)
    foreign = opened(broker, users, "docket-worker-rock02")
    publisher = foreign.publisher("foreign")
    publisher.publish(topology.EVENTS, "source.online", online(SOURCE))
    parameters = pika.URLParameters(broker.url(users, "docket-worker-rock02", PASSWORD))
    with pika.BlockingConnection(parameters) as connection:
        connection.channel().basic_publish(topology.EVENTS, "source.online", online(SOURCE))
        lying = connection.channel()
        lying.confirm_delivery()
        properties = pika.BasicProperties(user_id="docket-worker-rock01")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="user_id"):
            lying.basic_publish(topology.EVENTS, "source.online", online(SOURCE), properties)
    fragment = Fragment(job="x", source=SOURCE, attempt=1, run="1", seq=0, kind=FragmentKind.BEGIN)
    publisher.publish(topology.FRAGMENTS, "0", b"", headers=fragment_headers(fragment))
    publisher.publish(topology.EVENTS, "source.online", online("rock02:em1"))
    heard = [delivery for _ in range(10) if (delivery := receiver.receive(0.3)) is not None]
    events = [json.loads(delivery.body)["source"]["name"] for delivery in heard if not delivery.queue]
    fragments = [objection(delivery.user_id, SOURCE, delivery.account) for delivery in heard if delivery.queue]
    publisher.close()
    receiver.close()
    assert (events, fragments) == (["rock02:em1"], [f"docket-worker-rock02 may not speak for {SOURCE}"])
