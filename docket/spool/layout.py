"""The directory with the results: where each file of a job is, how it comes and goes, how much room is left.

    ledger.sqlite3
    jobs/<id>/parts/<source>.pcap    while it is read, and as long as a retry may want it
    jobs/<id>/job.pcap.partial       the growing result
    jobs/<id>/job.pcap               the result
    jobs/<id>/job.pcap.sources       the source of every packet, where there are several
    jobs/<id>/job.json               its manifest
    jobs/<id>/job.json.sig           the signature of that, 64 bytes
    jobs/<id>/.job.json.new          room for it while the job is open, and another one for the signature
    jobs/<id>/summary.json           from the inspector
    jobs/<id>/index/                 its list of packets, and the streams that it followed
    inspector/socket                 where it answers questions
    incoming/                        packets of workers on this machine, until the collector takes them
    trash/                           what was removed, while its room is given back
    aside/                           what lay in jobs/, stands in no record and is no result that can be verified

Only the collector writes, except for what is the inspector's and what lies in `incoming/`. Names come from checked ids
and source names alone.
"""

from __future__ import annotations

import logging
import os
import re
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec

from docket.domain.job import Job
from docket.domain.refinement import Refinement, refinement_words
from docket.domain.request import SOURCE_NAME
from docket.errors import NoSuchJob, SpoolError
from docket.spool.file_io import reserve, spool_error, write_reserved
from docket.spool.incoming import INCOMING_NAME, Incoming
from docket.spool.manifest import Manifest, decode_manifest, encode_manifest
from docket.spool.signing import Signer
from docket.spool.trash import Trash

log = logging.getLogger(__name__)

DIRECTORY_MODE = 0o750

RESULT_NAME = "job.pcap"
"""Whichever of the two formats it has: programs go by its first bytes, downloads have a name of their own."""
SOURCES_NAME = "job.pcap.sources"
MANIFEST_NAME = "job.json"
SIGNATURE_NAME = "job.json.sig"
RESERVED = (f".{MANIFEST_NAME}.new", f".{SIGNATURE_NAME}.new")
"""Room that an open job with packets has: a disk that is full by its end must not take the proof of them."""
_RESERVED_BYTES, _RESERVED_BYTES_A_SOURCE, _SIGNATURE_BYTES = 8192, 4096, 64
PARTS_NAME = "parts"
"""In a job's directory, and in a copy of one."""

_LONGEST_WORDS = 40
"""Of the query in a file name: enough to recognise it, short enough for every file system."""


class Spool:
    """Paths and room of one spool directory. Any process may make one; it opens nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.jobs = path / "jobs"
        self.ledger = path / "ledger.sqlite3"
        self.counter = path / "inspector" / "socket"
        self.aside = path / "aside"
        self.incoming = Incoming(path / INCOMING_NAME)
        self._trash = Trash(path / "trash")

    def create(self) -> None:
        """Make the directories. Raises SpoolError."""
        for directory in (self.path, self.jobs):
            _make_directory(directory)

    def job_directory(self, job_id: str) -> Path:
        """Raises NoSuchJob for what is no canonical UUID, so that no other path can ever come out."""
        try:
            canonical = str(uuid.UUID(job_id)) == job_id
        except ValueError:
            canonical = False
        if not canonical:
            raise NoSuchJob(f"there is no job {job_id[:64]!r}")
        return self.jobs / job_id

    def result(self, job_id: str) -> Path:
        return self.job_directory(job_id) / RESULT_NAME

    def packet_sources(self, job_id: str) -> Path:
        """The source of every packet of the result."""
        return self.job_directory(job_id) / SOURCES_NAME

    def partial(self, job_id: str) -> Path:
        """The result while it grows. It vanishes, or begins again, when a source must be read again."""
        return self.job_directory(job_id) / f"{RESULT_NAME}.partial"

    def sorting(self, job_id: str) -> Path:
        """The result while it is made again because packets came far out of order."""
        return self.job_directory(job_id) / f"{RESULT_NAME}.sorting"

    def manifest(self, job_id: str) -> Path:
        return self.job_directory(job_id) / MANIFEST_NAME

    def summary(self, job_id: str) -> Path:
        return self.job_directory(job_id) / "summary.json"

    def parts(self, job_id: str) -> Path:
        return self.job_directory(job_id) / PARTS_NAME

    def part(self, job_id: str, source: str, channel: int = 0) -> Path:
        """One file of a part; most have but one."""
        if not SOURCE_NAME.fullmatch(source):
            raise SpoolError(f"{source[:80]!r} is not a source name")
        return self.parts(job_id) / part_name(source, channel)

    def pcap_name(self, job: Job, *, is_pcapng: bool = False) -> str:
        """The name that a downloaded result gets: its window, query or refinement, the beginning of the id."""
        kind = "pcapng" if is_pcapng else "pcap"
        asked = job.query
        if job.parent is not None:
            asked = f"refined {refinement_words(job.query, job.refine or Refinement())}"
        words = re.sub(r"[^a-z0-9.]+", "-", asked.lower()).strip("-.")[:_LONGEST_WORDS].strip("-.")
        return f"docket-{_compact(job.after)}-{_compact(job.before)}-{words or 'all'}-{job.id[:8]}.{kind}"

    def prepare(self, job_id: str, sources: int = 1) -> None:
        """Make the directories of one job, with room for its manifest. Raises SpoolFull or SpoolError."""
        directory = self.job_directory(job_id)
        _make_directory(directory)
        _make_directory(self.parts(job_id))
        manifest, signature = (directory / name for name in RESERVED)
        reserve(manifest, _RESERVED_BYTES + sources * _RESERVED_BYTES_A_SOURCE)
        reserve(signature, _SIGNATURE_BYTES)

    def finish(self, job_id: str, whole: Path, sources: Path | None = None) -> None:
        """Give the finished file its final name; the result of an earlier revision is gone in the same moment.

        There is no fsync: after a power loss the job may be open again in the ledger, and is then put together
        again from its parts or asked again. A finished one whose bytes the disk lost fails its SHA-256.
        """
        try:
            if sources is not None:
                os.replace(sources, self.packet_sources(job_id))
            os.replace(whole, self.result(job_id))
        except OSError as error:
            raise spool_error(error, whole) from error
        if sources is None:
            remove_file(self.packet_sources(job_id))
        partial = self.partial(job_id)
        if whole != partial:
            remove_file(partial)
            remove_file(partial.with_name(f"{partial.name}.sources"))

    def signature(self, job_id: str) -> Path:
        return self.job_directory(job_id) / SIGNATURE_NAME

    def write_manifest(self, manifest: Manifest, signer: Signer | None = None) -> None:
        """Write `job.json` and its signature, each in one piece or not at all. Raises SpoolFull or SpoolError.

        Without a signer there is no signature either: one of an earlier revision would be a wrong one.
        """
        body = encode_manifest(manifest)
        directory, signature = self.job_directory(manifest.job), self.signature(manifest.job)
        reserved, reserved_for_signature = (directory / name for name in RESERVED)
        remove_file(signature)
        write_reserved(self.manifest(manifest.job), reserved, body)
        if signer is None:
            remove_file(reserved_for_signature)
        else:
            write_reserved(signature, reserved_for_signature, signer.sign(body))

    def remove_growing(self, job_id: str) -> None:
        """Remove a result that will not be finished."""
        for path in (self.partial(job_id), self.sorting(job_id)):
            remove_file(path)
            remove_file(path.with_name(f"{path.name}.sources"))

    def remove_parts(self, job_id: str) -> None:
        """Their names are free at once, their room bit by bit, with `sweep`. Cannot fail."""
        self._trash.take(self.parts(job_id))

    def remove_job(self, job_id: str) -> None:
        """Remove everything of one job, in the same way."""
        self._trash.take(self.job_directory(job_id))

    def set_aside(self, path: Path) -> None:
        """Move something that does not belong into `jobs/` out of it, whole. What cannot be moved stays."""
        try:
            _make_directory(self.aside)
            os.rename(path, _free_name(self.aside / path.name))
        except (OSError, SpoolError) as error:
            log.error("%s cannot be set aside: %s", path, error)

    def count_aside(self) -> int:
        """How many things are set aside."""
        try:
            return len(os.listdir(self.aside))
        except OSError:
            return 0

    def sweep(self) -> bool:
        """Give back some of the room of what was removed; a few milliseconds. True: there is more."""
        return self._trash.sweep()

    def directories(self) -> Iterator[Path]:
        """Whatever lies in `jobs/`, ours or not. Raises SpoolError."""
        try:
            yield from sorted(self.jobs.iterdir())
        except OSError as error:
            raise spool_error(error, self.jobs) from error

    def size_of(self, job_id: str) -> int:
        """Bytes that the files of one job take up, as far as they can be read."""
        total = 0
        for directory, _, names in os.walk(self.job_directory(job_id)):
            for name in names:
                try:
                    total += os.stat(os.path.join(directory, name)).st_size
                except FileNotFoundError:
                    continue  # a temporary file that has just got its final name
        return total

    def free_bytes(self) -> int:
        """Bytes that may still be written here. Raises SpoolError."""
        found = self._statvfs()
        return found.f_bavail * found.f_frsize

    def free_inodes(self) -> int | None:
        """Files that may still be made here; None on file systems that do not count them. Raises SpoolError."""
        found = self._statvfs()
        return found.f_favail if found.f_files else None

    def _statvfs(self) -> os.statvfs_result:
        try:
            return os.statvfs(self.path)
        except OSError as error:
            raise spool_error(error, self.path) from error


def _free_name(path: Path) -> Path:
    """This path, or with a number behind it if there is such a file."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in count(2))
    return path if not path.exists() else next(one for one in numbered if not one.exists())


def part_name(source: str, channel: int) -> str:
    """The name of one file of a part. No name of a source has a `~`."""
    return f"{source}~{channel}.pcap" if channel else f"{source}.pcap"


def _compact(time: str) -> str:
    """`2026-11-24T14:02:00.000000Z` as `20261124T140200Z`."""
    return re.sub(r"[-:]|\.\d+", "", time)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True, parents=True)
    except OSError as error:
        raise spool_error(error, path) from error


def read_evidence(path: Path) -> bytes:
    """A small file beside a result, as it is. Raises SpoolError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpoolError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error


def read_manifest(path: Path) -> Manifest:
    """The manifest in this file. Raises SpoolError where there is none, or something else."""
    body = read_evidence(path)
    try:
        return decode_manifest(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SpoolError(f"{path} is no manifest of Docket's: {error}") from error


def remove_file(path: Path) -> None:
    """Remove a file that may be gone already. Raises SpoolError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise spool_error(error, path) from error
