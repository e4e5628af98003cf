"""Ask every faulty source of `cases` in one running Docket, and see what it makes of each. For `table`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from docket.domain.timewindow import format_us
from tests.faults.cases import (
    AFTER_US,
    BEFORE_US,
    DEADLINE_S,
    GOOD,
    GOOD_PACKETS,
    PACKETS,
    Case,
    cases,
    wanted,
)
from tests.faults.certificates import Authority
from tests.faults.outcome import Outcome, honest, packets_in, seconds
from tests.faults.packets import Packet
from tests.faults.stand_in import StandIn
from tests.services.ports import free_port
from tests.services.sensor import Sensor
from tests.services.waiting import wait_until

PATIENCE_S = 3
"""How long a source that cannot be reached is tried."""


def ask_all(place: Path, bus_url: str) -> Iterator[Outcome]:
    """Run a Docket with a source per case, ask all of them at once, and give their outcomes."""
    rock = Authority(place / "rock")
    table = cases(place, rock)
    client = rock.issue("client")
    settings = {"kind": "stenographer", "cert": str(client.cert), "key": str(client.key), "ca": str(rock.ca.cert)}
    settings["flush_lag"] = "0s"
    with ExitStack() as running:
        server = rock.issue("127.0.0.1")
        good = running.enter_context(StandIn(GOOD_PACKETS, rock, server))
        sources: list[dict[str, Any]] = [settings | {"name": GOOD, "url": good.url, "queries_at_once": 8}]
        stand_ins = {}
        for number, case in enumerate(table):
            steno = stand_ins[_name(number)] = _stand_in(case, rock, server)
            if not case.starts_late:
                running.enter_context(steno)
            sources.append(settings | {"name": _name(number), "url": steno.url} | case.source)
        sensor = Sensor(place, bus_url, sources, jobs={"patience": f"{PATIENCE_S}s"})
        running.callback(sensor.stop)
        online = [GOOD, *(_name(number) for number, case in enumerate(table) if case.worker)]
        sensor.start("collector", f"worker:{','.join(online)}", "web")
        sensor.wait_ready(sources=online)
        # What its deadline will overtake comes last, so that the machine is quiet then.
        for in_time in (True, False):
            asked = {}
            for number, case in enumerate(table):
                if ("deadline_s" not in case.ask) is in_time:
                    asked[number] = _ask(sensor, _name(number), case)
                    if case.starts_late:
                        running.enter_context(stand_ins[_name(number)])
                    if case.cancel:
                        _cancel(sensor, stand_ins[_name(number)], asked[number])
            for number, job_id in asked.items():
                yield _judge(sensor, _name(number), table[number], job_id)


def _name(number: int) -> str:
    return f"case{number:02}:em1"


def _stand_in(case: Case, rock: Authority, server: Any) -> StandIn:
    steno = StandIn(PACKETS, rock, server, case.script)
    for attribute, value in case.steno.items():
        setattr(steno, attribute, value)
    if case.starts_late:
        steno.port = free_port()
    if case.prepare is not None:
        case.prepare(steno)
    return steno


def _ask(sensor: Sensor, name: str, case: Case) -> str:
    question: dict[str, Any] = {
        "query": "port 53",
        "after": format_us(AFTER_US),
        "before": format_us(BEFORE_US),
        "sources": [name] if case.alone else [GOOD, name],
        "deadline_s": DEADLINE_S,
        "fresh": True,
    }
    job_id: str = sensor.ask(**(question | case.ask))["id"]
    return job_id


def _cancel(sensor: Sensor, steno: StandIn, job_id: str) -> None:
    """Cancel once the source is being read and the good one has answered."""
    done = ("complete", "empty")
    wait_until(lambda: steno.open_queries == 1, "the source to be read")
    wait_until(lambda: sensor.job(job_id)["sources"][0]["verdict"] in done, "the good source to be read", 30.0)
    response = sensor.http.post(f"{sensor.url}api/v1/jobs/{job_id}/cancel", json={}, timeout=10)
    response.raise_for_status()


def _judge(sensor: Sensor, name: str, case: Case, job_id: str) -> Outcome:
    job = sensor.wait(job_id, timeout_s=DEADLINE_S + 30.0)
    got = packets_in(sensor, job)
    answer = next(source for source in job["sources"] if source["name"] == name)
    wrong = honest(sensor, job, got, seconds(job))
    if (answer["verdict"], job["state"]) != (case.verdict, case.state):
        wrong.append(f"{answer['verdict']} and {job['state']}, not {case.verdict} and {case.state}")
    if case.words not in answer["sentence"]:
        wrong.append(f"the sentence does not say {case.words!r}")
    wrong += _packet_faults(case, got)
    return Outcome(case.fault, answer["verdict"], job["state"], answer["sentence"], seconds(job), tuple(wrong))


def _packet_faults(case: Case, got: Sequence[Packet]) -> list[str]:
    """What is wrong with the packets: those of the good source must all be there, of the other the right ones."""
    companion = wanted(GOOD_PACKETS) if not case.alone and case.ask.get("query") != "port 7777" else []
    known = set(companion)
    wrong = []
    if [packet for packet in got if packet in known] != companion:
        wrong.append("packets of the good source are missing or double")
    fault = case.due.fault([packet for packet in got if packet not in known])
    return [*wrong, fault] if fault else wrong
