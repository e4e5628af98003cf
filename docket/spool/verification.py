"""Holds a result against its manifest: bytes, packets, order, window, parts. For `docket verify`; reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from docket.errors import CaptureError, SpoolError
from docket.job import FULL, State
from docket.pcap import FILE_HEADER_BYTES, FileHeader, parse_file_header, scan
from docket.request import SOURCE_NAME
from docket.spool.blocks import file_size, read_at
from docket.spool.manifest import Manifest, decode_manifest
from docket.window import format_us, parse_time_us

MANIFEST_NAME = "job.json"
RESULT_NAME = "job.pcap"
PARTS_NAME = "parts"

_BLOCK_BYTES = 1 << 20


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    ok: bool
    what: str
    """What holds, or what was found in place of what the manifest says."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found about one result."""

    path: str
    manifest: Manifest
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def read_manifest(path: Path) -> Manifest:
    """Raises SpoolError where there is none, or something else."""
    try:
        return decode_manifest(path.read_bytes())
    except OSError as error:
        raise SpoolError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except msgspec.DecodeError as error:
        raise SpoolError(f"{path} is no manifest of Docket's: {error}") from error


def verify_directory(directory: Path) -> Verification:
    """Verify a job's directory in the spool, or a copy of one: its manifest, its result, the parts that are kept.

    Raises SpoolError if there is no manifest, or a file cannot be read.
    """
    manifest = read_manifest(directory / MANIFEST_NAME)
    checks = _check_result(directory / RESULT_NAME, manifest)
    checks += _check_parts(directory / PARTS_NAME, manifest)
    return Verification(path=str(directory), manifest=manifest, checks=tuple(checks))


def verify_file(capture: Path, manifest: Manifest) -> Verification:
    """Verify a copy of the result, whatever its name. Raises SpoolError if it cannot be read."""
    if not capture.is_file():
        raise SpoolError(f"there is no file {capture}")
    return Verification(path=str(capture), manifest=manifest, checks=tuple(_check_result(capture, manifest)))


def sha256_of(path: Path) -> str:
    """Of the whole file, in hexadecimal digits. Raises SpoolError."""
    whole = hashlib.sha256()
    for block in _blocks(path):
        whole.update(block)
    return whole.hexdigest()


class _Contents:
    """What is in a capture, found in one pass over it."""

    def __init__(self) -> None:
        self.header: FileHeader | None = None
        self.packets = 0
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.in_order = True
        self.fault = ""
        self._newest_us = -1
        self._rest = b""
        self._offset = FILE_HEADER_BYTES

    def feed(self, block: bytes) -> None:
        """The next bytes of the file; the first block has the file header."""
        if self.fault:
            return
        try:
            if self.header is None:
                self.header = parse_file_header(block)
                if not self.header.native:
                    self.fault = "it is not a little-endian capture with microseconds, as Docket writes"
                    return
                block = block[FILE_HEADER_BYTES:]
            data = self._rest + block
            times, _, end = scan(data)
        except CaptureError as error:
            self.fault = f"behind byte {self._offset}: {error}"
            return
        self._rest = data[end:]
        self._offset += end
        self._note(times)

    def finish(self) -> None:
        """The file has no more."""
        if not self.fault and self.header is None:
            self.fault = "it is empty"
        elif not self.fault and self._rest:
            self.fault = f"it ends with half a record of {len(self._rest)} bytes"

    def _note(self, times: list[int]) -> None:
        if not times:
            return
        self.packets += len(times)
        self.in_order = self.in_order and self._newest_us <= times[0] and times == sorted(times)
        earliest, latest = min(times), max(times)
        self.first_us = earliest if self.first_us is None else min(earliest, self.first_us)
        self.last_us = latest if self.last_us is None else max(latest, self.last_us)
        self._newest_us = max(self._newest_us, latest)


def _check_result(path: Path, manifest: Manifest) -> list[Check]:
    checks = [_check_verdicts(manifest)]
    if manifest.result is None:
        there = path.exists()
        found = f"there is a {path.name}, of which the manifest knows nothing" if there else "there is no result"
        return [*checks, Check(ok=not there, what=f"{found}: the job is {manifest.state}")]
    if not path.exists():
        return [*checks, Check(ok=False, what=f"the result {path.name} is gone")]
    contents, whole, size = _Contents(), hashlib.sha256(), 0
    for block in _blocks(path):
        whole.update(block)
        contents.feed(block)
        size += len(block)
    contents.finish()
    checks += [
        _same("SHA-256 of the result", whole.hexdigest(), manifest.result.sha256),
        _same("bytes", f"{size:,}", f"{manifest.result.size:,}"),
        Check(ok=not contents.fault, what=f"the capture is broken: {contents.fault}" if contents.fault else "whole"),
    ]
    return checks if contents.fault else [*checks, *_check_packets(contents, manifest)]


def _check_packets(contents: _Contents, manifest: Manifest) -> list[Check]:
    assert contents.header is not None
    first = None if contents.first_us is None else format_us(contents.first_us)
    last = None if contents.last_us is None else format_us(contents.last_us)
    checks = [
        _same("packets", f"{contents.packets:,}", f"{manifest.packets:,}"),
        _same("packets of all sources together", f"{_packets_of_sources(manifest):,}", f"{manifest.packets:,}"),
        _same("first packet", first or "none", manifest.first or "none"),
        _same("last packet", last or "none", manifest.last or "none"),
        Check(ok=contents.in_order, what="in time order" if contents.in_order else "packets are not in time order"),
        _check_window(contents, manifest),
    ]
    if manifest.linktype is not None:
        checks.append(_same("link type", str(contents.header.linktype), str(manifest.linktype)))
    return checks


def _packets_of_sources(manifest: Manifest) -> int:
    return sum(source.packets for source in manifest.sources)


def _check_window(contents: _Contents, manifest: Manifest) -> Check:
    question = manifest.question
    after_us, before_us = parse_time_us(question.after, None), parse_time_us(question.before, None)
    inside = contents.first_us is None or contents.last_us is None
    if contents.first_us is not None and contents.last_us is not None:
        inside = after_us <= contents.first_us and contents.last_us < before_us
    window = f"the window, {question.after} to {question.before}"
    return Check(ok=inside, what=f"inside {window}" if inside else f"packets lie outside {window}")


def _check_verdicts(manifest: Manifest) -> Check:
    """What the manifest says must agree with itself."""
    short = [source.name for source in manifest.sources if source.verdict not in FULL]
    if manifest.state is State.COMPLETED and short:
        return Check(ok=False, what=f"the manifest says completed, but {', '.join(short)} did not answer in full")
    return Check(ok=True, what=f"state {manifest.state}, as the verdicts say")


def _check_parts(directory: Path, manifest: Manifest) -> list[Check]:
    """The parts that are still there: they are kept only as long as a retry may want them."""
    checks = []
    for source in manifest.sources:
        if source.sha256 is None or not SOURCE_NAME.fullmatch(source.name):
            continue
        path = directory / f"{source.name}.pcap"
        if path.exists():
            checks.append(_same(f"SHA-256 of the part of {source.name}", sha256_of(path), source.sha256))
    return checks


def _same(what: str, found: str, expected: str) -> Check:
    if found == expected:
        return Check(ok=True, what=f"{what}: {found}")
    return Check(ok=False, what=f"{what}: {found}, but the manifest says {expected}")


def _blocks(path: Path) -> Iterator[bytes]:
    """The whole file as it is now."""
    size, offset = file_size(path), 0
    while offset < size:
        block = read_at(path, offset, _BLOCK_BYTES)
        if not block:
            return
        yield block
        offset += len(block)
