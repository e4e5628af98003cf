"""The AsyncAPI document describes alerts, webhooks and the attributes of CloudEvents as they are."""

import json
from pathlib import Path
from typing import Any

import msgspec

from docket.bus.asyncapi import asyncapi
from docket.bus.cloud_events import attributes, named
from docket.bus.messages import decode_event, encode
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.workers.alerts.eve import read_alert

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/asyncapi.json").read_text())
EVENT = EventMessage(event=EventName.EXPIRED, at="2026-11-24T14:20:31.500000Z", seq=7, job_id="0192f0c1-7b1e")


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["components"]["messages"][name]["examples"][0]["payload"]
    return found


def test_document_is_the_one_that_is_generated() -> None:
    """The file is read here as a tool reads it."""
    assert json.loads(json.dumps(asyncapi())) == DOCUMENT


def test_alert_of_the_example_becomes_a_question() -> None:
    """As `docket alerts` reads it."""
    alert = read_alert(json.dumps(example("EveAlert")).encode())
    assert alert is not None
    assert (alert.flow, alert.signature_id) == ("flow tcp 10.1.2.3:40000 - 192.0.2.7:443", 2024217)


def test_webhook_of_the_example_is_what_is_sent() -> None:
    """The same attributes and the same event as on the bus, in the same shape."""
    webhook = example("WebhookEvent")
    event = decode_event(json.dumps(webhook["data"]).encode(), webhook["data"]["event"])
    assert named(event, "collector") == {name: webhook[name] for name in named(event, "collector")}
    schema = DOCUMENT["components"]["schemas"]["WebhookEvent"]
    assert webhook.keys() == schema["properties"].keys()


def test_headers_of_an_event_are_all_described() -> None:
    """Each attribute of CloudEvents that is sent, and no other."""
    headers = DOCUMENT["components"]["messages"]["EventMessage"]["headers"]["properties"]
    assert attributes(EVENT, "collector").keys() == {name for name in headers if name.startswith("cloudEvents:")}
    assert msgspec.json.decode(encode(EVENT))["seq"] == 7


def test_every_channel_and_operation_names_what_there_is() -> None:
    """Servers, security and correlations, whose references lead somewhere."""
    assert {ref["$ref"] for one in DOCUMENT["channels"].values() for ref in one["servers"]} == {
        f"#/servers/{name}" for name in DOCUMENT["servers"]
    }
    schemes = {ref["$ref"] for one in DOCUMENT["servers"].values() for ref in one["security"]}
    assert schemes == {f"#/components/securitySchemes/{name}" for name in DOCUMENT["components"]["securitySchemes"]}
    assert {"send alert", "receive webhooks"} <= DOCUMENT["operations"].keys()
