"""What the AsyncAPI document says of alerts on the bus, of webhooks, and of the attributes of CloudEvents. Pure."""

from __future__ import annotations

from typing import Any

from docket.bus.cloud_events import PREFIX
from docket.bus.topology import ALERT_KEY

ALERT, WEBHOOK = "EveAlert", "WebhookEvent"
WEBHOOK_CHANNEL = "webhooks"

_ATTRIBUTES = {
    "specversion": {"type": "string", "const": "1.0"},
    "id": {"type": "string", "description": "The number in the ledger, the same when it is published again."},
    "source": {"type": "string", "description": "/docket/collector, /docket/worker or /docket/inspector"},
    "type": {"type": "string", "description": "docket. and the routing key"},
    "time": {"type": "string", "format": "date-time"},
    "subject": {"type": "string", "description": "The job, or the source."},
}
CLOUD_EVENT_HEADERS = {f"{PREFIX}{name}": schema for name, schema in _ATTRIBUTES.items()}
"""Headers of each event on the bus: the binary mode of CloudEvents' AMQP binding."""

_PORT = {"type": "integer", "minimum": 0, "maximum": 65535}
SCHEMAS: dict[str, Any] = {
    ALERT: {
        "type": "object",
        "description": "One line of Suricata's EVE; other events than alerts are passed over.",
        "required": ["event_type"],
        "properties": {
            "event_type": {"type": "string"},
            "timestamp": {"type": "string"},
            "src_ip": {"type": "string"},
            "src_port": _PORT,
            "dest_ip": {"type": "string"},
            "dest_port": _PORT,
            "proto": {"type": "string"},
            "capture_file": {"type": "string"},
            "alert": {
                "type": "object",
                "required": ["signature_id"],
                "properties": {
                    "signature_id": {"type": "integer"},
                    "signature": {"type": "string"},
                    "category": {"type": "string"},
                    "severity": {"type": "integer", "description": "1 is the gravest"},
                },
            },
        },
    },
    WEBHOOK: {
        "type": "object",
        "description": "A CloudEvent in JSON; `data` is the event as on the bus.",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": _ATTRIBUTES
        | {
            "datacontenttype": {"type": "string", "const": "application/json"},
            "data": {"$ref": "#/components/schemas/EventMessage"},
        },
    },
}

SERVERS: dict[str, Any] = {
    "receiver": {
        "host": "{host}",
        "protocol": "https",
        "description": "The url of a hook in webhooks.yaml.",
        "variables": {"host": {"description": "Of the program that receives."}},
        "security": [{"$ref": "#/components/securitySchemes/signature"}],
    }
}
SECURITY: dict[str, Any] = {
    "signature": {
        "type": "httpApiKey",
        "name": "webhook-signature",
        "in": "header",
        "description": "Standard Webhooks: v1, and HMAC-SHA256 of ID.TIMESTAMP.BODY with the hook's secret, in base64.",
    }
}
_EXAMPLE_JOB = "0192f0c1-7b1e-7cc3-8a52-3f0d6f1c9b10"
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    ALERT: [
        {
            "timestamp": "2026-11-24T14:02:33.120000+0000",
            "event_type": "alert",
            "src_ip": "10.1.2.3",
            "src_port": 40000,
            "dest_ip": "192.0.2.7",
            "dest_port": 443,
            "proto": "TCP",
            "alert": {"signature_id": 2024217, "signature": "a name", "category": "a category", "severity": 1},
        }
    ],
    WEBHOOK: [
        {
            "specversion": "1.0",
            "id": "4711",
            "source": "/docket/collector",
            "type": "docket.job.expired",
            "time": "2026-11-24T14:20:31.500000Z",
            "subject": _EXAMPLE_JOB,
            "datacontenttype": "application/json",
            "data": {
                "schema": "docket.event/1",
                "event": "job.expired",
                "at": "2026-11-24T14:20:31.500000Z",
                "seq": 4711,
                "job_id": _EXAMPLE_JOB,
            },
        }
    ],
}


def messages() -> dict[str, Any]:
    """Both, with their examples."""
    headers = {name: {"type": "string"} for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    found: dict[str, Any] = {
        name: {
            "name": name,
            "payload": {"$ref": f"#/components/schemas/{name}"},
            "examples": [{"name": name, "payload": payload} for payload in EXAMPLES[name]],
        }
        for name in (ALERT, WEBHOOK)
    }
    found[ALERT]["contentType"] = "application/json"
    found[WEBHOOK] |= {
        "contentType": "application/cloudevents+json",
        "headers": {"type": "object", "required": list(headers), "properties": headers},
        "correlationId": {"$ref": "#/components/correlationIds/of_event"},
    }
    return found


CORRELATIONS = {"of_event": {"description": "The job, or the source.", "location": "$message.payload#/subject"}}


def webhook_channel() -> dict[str, Any]:
    """A POST to the receiver, for each event that a hook names."""
    return {
        "address": "/",
        "description": "The path of a hook's url. Each event until it is answered 2xx, not in order.",
        "servers": [{"$ref": "#/servers/receiver"}],
        "messages": {WEBHOOK: {"$ref": f"#/components/messages/{WEBHOOK}"}},
    }


def operations() -> dict[str, Any]:
    """What a tool does: it publishes alerts, and receives webhooks."""
    return {
        f"send {ALERT_KEY}": {"action": "send", "channel": {"$ref": f"#/channels/{ALERT_KEY}"}},
        f"receive {WEBHOOK_CHANNEL}": {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{WEBHOOK_CHANNEL}"},
            "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
        },
    }
