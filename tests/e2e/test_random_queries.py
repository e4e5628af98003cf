"""A thousand random questions over random windows, through everything: each answer is the truth, to the packet.

The sample traffic stands on the disks of two real stenographers twice, an hour apart, so windows may cross quiet
stretches and the edges of slices. What is meant is decided by `tests.domain.query.random_queries`, not by Docket.
"""

import heapq
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from docket.domain.timewindow import US_PER_S, format_us
from tests.domain.query.query_meaning import Facts, dissect
from tests.domain.query.random_queries import RandomQuery, random_query
from tests.domain.query.whole_queries import whole_query
from tests.services import traffic
from tests.services.chance import seed_from_environment
from tests.services.rabbitmq import Broker
from tests.services.recording import Recording, shifted
from tests.services.sensor import Sensor, stenographer_source
from tests.services.stenographer import StoredStenographer
from tests.services.truth import Packet, packets_of
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer, pytest.mark.timeout(400)]

QUESTIONS = 1_000
AT_ONCE = 8
SHIFTS_US = [-hours * 3600 * US_PER_S for hours in (0, 1)]
"""How much earlier each copy of the traffic lies."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A packet on a sensor's disk."""

    packet: Packet
    facts: Facts


@dataclass(frozen=True, slots=True)
class Question:
    """One question; its window includes the first instant and not the last."""

    query: RandomQuery
    after_us: int
    before_us: int

    def truth(self, sources: list[list[Stored]]) -> list[Packet]:
        """All packets that are meant, in the order of time; of two at the same time em1's first."""
        found = [
            [
                stored.packet
                for stored in packets
                if self.after_us <= stored.packet.time_us < self.before_us and self.query.means(stored.facts)
            ]
            for packets in sources
        ]
        return list(heapq.merge(*found, key=lambda packet: packet.time_us))

    def __str__(self) -> str:
        return f"{self.query.text!r} from {format_us(self.after_us)} to {format_us(self.before_us)}"


@dataclass(frozen=True, slots=True)
class Ground:
    """A running Docket, and all that is on its sources' disks, by source, in the order of time."""

    sensor: Sensor
    sources: list[list[Stored]]
    begins_us: list[list[int]]
    """When the recorder began each copy, by source, the newest first."""


@pytest.fixture(scope="module")
def ground(
    tmp_path_factory: pytest.TempPathFactory,
    broker: Broker,
    recordings: dict[str, Recording],
    steno_directory: Path,
) -> Iterator[Ground]:
    """Both interfaces with three copies of the sample, and Docket over them."""
    directory = tmp_path_factory.mktemp("random")
    broker.add_vhost(directory.name)
    with ExitStack() as running:
        running.callback(broker.drop_vhost, directory.name)
        entries, sources, begins_us = [], [], []
        for name, recording in recordings.items():
            place = steno_directory / f"random-{name}"
            copies = [shifted(file, by_us, place) for file in recording.files for by_us in SHIFTS_US]
            server = StoredStenographer(place / "server", copies)
            running.callback(server.close)
            server.start()
            entries.append(stenographer_source(f"rock01:{name}", server, queries_at_once=AT_ONCE))
            sources.append(_on_disk(recording))
            begins_us.append([min(file.start_us for file in recording.files) + by_us for by_us in SHIFTS_US])
        sensor = Sensor(directory, broker.url(directory.name), entries)
        running.callback(sensor.stop)
        sensor.start_all()
        yield Ground(sensor, sources, begins_us)


def _on_disk(recording: Recording) -> list[Stored]:
    assert recording.truth is not None
    recorded = [(packet, dissect(packet.frame)) for packet in packets_of(recording.truth)]
    stored = [
        Stored(Packet(packet.time_us + by_us, packet.frame), facts) for by_us in SHIFTS_US for packet, facts in recorded
    ]
    return sorted(stored, key=lambda one: one.packet.time_us)


def some_questions(chance: random.Random, sources: list[list[Stored]]) -> list[Question]:
    """Half of all edges lie at a packet, or a microsecond beside it; no question stands twice."""
    times_us = sorted(stored.packet.time_us for packets in sources for stored in packets)
    asked: dict[str, Question] = {}
    while len(asked) < QUESTIONS:
        edges = {_edge(chance, times_us), _edge(chance, times_us)}
        if len(edges) == 2:
            # Every other one says what stenographer's indexes do not hold.
            query = (random_query if len(asked) % 2 else whole_query)(chance)
            question = Question(query, min(edges), max(edges))
            asked[str(question)] = question
    return list(asked.values())


def _edge(chance: random.Random, times_us: list[int]) -> int:
    if chance.random() < 0.5:
        return chance.choice(times_us) + chance.choice((-1, 0, 0, 1))
    time_us = chance.choice(times_us)
    return max(time_us + chance.randrange(-2 * US_PER_S, 2 * US_PER_S), times_us[0])


def due_state(question: Question, begins_us: list[list[int]]) -> str:
    """Between the copies of the sample nothing was recorded, and a window that reaches into that has a gap.

    The first packet of a copy comes at once after its file was begun, and the last within a minute, while the
    recorder begins a file every five: only behind those is it missed.
    """
    missed = any(
        question.after_us < newer and question.before_us > older + 360 * US_PER_S for newer, older in begins_us
    )
    return "partial" if missed else "completed"


def test_every_answer_is_the_truth(ground: Ground) -> None:
    """Many at once, and each holds exactly the packets that are meant, both edges included."""
    seed = seed_from_environment()
    sensor, sources = ground.sensor, ground.sources
    questions = some_questions(random.Random(seed), sources)
    with ThreadPoolExecutor(AT_ONCE) as hands:
        ids = list(hands.map(lambda question: ask(sensor, question), questions))
        wait_until(lambda: unfinished(sensor) == 0, "all jobs to be final", timeout_s=200.0, step_s=0.2)
        answers = list(hands.map(lambda job_id: answer(sensor, job_id), ids))
    expected = [question.truth(sources) for question in questions]
    wrong = [
        f"{question}: {state}, {len(got)} packets, not {len(truth)}: {sentences}"
        for question, (state, got, sentences), truth in zip(questions, answers, expected, strict=True)
        if state != due_state(question, ground.begins_us) or got != truth
    ]
    assert not wrong, "\n".join((f"seed {seed}", *wrong[:10], sensor.logs()))
    assert sum(bool(truth) for truth in expected) > QUESTIONS // 4


@pytest.mark.parametrize(
    ("text", "asked", "kept"),
    [
        ("net 10.0.0.0/8 and not port 443", "and net 10.0.0.0/8", "not port 443"),
        (f"src host {traffic.ALICE}", f"and host {traffic.ALICE}", f"src host {traffic.ALICE}"),
        (f"inner host {traffic.TUNNEL_INNER_HOSTS[0]}", "Z", f"inner host {traffic.TUNNEL_INNER_HOSTS[0]}"),
        (
            f"port 4789 and inner host {traffic.TUNNEL_INNER_HOSTS[0]}",
            "and port 4789",
            f"inner host {traffic.TUNNEL_INNER_HOSTS[0]}",
        ),
        (
            f"proto gre and inner icmp and inner host {traffic.TUNNEL_INNER_HOSTS[1]}",
            "and ip proto 47",
            f"inner host {traffic.TUNNEL_INNER_HOSTS[1]} and inner icmp",
        ),
    ],
)
def test_what_is_asked_and_kept_is_shown(ground: Ground, text: str, asked: str, kept: str) -> None:
    """The job says what each stenographer was given and what was kept of its answer; the result is exact."""
    sensor, sources = ground.sensor, ground.sources
    found = [match_made(dissect(stored.packet.frame), text) for packets in sources for stored in packets]
    times = [stored.packet.time_us for packets in sources for stored in packets]
    job_id = str(sensor.ask(text, format_us(min(times)), format_us(max(times) + 1))["id"])
    wait_until(lambda: sensor.job(job_id)["state"] not in ("queued", "running"), "the job to end", timeout_s=60.0)
    job = sensor.job(job_id)
    # Between the copies of the sample nothing was recorded, and that is said.
    assert {source["verdict"] for source in job["sources"]} == {"gap"}
    assert job["packets"] == sum(found) > 0
    for source in job["sources"]:
        assert source["sent"].endswith(asked)
        assert source["kept"] == kept
        assert source["received"] >= source["packets"] + source["trimmed"]


def match_made(facts: Facts, text: str) -> bool:
    """What the fixed questions mean, word by word."""
    return all(_holds(facts, part) for part in text.split(" and "))


def _holds(facts: Facts, part: str) -> bool:
    inner = facts.inner
    match part.split():
        case ["net", network]:
            wanted = ip_network(network)
            return any(one.version == wanted.version and one in wanted for one in facts.addresses)
        case ["not", *rest]:
            return not _holds(facts, " ".join(rest))
        case ["port", number]:
            return int(number) in facts.ports
        case ["proto", "gre"]:
            return facts.protocol == 47
        case ["src", "host", host]:
            return str(facts.source) == host
        case ["inner", "icmp"]:
            return inner is not None and inner.protocol == 1
        case ["inner", "host", host]:
            return inner is not None and ip_address(host) in inner.addresses
        case _:
            raise ValueError(part)


def ask(sensor: Sensor, question: Question) -> str:
    """Ask; gives the job's id."""
    # Seconds of traffic in a window of an hour make a guess of the size that may be far too high: insist.
    edges = (format_us(question.after_us), format_us(question.before_us))
    job = sensor.ask(question.query.text, *edges, force=True)
    return str(job["id"])


def unfinished(sensor: Sensor) -> int:
    """How many jobs are not final yet."""
    response = sensor.http.get(f"{sensor.url}api/v1/jobs?state=queued,running&limit=1", timeout=60)
    assert response.status_code == 200, response.text
    return int(response.json()["total"])


def answer(sensor: Sensor, job_id: str) -> tuple[str, list[Packet], str]:
    """The state of a job, the packets of its result, and what its sources say."""
    job = sensor.job(job_id)
    sentences = " ".join(f"{source['name']} is {source['verdict']}: {source['sentence']}" for source in job["sources"])
    return str(job["state"]), [] if job["pcap"] is None else packets_of(sensor.pcap(job_id)), sentences
