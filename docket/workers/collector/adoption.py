"""Takes results that the ledger does not know into it, from their manifests. Removes nothing.

What cannot be taken is set aside. For a ledger that was moved away, lost, or is older than the spool. Results are read
in a thread of their own, since a full spool takes minutes; the collector's thread takes what was found, turn by turn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import msgspec

from docket.domain.job import CLOSING, Event, EventName, Job, SourceAnswer
from docket.domain.request import Request, check_request
from docket.domain.timewindow import US_PER_S, parse_time_us
from docket.errors import CaptureError, DocketError, NoSuchJob, SpoolError
from docket.packet.pcap import FILE_HEADER_BYTES, parse_file_header
from docket.spool.file_io import file_size, read_at
from docket.spool.layout import Spool
from docket.spool.manifest import Manifest
from docket.spool.verification import verify_directory
from docket.workers.collector.commit import Batch
from docket.workers.collector.part import Channel, Part, encode_part

log = logging.getLogger(__name__)

HOW = "taken up from its manifest: the ledger did not know this job"


@dataclass(frozen=True, slots=True)
class _Found:
    """One verified result, as the ledger is to have it."""

    request: Request
    manifest: Manifest
    parts: dict[str, bytes]


class Adoption:
    """The results that lay in the spool at the start and stood in no record."""

    def __init__(self, spool: Spool, public_pem: bytes | None, strays: Sequence[Path]) -> None:
        """`public_pem`: the key that must have signed a manifest, where results are signed here."""
        self._spool = spool
        self._public_pem = public_pem
        self._waiting = len(strays)
        self._found: SimpleQueue[tuple[Path, _Found | None]] = SimpleQueue()
        if strays:
            log.warning("the ledger does not know %d entries of %s; they are looked at", len(strays), spool.jobs)
            Thread(target=self._look, args=(tuple(strays),), name="adoption", daemon=True).start()

    @property
    def done(self) -> bool:
        """Nothing is to be expected any more."""
        return not self._waiting

    def take(self, batch: Batch, find: Callable[[str], Job | None], opened: Callable[[str], bool]) -> None:
        """Note what was found since the last call. A job that came by another way in the meantime is left alone."""
        while self._waiting:
            try:
                directory, found = self._found.get_nowait()
            except Empty:
                return
            self._waiting -= 1
            if opened(directory.name) or find(directory.name) is not None:
                continue
            if found is None:
                self._spool.set_aside(directory)
            else:
                self._note(found, batch)

    def _note(self, found: _Found, batch: Batch) -> None:
        log.warning("job %s: %s", found.request.id, HOW)
        batch.entries.events += _events(found)
        batch.entries.parts |= {(found.request.id, source): body for source, body in found.parts.items()}
        batch.adopted.append(found.request.id)

    def _look(self, strays: Sequence[Path]) -> None:
        for directory in strays:
            found = None
            try:
                found = self._verified(directory)
            except (DocketError, ValueError, OSError) as error:
                # Whatever lies there must not keep the rest from being found.
                log.warning("%s is set aside: %s", directory, error)
            self._found.put((directory, found))

    def _verified(self, directory: Path) -> _Found:
        """Raises SpoolError or InvalidRequest for what is no result that agrees with its manifest."""
        try:
            self._spool.job_directory(directory.name)
        except NoSuchJob as error:
            raise SpoolError("its name is not that of a job") from error
        verification = verify_directory(directory, self._public_pem)
        faults = [check.what for check in verification.checks if not check.ok]
        manifest = verification.manifest
        if manifest.job != directory.name:
            faults.append(f"its manifest is that of job {manifest.job}")
        if manifest.state not in CLOSING or manifest.result is None:
            faults.append(f"there is no result: the job is {manifest.state}")
        if faults:
            raise SpoolError("; ".join(faults))
        parts = {answer.name: encode_part(self._part(manifest.job, answer)) for answer in manifest.sources}
        kept = parts if self._spool.parts(manifest.job).is_dir() else {}
        return _Found(_request(manifest), manifest, kept)

    def _part(self, job_id: str, answer: SourceAnswer) -> Part:
        """As a retry wants to know it; what the record does not say, the headers of the part's files do."""
        part = Part.of_record(answer)
        channels: list[Channel] = []
        while file_size(path := self._spool.part(job_id, answer.name, len(channels))) > FILE_HEADER_BYTES:
            try:
                header = parse_file_header(read_at(path, 0, FILE_HEADER_BYTES))
            except CaptureError as error:
                raise SpoolError(f"the part of {answer.name} is no capture: {error}") from error
            channels.append(Channel("", header.linktype, header.nanoseconds, file_size(path)))
        part.channels = channels or part.channels
        return part


def _request(manifest: Manifest) -> Request:
    """The question of the manifest, checked as one that comes by any other way. Raises InvalidRequest."""
    question = manifest.question
    requested_us = parse_time_us(question.requested_at, None)
    deadline_s = (parse_time_us(question.deadline, None) - requested_us) // US_PER_S
    raw = {
        "id": manifest.job,
        "query": question.query,
        "asked": question.asked,
        "after": question.after,
        "before": question.before,
        "requested_at": question.requested_at,
        "sources": list(question.sources),
        "limits": {"bytes": question.limits.bytes, "packets": question.limits.packets},
        "deadline_s": max(deadline_s, 1),
        "wait_for_flush": question.wait_for_flush,
        "owner": question.owner,
        "note": question.note,
    }
    return check_request(raw | _of_parent(question.parent, question.refine))


def _of_parent(parent: str | None, refine: object) -> dict[str, object]:
    return (
        {} if parent is None else {"parent": parent, "refine": None if refine is None else msgspec.to_builtins(refine)}
    )


def _events(found: _Found) -> Iterator[Event]:
    manifest, request = found.manifest, found.request
    yield Event(
        name=EventName.REQUESTED,
        job_id=request.id,
        at=manifest.question.requested_at,
        request=request,
        source_names=tuple(answer.name for answer in manifest.sources),
        user=request.owner,
        reason=HOW,
    )
    yield Event(
        name=CLOSING[manifest.state],
        job_id=request.id,
        at=manifest.written_at,
        answers=manifest.sources,
        pcap=manifest.result,
        packets=manifest.packets,
        bytes=manifest.bytes,
        revision=manifest.revision,
        reason=manifest.reason,
    )
