"""Which source recorded each packet of a result: the list beside it, opened for reading, and held against manifest and
capture. Blocking; for threads.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from docket.errors import SpoolError
from docket.spool.file_io import file_size, read_at, spool_error
from docket.spool.layout import Spool
from docket.spool.manifest import Manifest, PacketSources
from docket.spool.story import Check

_NOTHING: NDArray[np.int64] = np.zeros(0, np.int64)


class PacketSourceList:
    """Stays readable when its name is taken over by a newer revision or removed."""

    def __init__(self, names: tuple[str, ...], bytes_each: int, descriptor: int) -> None:
        self.names = names
        """By number, from 0."""
        self._bytes_each = bytes_each
        self._descriptor = descriptor

    @classmethod
    def open(cls, spool: Spool, manifest: Manifest) -> PacketSourceList:
        """Of the result that this manifest is of. Raises SpoolError where the list is not that of the manifest."""
        listed = manifest.packet_sources
        if listed is None or not listed.bytes_each:
            names = manifest.question.sources[:1] if listed is None else listed.names
            return cls(names, 0, -1)
        path = spool.packet_sources(manifest.job)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise spool_error(error, path) from error
        if os.fstat(descriptor).st_size != listed.size or listed.size != manifest.packets * listed.bytes_each:
            os.close(descriptor)
            raise SpoolError(f"the list of sources of job {manifest.job} is not the one that its manifest speaks of")
        return cls(listed.names, listed.bytes_each, descriptor)

    def numbers(self, first: int, count: int) -> NDArray[np.uint16]:
        """The numbers of the sources of packets `first` (from 0) and those after it. Raises SpoolError."""
        width = self._bytes_each
        if not width:
            return np.zeros(count, np.uint16)
        try:
            found = os.pread(self._descriptor, count * width, first * width)
        except OSError as error:
            raise SpoolError(f"the list of sources cannot be read: {error.strerror}") from error
        numbers = np.frombuffer(found, "<u1" if width == 1 else "<u2").astype(np.uint16)
        if len(numbers) < count or (count and int(numbers.max()) >= len(self.names)):
            raise SpoolError("the list of sources is damaged")
        return numbers

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class OriginCounter:
    """Counts packets by source while a capture is read, and holds interfaces against the list."""

    def __init__(self, manifest: Manifest, path: Path | None) -> None:
        listed = manifest.packet_sources
        self.listed = listed if listed is not None and listed.bytes_each in (1, 2) else None
        self.path = path if self.listed is not None else None
        """The list; None if there is none, or if it is not at hand."""
        self.counts = _NOTHING if self.listed is None else np.zeros(len(self.listed.names), np.int64)
        self.fault = ""
        self._sha256 = hashlib.sha256()
        self._packets = 0
        if self.path is not None and not self.path.exists():
            self.fault = f"the list of the packets' sources {self.path.name} is gone"
            self.path = None

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def add(self, packets: int, interfaces: bytes) -> None:
        """The next packets of the capture, with their interfaces if it is pcapng. Raises SpoolError."""
        numbers = np.frombuffer(interfaces, "<u2") if interfaces else None
        if self.path is not None and self.listed is not None:
            width = self.listed.bytes_each
            found = read_at(self.path, self._packets * width, packets * width)
            self._sha256.update(found)
            listed = np.frombuffer(found[: len(found) - len(found) % width], "<u1" if width == 1 else "<u2")
            if numbers is not None and not np.array_equal(numbers, listed):
                self.fault = "the list of the packets' sources and the interfaces in the capture differ"
            numbers = listed
        self._packets += packets
        if numbers is None or self.listed is None:
            return
        counts = np.bincount(numbers, minlength=len(self.counts))
        if len(counts) > len(self.counts):
            self.fault = "a packet is of a source that the list does not name"
            return
        self.counts = self.counts + counts


def check_origins(origins: OriginCounter, manifest: Manifest) -> list[Check]:
    """Raises SpoolError."""
    listed = origins.listed
    if listed is None:
        return []
    if origins.fault:
        return [Check(ok=False, what=origins.fault)]
    checks = [_check_list(origins, origins.path, listed)] if origins.path is not None else []
    if not origins.counts.sum() and manifest.packets:
        return checks  # a classic capture without its list
    return [*checks, _check_counts(origins, manifest, listed)]


def _check_list(origins: OriginCounter, path: Path, listed: PacketSources) -> Check:
    if file_size(path) != listed.size or origins.sha256 != listed.sha256:
        return Check(ok=False, what=f"{path.name} is not the list of the packets' sources that the manifest speaks of")
    return Check(ok=True, what=f"SHA-256 of the list of the packets' sources: {listed.sha256}")


def _check_counts(origins: OriginCounter, manifest: Manifest, listed: PacketSources) -> Check:
    """Held against what the sources are said to have given; a refinement's packets are of its parent's sources."""
    found: dict[str, int] = {}
    for name, count in zip(listed.names, origins.counts.tolist(), strict=True):
        found[name] = found.get(name, 0) + count
    for source in manifest.sources:
        if manifest.question.parent is None and found.get(source.name, 0) != source.packets:
            what = f"{found.get(source.name, 0):,} packets are of {source.name}, the manifest says {source.packets:,}"
            return Check(ok=False, what=what)
    return Check(ok=True, what="packets of each source: as the manifest says")
