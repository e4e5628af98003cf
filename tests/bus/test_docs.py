"""docs/bus.md says what the code does: every field of every message, every name, and examples that run."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from docket.bus import asyncapi, dead_letters, topology
from docket.bus.messages import (
    Annotate,
    AuditMessage,
    Cancel,
    Delete,
    Forget,
    FragmentFacts,
    Order,
    Retry,
    decode_job_message,
    encode,
)
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job, PcapFile, SourceAnswer, State, Verdict
from docket.domain.request import Request
from docket.domain.request_message import Limits, RequestMessage
from docket.domain.source import SourceStatus
from tests.bus.bus_actions import publishing, receiving, take
from tests.services import needs

TEXT = (Path(__file__).parents[2] / "docs/bus.md").read_text()
DOCUMENTED_URL = "amqp://docket-tool:secret@127.0.0.1/docket"

TABLES: dict[str, type[msgspec.Struct]] = {
    "`job.request`": RequestMessage,
    "`job.cancel`": Cancel,
    "`job.retry`": Retry,
    "`job.delete`": Delete,
    "`job.forget`": Forget,
    "`job.annotate`": Annotate,
    "Every event": EventMessage,
    "Every audit entry": AuditMessage,
    "The job in an event": Job,
    "The answer of one source in a job": SourceAnswer,
    "The source in an event": SourceStatus,
}


def section(heading: str) -> str:
    """The text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/bus.md has no heading {heading!r}"
    return found.group(1)


def first_column(text: str) -> list[str]:
    """The code words in the first cells of all rows."""
    cells = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def example(language: str, heading: str) -> str:
    """The one example in a language below a heading, with the address to be replaced."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    assert DOCUMENTED_URL in blocks[0]
    return blocks[0]


@pytest.mark.parametrize("heading", TABLES)
def test_every_field_is_documented(heading: str) -> None:
    """The table of a message has exactly the fields of its class."""
    assert sorted(first_column(section(heading))) == sorted(TABLES[heading].__struct_fields__)


def test_every_fragment_header_is_documented() -> None:
    """The table of fragments has exactly the headers that are sent."""
    assert sorted(first_column(section("Fragments"))) == sorted({*FragmentFacts.__struct_fields__, "schema"})


@pytest.mark.parametrize(
    ("heading", "kind"),
    [("`job.request`", Limits), ("`job.retry`", Order), ("The job in an event", PcapFile)],
)
def test_fields_of_small_objects_are_named(heading: str, kind: type[msgspec.Struct]) -> None:
    """The fields of an object within a message are named beside it."""
    assert [field for field in kind.__struct_fields__ if f"`{field}`" not in section(heading)] == []


def test_every_routing_key_is_documented() -> None:
    """The table of events has every event."""
    listed = [key for key in first_column(section("Messages on `docket.events`")) if "." in key]
    assert sorted(listed) == sorted([*(event.value for event in EventName), *asyncapi.AUDIT_KEYS])


def test_every_exchange_and_queue_is_documented() -> None:
    """The tables of exchanges and queues have those of the topology."""
    assert sorted(first_column(section("Exchanges"))) == sorted(exchange.name for exchange in topology.EXCHANGES)
    documented = [
        topology.COLLECTOR_QUEUE,
        topology.source_queue("SENSOR:INTERFACE"),
        topology.fragment_queue(0),
        f".{topology.FRAGMENT_SHARDS - 1}",
        topology.INSPECTOR_QUEUE,
        topology.DEAD_QUEUE,
        topology.STREAM_QUEUE,
        topology.ALERTS_QUEUE,
        topology.WEBHOOKS_QUEUE,
        "docket.listen.NAME.RANDOM",
    ]
    assert first_column(section("Queues")) == documented


def test_numbers_of_the_topology_are_documented() -> None:
    """Limits that an operator meets are those of the code."""
    queues = section("Queues")
    said = [
        f"{topology.FRAGMENT_QUEUE_BYTES // 2**20} MiB",
        f"delivery limit {topology.DELIVERY_LIMIT}",
        f"{topology.DEAD_QUEUE_MESSAGES:,}",
        f"{topology.LISTENER_MESSAGES:,}",
    ]
    assert [text for text in said if text not in queues] == []


def test_states_verdicts_and_dead_letter_headers_are_documented() -> None:
    """Every state, every verdict and every header of a dead letter stands in the page."""
    headers = [dead_letters.REASON_HEADER, dead_letters.EXCHANGE_HEADER, dead_letters.ROUTING_KEY_HEADER]
    words = [*(s.value for s in State), *(v.value for v in Verdict), *headers, dead_letters.QUEUE_HEADER]
    assert [word for word in words if f"`{word}`" not in TEXT] == []


def completion(request: Request) -> EventMessage:
    """The event that ends the job that was asked for."""
    job = msgspec.structs.replace(
        Job.opened(request, ["rock01:em1"]),
        state=State.COMPLETED,
        pcap=PcapFile(name="answer.pcap", size=24, sha256="0" * 64),
    )
    return EventMessage(event=EventName.COMPLETED, at=job.created_at, job=job, job_id=job.id)


@pytest.mark.rabbitmq
def test_python_example_runs(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """The example in Python publishes a request that is valid, and prints the completion of its own job."""
    requests: list[Request] = []

    def collect() -> None:
        with receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver, publishing(amqp_bus) as publisher:
            delivery = take(receiver, timeout_s=60)
            request = decode_job_message(delivery.body, delivery.routing_key)
            assert isinstance(request, Request)
            requests.append(request)
            other = msgspec.structs.replace(request, id="00000000-0000-4000-8000-000000000000")
            for asked in (other, request):
                publisher.publish(topology.EVENTS, "job.completed", encode(completion(asked)))
            delivery.ack()

    thread = threading.Thread(target=collect)
    thread.start()
    code = example("python", "Ask and wait, in Python").replace(DOCUMENTED_URL, amqp_url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    thread.join()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("job.completed {")
    assert (requests[0].query, requests[0].owner) == ("host 10.1.2.3 and port 443", "playbook 7")
    assert requests[0].before_us - requests[0].after_us == 15 * 60 * 1_000_000


@pytest.mark.rabbitmq
def test_command_line_example_runs(amqp_bus: AmqpBroker, amqp_url: str) -> None:
    """The example for the shell publishes a request that is valid."""
    needs.program("amqp-publish", "amqp-tools")
    subprocess.run(
        ["sh", "-c", example("sh", "Ask, on the command line").replace(DOCUMENTED_URL, amqp_url)],
        timeout=60,
        check=True,
    )
    with receiving(amqp_bus, [topology.COLLECTOR_QUEUE]) as receiver:
        delivery = take(receiver)
        request = decode_job_message(delivery.body, delivery.routing_key)
        delivery.ack()
    assert isinstance(request, Request)
    assert (request.query, request.sources) == ("port 53", None)


def test_examples_of_the_description_are_messages() -> None:
    """Each is read as the collector reads it; and the document names the version, the security and the correlation."""
    document = asyncapi.asyncapi()
    keys = {kind.__name__: key for key, kind in asyncapi.JOB_MESSAGES.items()}
    for name, payloads in asyncapi.EXAMPLES.items():
        for payload in payloads:
            decode_job_message(msgspec.json.encode(payload), keys[name])
    assert document["asyncapi"] == "3.1.0"
    assert set(document["components"]["securitySchemes"]) == {"password", "certificate", "signature"}
    fields = msgspec.json.schema_components([EventMessage, RequestMessage])[1]
    assert "job_id" in fields["EventMessage"]["properties"]
    assert "id" in fields["RequestMessage"]["properties"]
