"""What must be true after chaos: of every job, of the spool, of the bus. For `run`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from docket.bus.topology import DEAD_QUEUE
from docket.domain.job import CLOSING, FULL, Event, EventName, Job, State
from docket.spool.ledger_reader import LedgerReader
from docket.spool.verification import verify_directory
from tests.chaos.questions import Question, traffic
from tests.domain.history import fold
from tests.faults.packets import Packet
from tests.services.amqp_client import connect
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor
from tests.services.truth import packets_of
from tests.services.waiting import wait_until

SETTLE_S = 120.0
"""The inspector has every result still to look into, one after the other, a second each."""
INSPECTED = (State.COMPLETED, State.PARTIAL)


def inspect(sensor: Sensor, broker: Broker, vhost: str, asked: Sequence[Question], wrong: list[str]) -> None:
    """Add to `wrong` all that is not as it must be. The services must be running."""
    ledger = LedgerReader(sensor.spool / "ledger.sqlite3")
    try:
        packets = traffic()
        known = {question.id for question in asked}
        jobs = {job.id: job for job in ledger.jobs(limit=1000).jobs}
        _await_summaries(sensor, jobs.values())
        wrong += _left_behind(broker, vhost)
        wrong += [f"job {job_id} was never asked for" for job_id in jobs.keys() - known]
        for question in asked:
            job = jobs.get(question.id)
            if job is None:
                wrong.append(f"job {question.id} is not in the ledger")
                continue
            faults = _history_faults(ledger.events(job.id), job)
            faults += _result_faults(sensor, job, question.truth(packets))
            faults += _file_faults(sensor.spool / "jobs" / job.id, job)
            wrong += [f"job {job.id}, {job.state.value}: {fault}" for fault in faults]
        wrong += _orphans(sensor, known)
        wrong += _crashes(sensor)
    finally:
        ledger.close()


def _await_summaries(sensor: Sensor, jobs: Iterable[Job]) -> None:
    """Let the inspector come to its end. The depth of its queue cannot tell: it may be that of a moment ago."""
    summaries = [sensor.spool / "jobs" / job.id / "summary.json" for job in jobs if job.state in INSPECTED]
    with suppress(TimeoutError):  # which ones are missing is told job by job
        wait_until(lambda: all(path.exists() for path in summaries), "all results to be inspected", SETTLE_S)


def _history_faults(events: Sequence[Event], job: Job) -> list[str]:
    """One final state per revision, and the record is the fold of its history."""
    wrong = []
    closings = [event.name for event in events if event.name in CLOSING.values()]
    openings = [event for event in events if event.name is EventName.STARTED and event.revision is not None]
    if len(closings) != 1 + len(openings) or len(openings) != job.revision - 1:
        wrong.append(f"closed {len(closings)} times in {job.revision} revisions: {' '.join(closings)}")
    if any(event.user for event in openings):
        wrong.append("somebody asked for a retry")
    if [event.name for event in events].count(EventName.REQUESTED) != 1:
        wrong.append("it was not opened exactly once")
    if fold(events) != job:
        wrong.append("its record differs from its history")
    return wrong


def _result_faults(sensor: Sensor, job: Job, truth: list[Packet]) -> list[str]:
    """The packets, their digest, and an honest word about what is missing."""
    wrong = []
    short = [answer for answer in job.sources if answer.verdict not in FULL]
    content = sensor.pcap(job.id) if job.pcap is not None else b""
    got = [Packet(packet.time_us, packet.frame) for packet in packets_of(content)] if content else []
    if job.pcap is not None and hashlib.sha256(content).hexdigest() != job.pcap.sha256:
        wrong.append("the result's SHA-256 is another one")
    if job.pcap is not None and job.packets != len(got):
        wrong.append(f"it says {job.packets} packets and has {len(got)}")
    if job.state is State.COMPLETED and (short or got != truth):
        wrong.append(f"{len(got)} packets, not the {len(truth)} right ones; {len(short)} sources fell short")
    # Who cancels after the last source has ended, while it is merged, gets the whole result or none.
    ended_before = job.state is State.CANCELLED and (job.pcap is None or got == truth)
    if job.state is not State.COMPLETED and not short and not ended_before:
        wrong.append("no source fell short")
    wrong += [f"{answer.name} fell short without a sentence" for answer in short if not answer.sentence]
    if max(Counter(got).values(), default=1) > 1 or not set(got) <= set(truth):
        wrong.append("a packet is double, or not a right one")
    whole = {answer.name for answer in job.sources if answer.verdict in FULL}
    if job.pcap is not None:
        wrong += _whole_sources(got, truth, job, whole)
    return wrong


def _whole_sources(got: Sequence[Packet], truth: Sequence[Packet], job: Job, whole: set[str]) -> list[str]:
    """Of a source that was read whole all packets are in the result, also where others fell short."""
    counts = {answer.name: answer.packets for answer in job.sources}
    owner = {packet: name for name, packets in traffic().items() for packet in packets}
    given = Counter(owner[packet] for packet in got if packet in owner)
    wanted = Counter(owner[packet] for packet in truth)
    wrong = [f"{name} is whole with {given[name]} of {wanted[name]}" for name in whole if given[name] != wanted[name]]
    return wrong + [
        f"{name} says {count} and gave {given[name]}" for name, count in counts.items() if count != given[name]
    ]


def _file_faults(directory: Path, job: Job) -> list[str]:
    """A finished job keeps result, signed manifest, what the inspector found, and parts where a retry may want them."""
    expected = {"job.pcap", "job.json", "job.json.sig"} if job.pcap is not None else set()
    if job.pcap is not None and len(job.sources) > 1:
        expected.add("job.pcap.sources")
    if job.pcap is not None and job.state in (State.PARTIAL, State.CANCELLED):
        expected.add("parts")
    if job.state in INSPECTED:
        expected |= {"summary.json", "index"}
    found = {path.name for path in directory.iterdir()} if directory.exists() else set()
    wrong = []
    if found != expected:
        wrong.append(f"its files are {' '.join(sorted(found)) or 'none'}, not {' '.join(sorted(expected)) or 'none'}")
    elif job.pcap is not None:
        verification = verify_directory(directory)
        wrong += [f"not verified: {check.what}" for check in verification.checks if not check.ok]
        result = verification.manifest.result
        if result is None or (verification.manifest.state, result.sha256) != (job.state, job.pcap.sha256):
            wrong.append("its manifest tells of another result")
    return wrong


def _orphans(sensor: Sensor, known: set[str]) -> list[str]:
    """Nothing in the spool belongs to nobody."""
    trash = sensor.spool / "trash"
    wrong = [f"{path} belongs to no job" for path in (sensor.spool / "jobs").iterdir() if path.name not in known]
    try:
        wait_until(lambda: not trash.exists() or not any(trash.iterdir()), "the trash to be empty", SETTLE_S)
    except TimeoutError as error:
        wrong.append(str(error))
    return wrong


def _left_behind(broker: Broker, vhost: str) -> list[str]:
    """No message waits in any queue, that of dead letters among them."""

    def waiting() -> dict[str, int]:
        return {name: depth for name, depth in broker.queue_depths(vhost).items() if depth}

    try:
        wait_until(lambda: not waiting(), "all queues to be empty", SETTLE_S)
    except TimeoutError:
        return [f"{depth} messages are left in {name}" for name, depth in waiting().items()] + _burials(broker, vhost)
    return []


def _burials(broker: Broker, vhost: str) -> list[str]:
    """Why what lies in the queue of dead letters lies there."""
    connection = connect(broker.url(vhost))
    channel = connection.channel()
    reasons = []
    while (message := channel.basic_get(DEAD_QUEUE, no_ack=True)) is not None:
        reasons.append(f"buried: {message.headers}: {message.body[:300]!r}")
    connection.close()
    return reasons


def _crashes(sensor: Sensor) -> list[str]:
    """No service may have met an error that it did not know."""
    return [
        f"{log.name}: {line}"
        for log in sensor.directory.glob("*.log")
        for line in log.read_text().splitlines()
        if "Traceback" in line or " CRITICAL " in line
    ]
