"""Holds a result against its manifest: bytes, packets, order, window, parts. For `docket verify`; reads only."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec

from docket.domain.job import FULL, State
from docket.domain.request import SOURCE_NAME
from docket.domain.timewindow import Window, format_us, parse_time_us
from docket.errors import CaptureError, SpoolError
from docket.packet import pcapng
from docket.spool.file_io import read_at
from docket.spool.layout import MANIFEST_NAME, PARTS_NAME, RESULT_NAME, SOURCES_NAME, part_name, read_manifest
from docket.spool.manifest import InterfaceBlock, Manifest
from docket.spool.packet_sources import OriginCounter, check_origins
from docket.spool.result_format import ResultFormat, Scanned, read_format
from docket.spool.signatures import Signed, blocks_of, check_copy, check_signature, signed_beside
from docket.spool.story import Check, check_story, same

JOBS_NAME = "jobs"
"""In the spool; elsewhere a job's directory is a copy, in which parts may be left out."""

_NONE = "none"
_FURTHER = re.compile(r"~[0-9]+\.pcap$")


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found about one result."""

    path: str
    manifest: Manifest
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def verify_directory(directory: Path, public_pem: bytes | None = None) -> Verification:
    """Verify a job's directory in the spool, or a copy of one: its manifest, its result, the parts that are kept.

    Raises SpoolError if there is no manifest, or a file cannot be read.
    """
    manifest = read_manifest(directory / MANIFEST_NAME)
    checks = check_signature(signed_beside(directory / MANIFEST_NAME, public_pem), manifest, wanted=True)
    checks += _check_place(directory, manifest) + check_copy(directory, manifest)
    checks += _check_result(directory / RESULT_NAME, manifest, directory / SOURCES_NAME)
    checks += _check_parts(directory, manifest)
    return Verification(path=str(directory), manifest=manifest, checks=tuple(checks))


def verify_file(capture: Path, manifest: Manifest, signed: Signed | None = None) -> Verification:
    """Verify a copy of the result, whatever its name. Raises SpoolError if it cannot be read."""
    if not capture.is_file():
        raise SpoolError(f"there is no file {capture}")
    beside = capture.with_name(f"{capture.name}.sources")
    checks = [] if signed is None else check_signature(signed, manifest, wanted=False)
    checks += _check_result(capture, manifest, beside if beside.exists() else None)
    return Verification(path=str(capture), manifest=manifest, checks=tuple(checks))


class _Contents:
    """What is in a capture, found in one pass over it."""

    def __init__(self, path: Path, origins: OriginCounter) -> None:
        """Raises SpoolError if it cannot be read."""
        self.form: ResultFormat | None = None
        self.size_bytes = 0
        self.packets = 0
        self.record_bytes = 0
        """With the headers of classic records."""
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.in_order = True
        self.fault = ""
        """Why it is not a whole capture, if it is none."""
        self._whole = hashlib.sha256()
        self._read = False
        self._origins = origins
        self._latest = 0
        """Time of the latest packet so far, in what the capture counts."""
        blocks, place = self._hashed(path), 0
        try:
            self.form = read_format(read_at(path, 0, pcapng.LONGEST_BEGINNING_BYTES))
            place = self.form.size_bytes
            for found in self.form.scan(_without(place, blocks)):
                self._note(found, self.form)
                place = found.offsets[-1]
        except CaptureError as error:
            self.fault = str(error) if self._read else f"behind byte {place}: {error}"
        for _ in blocks:  # the hash is of everything, also behind a fault
            pass

    @property
    def sha256(self) -> str:
        return self._whole.hexdigest()

    def _hashed(self, path: Path) -> Iterator[bytes]:
        for block in blocks_of(path):
            self._whole.update(block)
            self.size_bytes += len(block)
            yield block
        self._read = True

    def _note(self, found: Scanned, form: ResultFormat) -> None:
        times, per_us = found.timestamps, 1000 if form.nanoseconds else 1
        self._origins.add(len(times), found.origins)
        self.record_bytes += found.record_bytes
        self.in_order = self.in_order and self._latest <= times[0] and times == sorted(times)
        self._latest = max(self._latest, max(times))
        earliest_us, latest_us = min(times) // per_us, max(times) // per_us
        self.first_us = earliest_us if self.first_us is None else min(earliest_us, self.first_us)
        self.last_us = latest_us if self.last_us is None else max(latest_us, self.last_us)
        self.packets += len(times)


def _check_place(directory: Path, manifest: Manifest) -> list[Check]:
    """A directory that has the name of a job is that job's."""
    try:
        named = str(uuid.UUID(directory.name)) == directory.name
    except ValueError:
        named = False
    return [same("job of the directory", directory.name, manifest.job)] if named else []


def _check_result(path: Path, manifest: Manifest, sources: Path | None = None) -> list[Check]:
    """Without `sources` the list of the packets' sources is not at hand, as beside a download."""
    checks = [_check_verdicts(manifest), *check_story(manifest)]
    if manifest.result is None:
        there = path.exists()
        found = f"there is a {path.name}, of which the manifest knows nothing" if there else "there is no result"
        return [*checks, Check(ok=not there, what=f"{found}: the job is {manifest.state}")]
    if not path.exists():
        return [*checks, Check(ok=False, what=f"the result {path.name} is gone")]
    origins = OriginCounter(manifest, sources)
    contents = _Contents(path, origins)
    checks += [
        same("SHA-256 of the result", contents.sha256, manifest.result.sha256),
        same("bytes", f"{contents.size_bytes:,}", f"{manifest.result.size:,}"),
        Check(ok=not contents.fault, what=f"the capture is broken: {contents.fault}" if contents.fault else "whole"),
    ]
    if contents.fault:
        return checks
    return [*checks, *_check_packets(contents, manifest), *check_origins(origins, manifest)]


def _check_packets(contents: _Contents, manifest: Manifest) -> list[Check]:
    of_sources = sum(source.packets for source in manifest.sources)
    checks = [
        same("packets", f"{contents.packets:,}", f"{manifest.packets:,}"),
        same("packets of all sources together", f"{of_sources:,}", f"{manifest.packets:,}"),
        same("first packet", _time(contents.first_us), manifest.first or _NONE),
        same("last packet", _time(contents.last_us), manifest.last or _NONE),
        Check(ok=contents.in_order, what="in time order" if contents.in_order else "packets are not in time order"),
        _check_window(contents, manifest),
        same("bytes of packets", f"{contents.record_bytes:,}", f"{manifest.bytes:,}"),
    ]
    return checks + _check_form(contents.form, manifest)


def _check_form(form: ResultFormat | None, manifest: Manifest) -> list[Check]:
    """Format, link types and interfaces."""
    if form is None or manifest.result is None:
        return []
    checks = [same("format", "pcapng" if form.is_pcapng else "pcap", manifest.result.format)]
    if manifest.linktype is not None:
        checks.append(same("link type", str(form.linktype), str(manifest.linktype)))
    if form.is_pcapng:
        blocks = tuple(
            InterfaceBlock(name=one.name, linktype=one.linktype, nanoseconds=one.nanoseconds) for one in form.interfaces
        )
        as_said = blocks == manifest.interfaces
        what = f"interfaces: {len(blocks)}" if as_said else "other interfaces than in the manifest"
        checks.append(Check(ok=as_said, what=what))
    return checks


def _time(time_us: int | None) -> str:
    return _NONE if time_us is None else format_us(time_us)


def _check_window(contents: _Contents, manifest: Manifest) -> Check:
    question = manifest.question
    try:
        window = Window(parse_time_us(question.after, None), parse_time_us(question.before, None))
    except ValueError as error:
        return Check(ok=False, what=f"the window is none: {error}")
    inside = all(window.contains(time_us) for time_us in (contents.first_us, contents.last_us) if time_us is not None)
    where = f"the window, {question.after} to {question.before}"
    return Check(ok=inside, what=f"inside {where}" if inside else f"packets lie outside {where}")


def _check_verdicts(manifest: Manifest) -> Check:
    """What the manifest says must agree with itself."""
    short = [source.name for source in manifest.sources if source.verdict not in FULL]
    if manifest.state is State.COMPLETED and short:
        return Check(ok=False, what=f"the manifest says completed, but {', '.join(short)} did not answer in full")
    return Check(ok=True, what=f"state {manifest.state}, as the verdicts say")


def _check_parts(directory: Path, manifest: Manifest) -> list[Check]:
    """The parts, which are kept as long as a retry may want them: with a partial result, in the spool."""
    parts = directory / PARTS_NAME
    kept = manifest.state is State.PARTIAL and not manifest.reason
    expected = kept and (parts.is_dir() or directory.parent.name == JOBS_NAME)
    known = {f"{source.name}.pcap": source for source in manifest.sources if SOURCE_NAME.fullmatch(source.name)}
    checks = []
    for name, source in known.items():
        path = parts / name
        if path.exists() and source.sha256 is not None:
            found = _sha256_of_part(parts, source.name)
            checks.append(same(f"SHA-256 of the part of {source.name}", found, source.sha256))
        elif expected and source.sha256 is not None and source.packets:
            checks.append(Check(ok=False, what=f"the part of {source.name} is gone"))
    there = sorted(path.name for path in parts.iterdir()) if parts.is_dir() else []
    strangers = [name for name in there if _FURTHER.sub(".pcap", name) not in known]
    return checks + [Check(ok=False, what=f"no source of the job sent the part {name}") for name in strangers]


def _sha256_of_part(parts: Path, source: str) -> str:
    """Of all its files, one after the other."""
    whole, channel = hashlib.sha256(), 0
    while (path := parts / part_name(source, channel)).exists():
        for block in blocks_of(path):
            whole.update(block)
        channel += 1
    return whole.hexdigest()


def _without(size: int, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """What is behind the first `size` bytes."""
    for block in blocks:
        if len(block) > size:
            yield block[size:]
        size = max(size - len(block), 0)
