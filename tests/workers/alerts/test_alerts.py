"""Alerts become jobs: one per conversation and window, within budgets, from a file, a socket and a real Redis.

The lines of EVE are made here, by the recipe of Suricata's documentation: Debian 12 has no Suricata to install.
"""

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.messages import decode_job_message
from docket.bus.topology import ALERTS_QUEUE, COLLECTOR_QUEUE, JOBS
from docket.domain.request import Request
from docket.errors import BusLost, ConfigError
from docket.workers.alerts.alert_inputs import MOST_CONNECTIONS, EveSocket
from docket.workers.alerts.alert_rules import AlertRule, AlertsConfig, Budget, read_rules
from docket.workers.alerts.eve import read_alert
from docket.workers.alerts.service import AlertService
from tests.services import needs
from tests.services.ports import free_port
from tests.services.waiting import wait_until

BEGIN = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


def line(flow: int, seconds: float = 0, **alert: Any) -> bytes:
    """An alert about conversation number `flow`; every other one is about its answers."""
    ends = [("10.1.2.3", 40_000 + flow), ("192.0.2.7", 443)]
    (source, source_port), (destination, destination_port) = ends if int(seconds) % 2 else reversed(ends)
    event = {
        "timestamp": (BEGIN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f+0000"),
        "event_type": "alert",
        "src_ip": source,
        "src_port": source_port,
        "dest_ip": destination,
        "dest_port": destination_port,
        "proto": "TCP",
        "alert": {"signature_id": 2024217, "signature": "a \x1b[31mname", "severity": 1, "category": "Trojan"} | alert,
    }
    return json.dumps(event).encode() + b"\n"


class Bench:
    """A service, and the requests that it published."""

    def __init__(self, folder: Path, *inputs: str, **rule: Any) -> None:
        self.broker = MemoryBroker()
        self.broker.declare(())
        self.config = AlertsConfig(
            inputs=inputs or (str(folder / "eve.json"),),
            rules=(AlertRule(name="all", **rule),),
            state=str(folder / "state.json"),
        )
        self.restart()
        self._receiver = self.broker.receiver("reader", [COLLECTOR_QUEUE], prefetch=2000)

    def restart(self) -> None:
        self.service = AlertService(self.config, self.broker)

    def refuse(self) -> None:
        """Let the bus take nothing."""

        class Refusing:
            def publish(self, *_: object, **__: object) -> None:
                raise BusLost("away")

        self.service._publisher = Refusing()  # type: ignore[assignment]

    def requests(self) -> list[Request]:
        """Those since the last call."""
        while self.service.step():
            pass
        found = []
        while (delivery := self._receiver.receive(0.01)) is not None:
            message = decode_job_message(delivery.body, delivery.routing_key)
            assert isinstance(message, Request)
            found.append(message)
            delivery.ack()
        return found


def test_thousand_alerts_of_twenty_flows_become_twenty_jobs(tmp_path: Path) -> None:
    """One for each conversation, whichever end the alert names first; the rest is counted as joined."""
    eve = tmp_path / "eve.json"
    eve.write_bytes(b"".join(line(number % 20, number / 50) for number in range(1000)))
    bench = Bench(tmp_path)
    requests = bench.requests()
    assert len(requests) == len({request.query for request in requests}) == 20
    assert (bench.service.state.seen, bench.service.state.joined) == (1000, 980)
    assert requests[0].query == "flow tcp 10.1.2.3:40000 - 192.0.2.7:443"
    assert (requests[0].owner, requests[0].limits.bytes) == ("docket-alerts", 50_000_000)
    assert "alert 2024217" in requests[0].note


def test_budget_bounds_jobs_and_counts_what_was_left_out(tmp_path: Path) -> None:
    """By number and by bytes; a restart does not give it back."""
    (tmp_path / "eve.json").write_bytes(b"".join(map(line, range(10))))
    bench = Bench(tmp_path, jobs_per_hour=4)
    assert len(bench.requests()) == 4
    assert bench.service.state.budgets["all"].left_out == {"jobs_per_hour": 6}
    bench.restart()
    with (tmp_path / "eve.json").open("ab") as file:
        file.write(line(50))
    assert bench.requests() == []
    (other := tmp_path / "other").mkdir()
    (other / "eve.json").write_bytes(b"".join(map(line, range(10))))
    bench = Bench(other, bytes_per_job="1GB", bytes_per_day="3GB")
    assert len(bench.requests()) == 3
    assert bench.service.state.budgets["all"].left_out == {"bytes_per_day": 7}


def test_outcomes_are_figures(tmp_path: Path) -> None:
    """By rule and outcome, for Prometheus."""

    def figure(outcome: str) -> float:
        return REGISTRY.get_sample_value("docket_alerts_total", {"rule": "all", "outcome": outcome}) or 0.0

    before = {outcome: figure(outcome) for outcome in ("asked", "joined", "jobs_per_hour")}
    (tmp_path / "eve.json").write_bytes(line(1) + line(1, 1) + line(2) + line(3))
    Bench(tmp_path, jobs_per_hour=2).requests()
    assert {outcome: figure(outcome) - had for outcome, had in before.items()} == {
        "asked": 2,
        "joined": 1,
        "jobs_per_hour": 1,
    }


def test_later_window_of_a_flow_is_a_job_of_its_own(tmp_path: Path) -> None:
    """An alert beyond the window that was asked for asks again."""
    (tmp_path / "eve.json").write_bytes(line(1) + line(1, 119) + line(1, 121))
    first, second = Bench(tmp_path).requests()
    assert first.before_us - first.after_us == 180_000_000
    assert first.id != second.id


def test_file_is_followed_through_rotation_truncation_and_restart(tmp_path: Path) -> None:
    """Every alert once, also those written to the old file while nothing was read."""
    eve, bench = tmp_path / "eve.json", Bench(tmp_path)
    assert bench.requests() == []
    eve.write_bytes(line(1) + line(2)[:40])
    assert len(bench.requests()) == 1
    with eve.open("ab") as file:
        file.write(line(2)[40:])
    assert len(bench.requests()) == 1
    bench.service.run(stopped())
    with eve.open("ab") as file:
        file.write(line(3))
    eve.rename(tmp_path / "eve.json.1")
    eve.write_bytes(line(4))
    bench.restart()
    assert len(bench.requests()) == 2
    eve.write_bytes(b"")
    assert bench.requests() == []
    with eve.open("ab") as file:
        file.write(line(5))
    assert len(bench.requests()) == 1


def stopped() -> Any:
    from threading import Event

    stop = Event()
    stop.set()
    return stop


def test_lines_that_are_no_alerts_are_counted_or_passed_over(tmp_path: Path) -> None:
    """Other events are none of ours; what is no JSON, or has no addresses, is unreadable."""
    lines = [b'{"event_type": "dns"}\n', b"not JSON\n", b"[]\n", b'{"event_type": "alert", "alert": {}}\n', line(1)]
    (tmp_path / "eve.json").write_bytes(b"".join(lines))
    bench = Bench(tmp_path)
    assert len(bench.requests()) == 1
    assert bench.service.state.unreadable == 3


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "9999-12-31T23:59:59+0000"},
        {"timestamp": "0001-01-01T00:00:00+1400"},
        {"timestamp": 5},
        {"src_ip": "fe80::1%eth0"},
        {"src_ip": -1},
        {"proto": {}, "src_port": "x"},
        {"alert": {"signature_id": 1e308}},
        {"alert": {"signature_id": "9" * 5000}},
        {"alert": {"signature_id": 1, "severity": -(2**70)}},
        {"alert": {"signature_id": 1, "signature": "\u202e\x00" * 50_000, "category": "x" * 300_000}},
        {"capture_file": "../../etc/passwd\n" * 1000},
        {"nested": "[" * 100_000},
        {"nested": '{"a":' * 50_000},
    ],
    ids=str,
)
def test_line_that_no_suricata_writes_ends_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    """Whoever can write a line, also over the bus, may have it left out, and the next one is taken."""
    event = json.loads(line(2)) | change
    odd = change["nested"].encode() + b"\n" if "nested" in change else json.dumps(event).encode() + b"\n"
    (tmp_path / "eve.json").write_bytes(odd + line(1))
    bench = Bench(tmp_path)
    asked = bench.requests()
    assert any("40001" in str(request.query) for request in asked), asked
    state = bench.service.state
    assert len(asked) + state.unreadable + state.unmatched == 2


def test_rules_choose_by_signature_severity_category_and_network() -> None:
    """Everything that a rule names must hold."""
    alert = read_alert(line(1, severity=2))
    assert alert is not None
    assert AlertRule(
        name="x", signatures=(2024217,), severity=2, categories=("Trojan",), networks=("10.0.0.0/8",)
    ).takes(alert)
    for rule in (
        AlertRule(name="x", signatures=(1,)),
        AlertRule(name="x", severity=1),
        AlertRule(name="x", categories=("Scan",)),
        AlertRule(name="x", networks=("172.16.0.0/12",)),
    ):
        assert not rule.takes(alert)


def test_sampling_takes_the_same_share_of_flows_each_time(tmp_path: Path) -> None:
    """About half of them, and what was left out is counted."""
    (tmp_path / "eve.json").write_bytes(b"".join(map(line, range(60))))
    bench = Bench(tmp_path, sample=0.5)
    asked = len(bench.requests())
    assert 15 <= asked <= 45
    assert bench.service.state.budgets["all"].left_out == {"sample": 60 - asked}


def test_alerts_come_through_a_unix_socket(tmp_path: Path) -> None:
    """Two connections, one line in pieces."""
    path = tmp_path / "eve.sock"
    bench = Bench(tmp_path, f"unix:{path}")
    assert bench.requests() == []
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        one.connect(str(path))
        two.connect(str(path))
        one.sendall(line(1)[:30])
        two.sendall(line(2))
        found: list[Request] = []

        def have(number: int) -> bool:
            found.extend(bench.requests())
            return len(found) == number

        wait_until(lambda: have(1), "the whole line")
        one.sendall(line(1)[30:])
        wait_until(lambda: have(2), "the other one")
    bench.service.run(stopped())


def test_connections_to_the_socket_are_bounded(tmp_path: Path) -> None:
    """A hundred that say nothing keep the one that comes last from nothing."""
    path = tmp_path / "eve.sock"
    bench = Bench(tmp_path, f"unix:{path}")
    assert bench.requests() == []
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
            assert bench.requests() == []
        last = stack.enter_context(socket.socket(socket.AF_UNIX))
        last.connect(str(path))
        last.sendall(line(1))
        wait_until(lambda: len(bench.requests()) == 1, "the alert")
        assert isinstance(one := bench.service._inputs[f"unix:{path}"], EveSocket)
        assert len(one._open) == MOST_CONNECTIONS
    bench.service.run(stopped())


@pytest.mark.parametrize(
    "said",
    [
        b"*99999999\r\n",
        b"*1\r\n*1\r\n",
        b"$-5\r\n",
        b"$99999999999\r\n",
        b"*1\r\n$x\r\n",
        b":" + b"1" * 100_000,
        b"\r\n",
    ],
)
def test_what_is_no_redis_ends_nothing(tmp_path: Path, said: bytes) -> None:
    """Absurd lengths are an input that cannot be read, and no memory."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        bench = Bench(tmp_path, f"redis://127.0.0.1:{server.getsockname()[1]}/x")

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(said)

        thread = Thread(target=answer)
        thread.start()
        assert bench.requests() == []
        thread.join(10)
        assert bench.service._broken
    bench.service.run(stopped())


def test_long_line_in_redis_is_passed_over(redis: int, tmp_path: Path) -> None:
    """Of a line of eight megabytes only the beginning is taken, and the good one behind it counts."""
    cli = ["redis-cli", "-p", str(redis), "-a", "s:cret", "--no-auth-warning", "-x", "LPUSH", "suricata"]
    for body in (b"x" * 8_000_000, line(1).rstrip()):
        subprocess.run(cli, input=body, check=True, capture_output=True)
    bench = Bench(tmp_path, f"redis://:s%3Acret@127.0.0.1:{redis}/suricata")
    assert (len(bench.requests()), bench.service.state.unreadable) == (1, 1)
    bench.service.run(stopped())


def test_budget_outlives_a_clock_that_was_ahead() -> None:
    """Jobs that were asked for by a clock of next week count for an hour, and not until then."""
    rule, budget = AlertRule(name="all", jobs_per_hour=1), Budget(asked=[10**9 + 7 * 86_400])
    assert budget.allows(rule, 10**9) == "jobs_per_hour"
    assert budget.allows(rule, 10**9 + 3_601) is None


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[int]:
    """A real Redis; its port."""
    program, port = needs.program("redis-server", "redis-server"), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    child = subprocess.Popen([*command, "--requirepass", "s:cret"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_open(port), "Redis to listen")
        yield port
    finally:
        child.terminate()
        child.wait(10)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_alerts_come_from_a_list_in_redis(redis: int, tmp_path: Path) -> None:
    """As Suricata pushes them: the oldest first, and none twice."""
    cli = ["redis-cli", "-p", str(redis), "-a", "s:cret", "--no-auth-warning", "-x", "LPUSH", "suricata"]
    for number in (1, 2, 3):
        subprocess.run(cli, input=line(number).rstrip(), check=True, capture_output=True)
    bench = Bench(tmp_path, f"redis://:s%3Acret@127.0.0.1:{redis}/suricata")
    assert [request.query.split()[2] for request in bench.requests()] == [f"10.1.2.3:4000{n}" for n in (1, 2, 3)]
    assert bench.requests() == []
    bench.service.run(stopped())


def test_alerts_come_from_the_bus(tmp_path: Path) -> None:
    """With the routing key `alert`; acknowledged once it is noted, and given back where no job could be asked for."""
    bench = Bench(tmp_path, "bus:")
    assert bench.requests() == []
    publisher = bench.broker.publisher("an IDS")
    for number in (1, 2):
        publisher.publish(JOBS, "alert", line(number), mandatory=True)
    assert len(bench.requests()) == 2
    assert bench.broker.depth(ALERTS_QUEUE).messages == 0
    publisher.publish(JOBS, "alert", line(3))
    bench.refuse()
    bench.service.step(stopped())
    bench.service.run(stopped())
    bench.restart()
    assert [request.query.split()[2] for request in bench.requests()] == ["10.1.2.3:40003"]


def test_rules_are_read_strictly(tmp_path: Path) -> None:
    """A key that is none, or a time that is none, is a fault with the file's name."""
    path = tmp_path / "alerts.yaml"
    path.write_text(
        "inputs: [/var/log/suricata/eve.json]\nrules: [{name: grave, severity: 1, networks: [10.0.0.0/8]}]\n"
    )
    assert read_rules(path).rules[0].severity == 1
    for wrong in (
        "rules: [{name: a, severty: 1}]",
        "rules: [{name: a, before: soon}]",
        "rules: [{name: a, networks: [x]}]",
    ):
        path.write_text(f"inputs: [a]\n{wrong}\n")
        with pytest.raises(ConfigError, match=r"alerts\.yaml"):
            read_rules(path)


def test_state_is_json(tmp_path: Path) -> None:
    """For those who want to look at what was left out."""
    (tmp_path / "eve.json").write_bytes(line(1))
    Bench(tmp_path).requests()
    assert msgspec.json.decode((tmp_path / "state.json").read_bytes())["seen"] == 1
