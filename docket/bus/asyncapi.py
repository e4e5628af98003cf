"""Describes the bus for machines: AsyncAPI from the message classes, and RabbitMQ's definitions from the topology.

`python -m docket.bus.asyncapi asyncapi`, `… definitions` and `… rights` print what stands in docs/asyncapi.json and in
deploy/rabbitmq; a test says that the files are current.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from docket.bus import asyncapi_neighbours, permissions, survey_messages, topology
from docket.bus.addressing import HEADER as SOURCES_HEADER
from docket.bus.messages import (
    Annotate,
    AuditAction,
    AuditMessage,
    Cancel,
    Delete,
    Forget,
    FragmentFacts,
    Retry,
)
from docket.bus.replies import TRACE_HEADER
from docket.bus.survey_messages import SurveyAnswered, SurveyAsked
from docket.domain.event import EventMessage
from docket.domain.job import EventName
from docket.domain.request_message import RequestMessage

VHOST = "docket"
"""The vhost of a deployment as the manual describes it."""

CONTRACT_VERSION = "1"

_SCHEMAS = "#/components/schemas/"
_MESSAGES = "#/components/messages/"


JOB_MESSAGES: Mapping[str, type[msgspec.Struct]] = {
    topology.REQUEST_KEY: RequestMessage,
    topology.CANCEL_KEY: Cancel,
    topology.RETRY_KEY: Retry,
    topology.DELETE_KEY: Delete,
    topology.FORGET_KEY: Forget,
    topology.ANNOTATE_KEY: Annotate,
}
"""Routing key on `docket.jobs` to its message."""

AUDIT_KEYS = tuple(f"audit.{action.value}" for action in AuditAction)
"""Further routing keys on `docket.events`."""

SURVEY_MESSAGES: Mapping[str, type[msgspec.Struct]] = {
    survey_messages.ASKED_KEY: SurveyAsked,
    survey_messages.ANSWERED_KEY: SurveyAnswered,
}
"""Of Docket alone, on `docket.events`; no tool may send or read them."""

_EVENT_MESSAGES = (
    EventMessage.__name__,
    AuditMessage.__name__,
    *(kind.__name__ for kind in SURVEY_MESSAGES.values()),
)


_SECURITY = {
    "password": {"type": "userPassword", "description": "A user of RabbitMQ; docket-tool may ask and hear."},
    "certificate": {"type": "X509", "description": "A client certificate whose CN is the user's name; amqps."},
}
_SECURED = {"security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY]}
_HEADERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        TRACE_HEADER: {"type": "string", "description": "W3C trace context; of the request, in each message of its job"}
    },
}
_REQUEST_HEADERS = {
    "type": "object",
    "properties": {
        **_HEADERS["properties"],
        SOURCES_HEADER: {"type": "string", "description": "The sources that it is for, joined by commas; optional"},
    },
    "patternProperties": {
        f"^{topology.source_header('')}.+$": {
            "const": topology.ROUTED,
            "description": "Sends it to this source, and to none that is not named so; without any, all sources get it",
        }
    },
}
_EVENT_HEADERS = {
    "type": "object",
    "properties": {**_HEADERS["properties"], **asyncapi_neighbours.CLOUD_EVENT_HEADERS},
}
_REPLY = {
    "address": {
        "description": "The AMQP property reply_to: an exclusive queue of the asker, docket.reply.NAME, or direct.",
        "location": "$message.header#/reply_to",
    },
    "channel": {"$ref": "#/channels/replies"},
}
"""What a tool may ask for with its request: the events of its own job, with its own correlation id."""
_REPLIES: dict[str, Any] = {
    "address": None,
    "description": "The events of one job in the queue that its request named, with the request's correlation_id.",
    "messages": {"EventMessage": {"$ref": _MESSAGES + "EventMessage"}},
    "bindings": {"amqp": {"is": "queue", "bindingVersion": "0.3.0"}},
}
_CORRELATIONS = {
    "asked": {"description": "The job: its asker chose the id.", "location": "$message.payload#/id"},
    "about_job": {"description": "The job that it is about.", "location": "$message.payload#/job_id"},
}
_CORRELATED = dict.fromkeys(("RequestMessage", "Cancel", "Retry", "Delete"), "asked") | dict.fromkeys(
    ("EventMessage", "AuditMessage"), "about_job"
)

_ID = "0192f0c1-7b1e-7cc3-8a52-3f0d6f1c9b10"
EXAMPLES: Mapping[str, list[dict[str, Any]]] = {
    "RequestMessage": [
        {
            "schema": "docket.job.request/1",
            "id": _ID,
            "query": "host 10.1.2.3 and port 443",
            "after": "15m",
            "requested_at": "2026-11-24T14:20:31.5Z",
            "owner": "playbook 7",
        }
    ],
    "Cancel": [{"schema": "docket.job.cancel/1", "id": _ID, "keep": True, "user": "anna"}],
    "Retry": [{"schema": "docket.job.retry/1", "id": _ID, "user": "anna"}],
    "Delete": [{"schema": "docket.job.delete/1", "id": _ID, "user": "anna"}],
    "Forget": [{"schema": "docket.source.forget/1", "name": "rock01:em1", "user": "anna"}],
}
"""What tools publish; a test reads each as the collector does."""


def asyncapi() -> dict[str, Any]:
    """The contract as an AsyncAPI 3.1 document."""
    types = [*JOB_MESSAGES.values(), EventMessage, AuditMessage, *SURVEY_MESSAGES.values(), FragmentFacts]
    _, schemas = msgspec.json.schema_components(types, ref_template=_SCHEMAS + "{name}")
    for schema in schemas.values():
        # Python before 3.13 leaves the indentation in docstrings.
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Docket's bus",
            "version": CONTRACT_VERSION,
            "description": "Ask for packets, hear what becomes of it. Fields are only ever added.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"rabbitmq": {"host": "127.0.0.1:5672", "pathname": f"/{VHOST}", "protocol": "amqp"} | _SECURED}
        | asyncapi_neighbours.SERVERS,
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": _messages(),
            "schemas": schemas | asyncapi_neighbours.SCHEMAS,
            "securitySchemes": _SECURITY | asyncapi_neighbours.SECURITY,
            "correlationIds": _CORRELATIONS | asyncapi_neighbours.CORRELATIONS,
        },
    }


def asyncapi_text() -> str:
    """`asyncapi` as the text of the file."""
    return msgspec.json.format(msgspec.json.encode(asyncapi()), indent=2).decode() + "\n"


def definitions_text() -> str:
    """The text of deploy/rabbitmq/definitions.json; queues of sources are declared by their workers.

    Without users: RabbitMQ loads this at each start, and would take their passwords away each time.
    """
    return _text(topology.definitions(VHOST, ()))


def rights_text() -> str:
    """The text of deploy/rabbitmq/rights.json: the rights of users that are there already."""
    return _text({key: rows for key, rows in permissions.user_definitions(VHOST).items() if key != "users"})


def _text(whole: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _channels() -> dict[str, Any]:
    channels = {
        key: _channel(topology.JOBS, key, [kind.__name__], f"Routing key {key}.") for key, kind in JOB_MESSAGES.items()
    }
    for event in EventName:
        channels[event.value] = _channel(topology.EVENTS, event.value, ["EventMessage"], f"Routing key {event.value}.")
    for key, kind in SURVEY_MESSAGES.items():
        channels[key] = _channel(topology.EVENTS, key, [kind.__name__], f"Routing key {key}, of Docket alone.")
    for key in AUDIT_KEYS:
        channels[key] = _channel(topology.EVENTS, key, ["AuditMessage"], f"Routing key {key}.")
    fragments = _channel(topology.FRAGMENTS, "{shard}", ["FragmentFacts"], "From workers to collector.")
    fragments["parameters"] = {
        "shard": {
            "description": "CRC-32 of `<job>/<source>` modulo the number of shards.",
            "enum": [str(shard) for shard in range(topology.FRAGMENT_SHARDS)],
        }
    }
    channels["fragments"] = fragments
    channels["replies"] = _REPLIES
    alerts = f"Routing key {topology.ALERT_KEY}, for docket alerts with the input bus:."
    channels[topology.ALERT_KEY] = _channel(topology.JOBS, topology.ALERT_KEY, [asyncapi_neighbours.ALERT], alerts)
    for of_bus in channels.values():
        of_bus["servers"] = [{"$ref": "#/servers/rabbitmq"}]
    channels[asyncapi_neighbours.WEBHOOK_CHANNEL] = asyncapi_neighbours.webhook_channel()
    return channels


def _channel(exchange: str, address: str, messages: list[str], description: str) -> dict[str, Any]:
    kind = next(declared.kind for declared in topology.EXCHANGES if declared.name == exchange)
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": _MESSAGES + name} for name in messages},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": exchange, "type": kind, "durable": True, "autoDelete": False, "vhost": VHOST},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _operations() -> dict[str, Any]:
    """What a tool does: it sends to `docket.jobs` and receives from `docket.events`."""
    operations: dict[str, Any] = {}
    for key in JOB_MESSAGES:
        operations[f"send {key}"] = {"action": "send", "channel": {"$ref": f"#/channels/{key}"}}
    operations[f"send {topology.REQUEST_KEY}"]["reply"] = _REPLY
    for key in (*(event.value for event in EventName), *AUDIT_KEYS):
        operations[f"receive {key}"] = {"action": "receive", "channel": {"$ref": f"#/channels/{key}"}}
    return operations | asyncapi_neighbours.operations()


def _messages() -> dict[str, Any]:
    messages: dict[str, Any] = {}
    for name in (*(kind.__name__ for kind in JOB_MESSAGES.values()), *_EVENT_MESSAGES):
        messages[name] = {
            "name": name,
            "contentType": "application/json",
            "payload": {"$ref": _SCHEMAS + name},
        }
        if name in _CORRELATED:
            messages[name]["correlationId"] = {"$ref": f"#/components/correlationIds/{_CORRELATED[name]}"}
        if name == RequestMessage.__name__:
            messages[name]["headers"] = _REQUEST_HEADERS
        if name == EventMessage.__name__:
            messages[name]["headers"] = _EVENT_HEADERS
        if name in EXAMPLES:
            messages[name]["examples"] = [{"name": name, "payload": payload} for payload in EXAMPLES[name]]
    messages["FragmentFacts"] = {
        "contentType": "application/octet-stream",
        "headers": {"$ref": _SCHEMAS + "FragmentFacts"},
        "payload": {
            "type": "string",
            "format": "binary",
            "description": "Classic PCAP records, little-endian, microseconds; no file header.",
        },
    }
    return messages | asyncapi_neighbours.messages()


if __name__ == "__main__":
    texts = {"asyncapi": asyncapi_text, "definitions": definitions_text, "rights": rights_text}
    sys.stdout.write(texts[sys.argv[1]]())
