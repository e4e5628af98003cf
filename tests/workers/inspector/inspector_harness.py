"""An inspector at work in this process, and finished results for it. For tests and measurements."""

import hashlib
import os
import socket
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.messages import encode
from docket.bus.topology import EVENTS
from docket.config.model import Config, SpoolConfig
from docket.domain.event import EventMessage
from docket.domain.job import Event, EventName, Job, PcapFile, SourceAnswer, State, Verdict
from docket.domain.request import Request
from docket.domain.timewindow import format_us
from docket.packet.pcap import FILE_HEADER_BYTES, file_header, parse_file_header, scan
from docket.spool.layout import Spool
from docket.spool.ledger_writer import Entries, Ledger
from docket.spool.manifest import make_manifest
from docket.workers.inspector.rpc_messages import AnswerHeader, Question
from docket.workers.inspector.service import Inspector
from docket.workers.inspector.tshark.summary import Summary, read_summary
from tests.services.waiting import wait_until
from tests.web.docket_site import Thread

SOURCE = "rock01:em1"
AT = "2026-11-24T04:00:00.000000Z"


def merged(*captures: bytes) -> bytes:
    """One capture with the packets of all, in the order of time."""
    records: list[tuple[int, bytes]] = []
    for capture in captures:
        timestamps, offsets, _ = scan(capture, FILE_HEADER_BYTES)
        records += [(time, capture[offsets[place] : offsets[place + 1]]) for place, time in enumerate(timestamps)]
    records.sort(key=lambda record: record[0])
    return file_header(parse_file_header(captures[0]).linktype) + b"".join(record for _, record in records)


class Office:
    """A spool with an inspector; `place` brings a finished job, `ask` is a client at the counter."""

    def __init__(self, folder: Path) -> None:
        self.config = Config(sources=(), bus="memory://", spool=SpoolConfig(path=folder / "spool"))
        self.spool = Spool(self.config.spool.path)
        self.spool.create()
        self.ledger = Ledger(self.spool.ledger)
        self.broker = MemoryBroker()
        self.broker.declare([])
        self.events = self.broker.receiver("test", [], prefetch=1, listen=["job.inspected"])
        self._stop = threading.Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        inspector = Inspector(self.config, self.broker)
        self._thread = Thread("inspector", lambda: inspector.run(self._stop))
        wait_until(self.spool.counter.exists, "the counter")

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def close(self) -> None:
        self.stop()
        self.ledger.close()
        self.broker.close()

    def place(self, capture: bytes | Path, *, sound: bool = True) -> Job:
        """A completed job with this result, in the spool and in the ledger; nobody is told of it yet.

        With `sound` off, the file's own bytes are not looked at, and the manifest tells of one packet.
        """
        job_id = str(uuid.uuid4())
        self.spool.prepare(job_id)
        path = self.spool.result(job_id)
        if isinstance(capture, Path):
            os.link(capture, path)
            capture = path.read_bytes()
        else:
            path.write_bytes(capture)
        times = scan(capture, FILE_HEADER_BYTES)[0] if sound else [1_700_000_000_000_000]
        request = Request(
            id=job_id,
            query="",
            asked="",
            after_us=times[0] if times else 0,
            before_us=times[-1] + 1 if times else 1,
            requested_at_us=2_000_000_000_000_000,
        )
        asked = Event(name=EventName.REQUESTED, job_id=job_id, at=AT, request=request, source_names=(SOURCE,))
        closing = self._closing(job_id, capture, times)
        self.ledger.commit(Entries(events=[asked, closing]))
        job = Job.opened(request, (SOURCE,)).apply(closing)
        assert job.state is State.COMPLETED
        self._write_manifest(job, request, times)
        return job

    def replace(self, job: Job, capture: bytes) -> Job:
        """Give the job another result, as a retry does."""
        request = self.ledger.request(job.id)
        assert request is not None
        times = scan(capture, FILE_HEADER_BYTES)[0]
        self.spool.partial(job.id).write_bytes(capture)
        self.spool.finish(job.id, self.spool.partial(job.id))
        closing = self._closing(job.id, capture, times)
        self.ledger.commit(Entries(events=[closing]))
        job = job.apply(closing)
        self._write_manifest(job, request, times)
        return job

    def _closing(self, job_id: str, capture: bytes, times: list[int]) -> Event:
        size = len(capture) - FILE_HEADER_BYTES
        answer = SourceAnswer(
            name=SOURCE,
            verdict=Verdict.COMPLETE if times else Verdict.EMPTY,
            packets=len(times),
            bytes=size,
            first=format_us(times[0]) if times else None,
            last=format_us(times[-1]) if times else None,
        )
        pcap = PcapFile(name="job.pcap", size=len(capture), sha256=hashlib.sha256(capture).hexdigest())
        return Event(
            name=EventName.COMPLETED,
            job_id=job_id,
            at=AT,
            answers=(answer,),
            pcap=pcap,
            packets=len(times),
            bytes=size,
        )

    def _write_manifest(self, job: Job, request: Request, times: list[int]) -> None:
        first_us, last_us = (times[0], times[-1]) if times else (None, None)
        manifest = make_manifest(job, request, written_at=AT, first_us=first_us, last_us=last_us, linktype=1)
        self.spool.write_manifest(manifest)

    def announce(self, job: Job) -> None:
        """Tell that the job has ended, as the collector does."""
        message = EventMessage(event=EventName.COMPLETED, at=AT, job=job, job_id=job.id)
        self.broker.publisher("test").publish(EVENTS, "job.completed", encode(message))

    def inspected(self, job: Job, timeout_s: float = 60.0) -> Summary:
        """The job's summary, once it is announced."""
        self.announce(job)
        wait_until(lambda: self.summary(job), f"the summary of job {job.id}", timeout_s=timeout_s)
        wait_until(lambda: self.ask("packets", job.id)["state"] != "working", "the list", timeout_s=timeout_s)
        found = self.summary(job)
        assert found is not None
        return found

    def summary(self, job: Job) -> Summary | None:
        return read_summary(self.spool.summary(job.id), job.pcap.sha256 if job.pcap is not None else "")

    def answer(self, ask: str, job_id: str, **more: Any) -> tuple[AnswerHeader, bytes]:
        """One question at the counter."""
        return at_counter(self.spool.counter, Question(ask=ask, job=job_id, **more))

    def ask(self, ask: str, job_id: str, **more: Any) -> Any:
        """The JSON of an answer that must be a good one."""
        heading, body = self.answer(ask, job_id, **more)
        assert heading.faults == (), heading
        return msgspec.json.decode(body)

    def settled(self, ask: str, job_id: str, **more: Any) -> Any:
        """The same once nothing of it is still under way."""

        def settled() -> Any:
            answer = self.ask(ask, job_id, **more)
            return answer if answer["state"] != "working" else None

        return wait_until(settled, f"{ask} of job {job_id}", timeout_s=60.0)


def at_counter(counter: Path, question: Question) -> tuple[AnswerHeader, bytes]:
    """Ask as the web app does, and read to the end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(120.0)
        directory = os.open(counter.parent, os.O_PATH)
        try:
            client.connect(f"/proc/self/fd/{directory}/{counter.name}")
        finally:
            os.close(directory)
        client.sendall(msgspec.json.encode(question) + b"\n")
        answer = b"".join(iter(lambda: client.recv(1 << 20), b""))
    heading, _, body = answer.partition(b"\n")
    return msgspec.json.decode(heading, type=AnswerHeader), body


def flat(tree: Iterable[dict[str, Any]], depth: int = 0) -> list[str]:
    """The lines of a dissection tree as tshark prints them."""
    lines = []
    for node in tree:
        lines += ["    " * depth + node["text"], *flat(node["children"], depth + 1)]
    return lines
