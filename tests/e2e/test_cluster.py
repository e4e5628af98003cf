"""A cluster of three real RabbitMQ: a node is killed in mid-job, and the job ends with the same packets.

`make cluster` does it twenty times; BLOWS=… says how often.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.e2e.test_kills import PACKETS, START_US, STEP_US, Held
from tests.faults.certificates import Authority
from tests.faults.halfway import Authenticator
from tests.faults.packets import udp
from tests.faults.stand_in import StandIn
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor
from tests.services.waiting import wait_until

BLOWS = int(os.environ.get("BLOWS", "2"))

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(120 + 90 * BLOWS)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Broker]]:
    """Three nodes; the first one answers for the others' port mapper."""
    with ExitStack() as running:
        nodes: list[Broker] = []
        for number in range(3):
            node = Broker(tmp_path_factory.mktemp(f"node{number}"), peer=nodes[0] if nodes else None)
            running.callback(node.close)
            node.start()
            if nodes:
                node.join()
            nodes.append(node)
        yield nodes


def url_of(nodes: list[Broker]) -> str:
    """One address with all nodes, as it stands in docket.yaml."""
    parts = urlsplit(nodes[0].url())
    login = parts.netloc.rpartition("@")[0]
    hosts = ",".join(urlsplit(node.url()).netloc.rpartition("@")[2] for node in nodes)
    return urlunsplit(parts._replace(netloc=f"{login}@{hosts}"))


def test_a_node_killed_in_mid_job_costs_nothing(tmp_path: Path, cluster: list[Broker]) -> None:
    """Each node in its turn, also the one that holds the fragments; it comes back after the job was hurt."""
    packets = [udp(START_US + number * STEP_US, size=60 + number % 900) for number in range(2 * PACKETS)]
    authority = Authority(tmp_path / "ca")
    client = authority.issue("client")
    gate = Authenticator()
    with ExitStack() as running:
        sources = []
        for number in (1, 2):
            stand_in = StandIn(packets[number - 1 :: 2], authority, script=gate.script(f"em{number}"))
            running.enter_context(stand_in)
            entry = {"name": f"rock01:em{number}", "kind": "stenographer", "url": stand_in.url, "flush_lag": "0s"}
            files = {"cert": client.cert, "key": client.key, "ca": authority.ca.cert}
            sources.append(entry | {name: str(path) for name, path in files.items()})
        running.callback(gate.opened.set)
        sensor = Sensor(tmp_path, url_of(cluster), sources)
        running.callback(sensor.stop)
        sensor.start_all()
        held = Held(sensor, gate, packets)
        for blow in range(BLOWS):
            gate.close()
            try:
                job_id = held.ask(longer_us=blow)
                node = cluster[blow % len(cluster)]
                node.kill()
                node.start()
                held.finish(job_id)
            except TimeoutError as error:
                raise AssertionError(f"blow {blow}\n{sensor.logs()}") from error
            wait_until(lambda: len(sensor.online()) == 2, "both sources are online again", timeout_s=60.0)
