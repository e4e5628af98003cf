"""Which source recorded each packet of a result: the list beside it, opened for reading. Blocking; for threads."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from docket.errors import SpoolError
from docket.spool.file_io import spool_error
from docket.spool.layout import Spool
from docket.spool.manifest import Manifest


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
