"""Those who write alerts, receive webhooks, read figures or speak to an assistant's tools, and what that gives them."""

from __future__ import annotations

import base64
import http.client
import http.server
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path

from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.replies import check_reply_to
from docket.bus.topology import COLLECTOR_QUEUE
from docket.cli.mcp import rpc
from docket.errors import MessageError
from docket.runtime.metrics_server import metrics_served
from docket.workers.alerts.alert_rules import AlertRule, AlertsConfig
from docket.workers.alerts.service import AlertService
from docket.workers.webhooks.destination import is_allowed
from docket.workers.webhooks.hooks import Hook
from docket.workers.webhooks.webhook_request import deliver
from tests.attacks.attempt import Attempt
from tests.services.ports import free_port
from tests.workers.webhooks.receiver import receiving

ALERT = {
    "event_type": "alert",
    "timestamp": "2026-11-24T14:02:00.000000+0000",
    "src_ip": "10.1.2.3",
    "src_port": 40_000,
    "dest_ip": "192.0.2.7",
    "dest_port": 443,
    "proto": "TCP",
    "alert": {"signature_id": 1, "severity": 1, "signature": "x"},
}
LINES: tuple[tuple[str, str, bytes, str], ...] = (
    ("machine", "a line nested a hundred thousand deep", b"[" * 100_000, "left out"),
    ("machine", "a time at the end of the calendar", b'"timestamp": "9999-12-31T23:59:59+0000"', "left out"),
    ("machine", "a number of 5,000 digits", b'"alert": {"signature_id": "' + b"9" * 5_000 + b'"}', "left out"),
    ("jobs", "a filter in place of an address", b'"src_ip": "10.0.0.1 or host 10.0.0.2"', "left out"),
    ("jobs", "an option of tcpdump in place of an address", b'"src_ip": "-c1"', "left out"),
    ("identity", "an owner of his own", b'"owner": "root"', "asked by docket-alerts"),
    ("identity", "commands of a terminal in the name", b'"capture_file": "\\u001b[2J"', "asked by docket-alerts"),
)
"""What is changed in a good line, or put in its place."""

DESTINATIONS = (
    *("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1"),
    *("::1", "fd00::1", "fe80::1", "fec0::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1"),
    *("64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "::10.0.0.1"),
)
FOREIGN_QUEUES = ("docket.collector", "docket.dead", "docket.source.rock01:em1", "docket.fragments.0", "docket.reply.")
MESSAGES = (
    b"[" * 50_000,
    b'{"jsonrpc": "2.0"}',
    b"\xff",
    b"[]",
    b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}',
)


def attempts(place: Path) -> Iterator[Attempt]:
    """All of them."""
    for number, (asset, tried, change, expected) in enumerate(LINES):
        yield Attempt("writer of alerts", asset, tried, expected, _alerted(place / str(number), change))
    for address in DESTINATIONS:
        happened = "sent" if is_allowed(ipaddress.ip_address(address), ()) else "refused"
        yield Attempt("receiver of webhooks", "network", f"have events sent to {address}", "refused", happened)
    yield from _at_a_receiver(place)
    for queue in FOREIGN_QUEUES:
        yield Attempt("broker: docket-tool", "bus", f"name {queue} in reply_to", "refused", _replied(queue))
    yield from _at_the_figures()
    for body in MESSAGES:
        reply = json.loads(rpc.answer(body, [], lambda *_: {}) or b"{}")
        happened = "an error of JSON-RPC" if "error" in reply else str(reply)
        yield Attempt("assistant", "machine", f"send {body[:40]!r}", "an error of JSON-RPC", happened)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ask", "arguments": {}}}
    reply = json.loads(rpc.answer(json.dumps(call).encode(), [], lambda *_: {}) or b"{}")
    yield Attempt("assistant", "jobs", "ask without --allow-ask", "no such tool", _no_tool(reply))


def _replied(queue: str) -> str:
    try:
        return f"answered at {check_reply_to(queue)}"
    except MessageError:
        return "refused"


def _no_tool(reply: dict[str, dict[str, str]]) -> str:
    return "no such tool" if "there is no tool" in reply.get("error", {}).get("message", "") else str(reply)


def _alerted(place: Path, change: bytes) -> str:
    """What became of the line; the good one behind it is taken in any case."""
    place.mkdir(parents=True)
    changed = change if change.startswith(b"[") else json.dumps(ALERT | json.loads(b"{" + change + b"}")).encode()
    good = json.dumps(ALERT | {"src_port": 40_001}).encode()
    (place / "eve.json").write_bytes(changed + b"\n" + good + b"\n")
    broker = MemoryBroker()
    broker.declare(())
    config = AlertsConfig(
        inputs=(str(place / "eve.json"),), rules=(AlertRule(name="all"),), state=str(place / "state.json")
    )
    service = AlertService(config, broker)
    while service.step():
        pass
    receiver = broker.receiver("reader", [COLLECTOR_QUEUE], prefetch=10)
    asked = []
    while (delivery := receiver.receive(0.01)) is not None:
        asked.append(json.loads(delivery.body))
        delivery.ack()
    receiver.close()
    owners = {one["owner"] for one in asked}
    return {1: "left out", 2: f"asked by {'/'.join(owners)}"}.get(len(asked), "ended the service")


def _at_a_receiver(place: Path) -> Iterator[Attempt]:
    secret = place / "secret"
    secret.write_text(f"whsec_{base64.b64encode(b's' * 32).decode()}\n")
    secret.chmod(0o600)
    with receiving() as receiver, receiving() as other:
        hook = Hook(name="x", url=f"http://127.0.0.1:{receiver.port}/", secret=str(secret), networks=("127.0.0.0/8",))

        def redirected(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(307)
            handler.send_header("Location", f"http://127.0.0.1:{other.port}/")
            handler.end_headers()

        receiver.answer = redirected
        attempt = deliver(hook, "msg_1", b"{}", 1_700_000_000)
        followed = "followed" if other.received or attempt.delivered else "not followed"
    yield Attempt("receiver of webhooks", "network", "redirect to another service", "not followed", followed)
    shown = "shown" if base64.b64encode(b"s" * 32).decode() in attempt.outcome else "not shown"
    yield Attempt("receiver of webhooks", "identity", "have the secret in the log", "not shown", shown)
    secret.chmod(0o644)
    happened = "sent" if deliver(hook, "msg_1", b"{}", 1_700_000_000).delivered else "refused"
    yield Attempt("receiver of webhooks", "identity", "use a secret that everybody can read", "refused", happened)


def _at_the_figures() -> Iterator[Attempt]:
    port = free_port()
    with metrics_served(("127.0.0.1", port)):
        for tried, method, path, host, expected in (
            ("read figures through a rebound name", "GET", "/metrics", "evil.example", "421"),
            ("read a file", "GET", "/../../etc/passwd", "localhost", "404"),
            ("change something", "POST", "/metrics", "localhost", "501"),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request(method, path, headers={"Host": host})
            status = str(connection.getresponse().status)
            connection.close()
            yield Attempt("reader of figures", "machine", tried, expected, status)
