"""Random refinements, one thing or several at once, and of refinements: what the original programs keep of the file.

REFINEMENTS=500 asks for as many; SEED=… begins elsewhere. Each that fails is named by the seed of its result.
"""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from docket.domain.job import Job, State, Verdict
from docket.domain.timewindow import format_us, parse_time_us
from tests.packet.levels import Packet
from tests.packet.linked import packets as made_packets
from tests.refinements.captures import LONGEST_US, START_US, Recorded, Recording, Result, random_result
from tests.refinements.choices import random_order
from tests.refinements.oracle import Downloaded, Truth, difference, same, truth
from tests.refinements.tools import read
from tests.services.chance import seed_from_environment
from tests.services.needs import program
from tests.web.conftest import em1, em2, site
from tests.web.docket_site import Site
from tests.web.handlers.test_packets import inspector, refined
from tests.web.scripted import ScriptedWorker

__all__ = ["em1", "em2", "inspector", "site"]

REFINEMENTS = int(os.environ.get("REFINEMENTS", "25"))
FIRST_SEED = seed_from_environment() if "REFINEMENTS" in os.environ else 7_000
OF_ONE_RESULT = 10
PACKETS = 300


@pytest.mark.timeout(0)
@pytest.mark.usefixtures("inspector")
def test_refinements_are_what_the_programs_keep(
    site: Site, em1: ScriptedWorker, em2: ScriptedWorker, tmp_path: Path
) -> None:
    """Every one is equal to the packet, its time, its lengths, its order and its source."""
    program("editcap", "wireshark-common")
    program("tcpdump", "tcpdump")
    wrong = []
    for begin in range(0, REFINEMENTS, OF_ONE_RESULT):
        seed = FIRST_SEED + begin
        count = min(OF_ONE_RESULT, REFINEMENTS - begin)
        wrong += [f"seed {seed}: {fault}" for fault in _of_one(site, (em1, em2), seed, count, tmp_path / str(seed))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("inspector")
def test_each_source_keeps_its_resolution(site: Site, em1: ScriptedWorker, em2: ScriptedWorker, tmp_path: Path) -> None:
    """Microseconds of one source beside nanoseconds of another are the same times in a refinement."""
    packet = made_packets(1, 1, seed=1)[0]
    times_ns = [START_US * 1_000 + 250_001_000, START_US * 1_000 + 250_002_003]
    recordings = tuple(
        Recording(linktype, exact, [Recorded(time_ns, packet.data[start:], len(packet.data) - start, packet)])
        for time_ns, exact, linktype, start in ((times_ns[0], False, 1, 0), (times_ns[1], True, 101, 14))
    )
    job = _answered(site, (em1, em2), Result(recordings, is_cut=False))
    child = refined(site, job, query="greater 1")
    assert [one.time_ns for one in read(_saved(site, child, "pcapng", tmp_path))] == times_ns


@pytest.mark.usefixtures("inspector")
def test_a_packet_that_comes_again_and_again_is_one(site: Site, em1: ScriptedWorker) -> None:
    """Each within the time of the one before: the first alone stays, as editcap leaves it."""
    with_steps = [Recorded((START_US + 8_000 * place) * 1_000, bytes(60), 60, Packet(bytes(60))) for place in range(20)]
    job = _answered(site, (em1,), Result((Recording(1, False, with_steps),), is_cut=False))
    assert refined(site, job, drop_duplicates_ms=10).packets == 1
    assert refined(site, job, drop_duplicates_ms=7).packets == 20


def _of_one(site: Site, workers: tuple[ScriptedWorker, ...], seed: int, count: int, work: Path) -> list[str]:
    """What is wrong with so many refinements of one random result, and of its refinements."""
    chance, made = random.Random(seed), random_result(seed, PACKETS)
    work.mkdir()
    parents = [(_answered(site, workers, made), made.is_cut)]
    packets = {
        (workers[place].name, one.time_ns // 1_000): one.packet
        for place, recording in enumerate(made.recordings)
        for one in recording.packets
    }
    faults = []
    for number in range(count):
        parent, is_cut = chance.choice(parents)
        result = Downloaded(_saved(site, parent, "pcap", work), read(_saved(site, parent, "pcapng", work)), packets)
        present = tuple(dict.fromkeys(one.interface for one in result.frames))
        span = (parse_time_us(parent.after, None), parse_time_us(parent.before, None))
        order = random_order(chance, present, is_cut=is_cut, span=span)
        wanted = truth(result, order, work)
        child, fault = _refined(site, parent, order, wanted, work)
        if fault:
            faults.append(f"refinement {number}, {_shown(order)}, of {len(result.frames)} packets: {fault}")
        if child is not None and child.state is State.COMPLETED and child.packets:
            parents.append((child, is_cut or "snaplen" in order))
    return faults


def _answered(site: Site, workers: tuple[ScriptedWorker, ...], made: Result) -> Job:
    """A completed job with what the sources recorded."""
    asked = workers[: len(made.recordings)]
    window = {"after": format_us(START_US), "before": format_us(START_US + LONGEST_US)}
    job = site.ask(sources=[worker.name for worker in asked], fresh=True, **window)
    for worker, recording in zip(asked, made.recordings, strict=True):
        with worker.reading() as reading:
            times = [one.time_ns // 1_000 for one in recording.packets]
            if times:
                reading.records(
                    recording.records, times, linktype=recording.linktype, nanoseconds=recording.nanoseconds
                )
            reading.end(Verdict.COMPLETE if times else Verdict.EMPTY)
    done = site.final(job.id)
    assert done.packets == sum(len(one.packets) for one in made.recordings)
    return done


def _refined(site: Site, parent: Job, order: dict[str, Any], wanted: Truth, work: Path) -> tuple[Job | None, str]:
    """The new job, and what is wrong with it."""
    answer = site.call("POST", f"api/v1/jobs/{parent.id}/refine", json=_body(order))
    if wanted.refused or answer.status_code == 400:
        return None, "" if wanted.refused and answer.status_code == 400 else f"answered {answer.text}"
    child = site.final(answer.json()["id"])
    found = read(_saved(site, child, "pcapng", work)) if child.pcap is not None else []
    verdict = child.sources[0].verdict
    expected = Verdict.LIMITED if wanted.is_full else Verdict.COMPLETE if wanted.frames else Verdict.EMPTY
    if not same(found, wanted.frames):
        fault = f"{len(found)} packets, not these {len(wanted.frames)}; {difference(found, wanted.frames)}"
        return child, f"{fault}: {child.sources[0].sentence}"
    return child, "" if verdict is expected else f"{verdict}, not {expected}: {child.sources[0].sentence}"


def _body(order: dict[str, Any]) -> dict[str, Any]:
    body = {name: value for name, value in order.items() if name not in ("question", "window", "packets")}
    if "question" in order:
        body["query"] = order["question"].text
    if "packets" in order:
        body["limits"] = {"packets": order["packets"]}
    return body | {name: format_us(value) for name, value in order.get("window", {}).items()}


def _saved(site: Site, job: Job, form: str, work: Path) -> Path:
    path = work / f"{job.id}.{form}"
    answer = site.call("GET", f"api/v1/jobs/{job.id}/{form}")
    assert answer.status_code == 200, answer.text
    path.write_bytes(answer.content)
    return path


def _shown(order: dict[str, Any]) -> str:
    return str({name: getattr(value, "text", value) for name, value in order.items()})
