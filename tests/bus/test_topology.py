"""The topology, its definitions file and its description are one and the same thing."""

import inspect
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docket.bus import asyncapi, topology
from docket.bus.memory.routing import key_matches, topic_matches
from docket.bus.messages import Fragment, FragmentFacts, fragment_headers
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.domain.job import EventName, Verdict
from docket.domain.request import Request
from docket.domain.request_message import RequestMessage
from tests.bus.conftest import SOURCE
from tests.services.rabbitmq import Broker as RabbitMQ

ROOT = Path(__file__).parents[2]
WORDS = st.sampled_from(["a", "b", "ab"])


def test_definitions_file_is_current() -> None:
    """deploy/rabbitmq/definitions.json is what `python -m docket.bus.asyncapi definitions` prints."""
    assert (ROOT / "deploy/rabbitmq/definitions.json").read_text() == asyncapi.definitions_text()


def test_rights_file_is_current() -> None:
    """deploy/rabbitmq/rights.json is what `python -m docket.bus.asyncapi rights` prints."""
    assert (ROOT / "deploy/rabbitmq/rights.json").read_text() == asyncapi.rights_text()


def test_no_user_is_loaded_at_each_start() -> None:
    """RabbitMQ imports its definitions at every start; users in them would lose the passwords that they have since."""
    assert "users" not in json.loads(asyncapi.definitions_text())


def test_asyncapi_file_is_current() -> None:
    """docs/asyncapi.json is what `python -m docket.bus.asyncapi asyncapi` prints."""
    assert (ROOT / "docs/asyncapi.json").read_text() == asyncapi.asyncapi_text()


def test_references_in_asyncapi_lead_somewhere() -> None:
    """Every $ref of the AsyncAPI document points at something in it."""
    document = asyncapi.asyncapi()
    references = set(find_references(document))
    assert len(references) > 20
    for reference in references:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def find_references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for inner in value.values() for found in find_references(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in find_references(inner)]
    return []


def test_every_event_and_order_is_a_channel() -> None:
    """The AsyncAPI document has a channel for each routing key of docket.jobs and docket.events, and for replies."""
    keys = set(asyncapi.JOB_MESSAGES) | {topology.REQUEST_KEY, topology.ANNOTATE_KEY, topology.FORGET_KEY}
    keys |= {"survey.asked", "survey.answered"}
    events = {event.value for event in EventName} | set(asyncapi.AUDIT_KEYS)
    assert set(asyncapi.asyncapi()["channels"]) == keys | events | {"fragments", "replies", "alert", "webhooks"}


@pytest.mark.rabbitmq
def test_rabbitmq_takes_the_definitions(broker: RabbitMQ, vhost: str, amqp_url: str) -> None:
    """RabbitMQ imports the definitions, and a service that declares the topology afterwards finds no difference."""
    broker.import_definitions(topology.definitions_text(vhost, [SOURCE]))
    assert set(broker.queue_depths(vhost)) == {queue.name for queue in topology.queues([SOURCE])}
    bus = AmqpBroker(parse_address(amqp_url, {}))
    bus.declare([SOURCE])
    bus.close()


def test_bindings_name_what_is_declared() -> None:
    """Every binding is between an exchange and a queue of the topology."""
    exchanges = {exchange.name for exchange in topology.EXCHANGES}
    queues = {queue.name for queue in topology.queues([SOURCE])}
    bound = list(topology.bindings([SOURCE]))
    assert ({b.exchange for b in bound} <= exchanges, {b.queue for b in bound} == queues) == (True, True)


def test_every_shard_is_used() -> None:
    """The sources of many jobs spread over all shards."""
    shards = {topology.fragment_shard(f"job {number}", SOURCE) for number in range(200)}
    assert shards == {str(shard) for shard in range(topology.FRAGMENT_SHARDS)}


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("job.#", "job", True),
        ("job.#", "job.request", True),
        ("job.#", "job.a.b", True),
        ("job.*", "job", False),
        ("job.*", "job.a.b", False),
        ("*.online", "source.online", True),
        ("#", "", True),
        ("*", "", True),
        ("#.b", "a.a.b", True),
        ("#.b", "b.a", False),
        ("a.#.b", "a.b", True),
        ("a.*.#", "a", False),
    ],
)
def test_topic_patterns(pattern: str, key: str, expected: bool) -> None:
    """`*` stands for one word, `#` for any number of words."""
    assert topic_matches(pattern, key) is expected


@given(st.lists(WORDS, max_size=5), st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_topic_pattern_made_from_a_key_matches_it(words: list[str], kinds: list[int]) -> None:
    """A key matches each pattern in which some of its words were replaced by `*` or `#`."""
    chosen = [(word, "*", "#")[kind] for word, kind in zip(words, kinds, strict=False)]
    assert topic_matches(".".join(chosen), ".".join(words))


def test_direct_and_fanout() -> None:
    """A direct exchange compares, a fanout exchange takes everything."""
    assert [key_matches("direct", "1", key) for key in ("1", "2")] == [True, False]
    assert key_matches("fanout", "", "anything")


def test_a_request_on_the_wire_has_the_described_fields() -> None:
    """The described job.request has exactly the fields that Docket publishes."""
    plain = Request(id="", query="", asked="", after_us=0, before_us=1, requested_at_us=0)
    refined = msgspec.structs.replace(plain, parent="p", tags=("t",))
    assert set(RequestMessage.__struct_fields__) == set(refined.to_message())
    assert set(refined.to_message()) - set(plain.to_message()) == {"parent", "refine", "tags"}


def test_fragment_headers_are_described() -> None:
    """The described headers of a fragment are those that are sent, besides the schema."""
    fragment = Fragment(
        job="j",
        source="s",
        attempt=1,
        run="r",
        seq=1,
        first_us=1,
        last_us=2,
        through_us=3,
        verdict=Verdict.CUT,
        sentence="s",
        next_step="n",
        sent="t",
        nanoseconds=True,
        kept="k",
        origin="rock01:em1",
        claim="rock01-j-r.pcap",
        question="q",
        claim_at=24,
        claim_bytes=1,
    )
    assert set(fragment_headers(fragment)) == set(FragmentFacts.__struct_fields__) | {"schema"}


def test_descriptions_are_not_indented() -> None:
    """Texts in the AsyncAPI document are clean, whatever Python does with docstrings."""
    schemas = asyncapi.asyncapi()["components"]["schemas"]
    texts = [schema["description"] for schema in schemas.values() if "description" in schema]
    assert texts == [inspect.cleandoc(text) for text in texts]
