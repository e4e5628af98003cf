"""Where workers of the collector's own machine leave their packets, so that these need not pass through the broker.

    incoming/collector           the sign of a running collector: on which bus it is, and by its time that it still is
    incoming/em1/<name>          packets of one reading of the interface em1, as its worker writes them

A worker writes a file in the directory of its interface alone, and says in its fragments which bytes of it are whole.
The collector moves the file to the part that it belongs to, and looks at it only there, where no worker can exchange
it any more: `take_over`. Its bytes are a worker's word all the same, and are read as such.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from docket.errors import SpoolError
from docket.runtime.whole_file import FILE_MODE, replace_file
from docket.spool.file_io import cut_to, read_at, spool_error, write_at

INCOMING_NAME = "incoming"
SIGN_NAME = "collector"
SIGN_FRESH_S = 30.0
"""A collector renews its sign every five seconds; one that was killed is believed in for no longer."""

STALE_S = 3600.0
"""A file that was not written for so long belongs to a reading that was given up."""

_DIRECTORY_MODE = 0o750
_COPY_BYTES = 1 << 20
_TAKEN, _COPY = ".taken", ".copy"
"""Behind the name of a part: what a killed collector may leave."""


class Incoming:
    """The directory `incoming` of a spool. Any process may make one; it opens nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def directory(self, source: str) -> Path:
        """Where the worker of this source writes: named by the interface, as its unit is."""
        return self.path / source.partition(":")[2]

    def found(self, source: str, job_id: str, run: str) -> Path:
        """The file in which this reading's packets are."""
        return self.directory(source) / claim_name(source, job_id, run)

    def announce(self, bus: str) -> None:
        """Say that a collector on this bus takes what is left here. Raises SpoolError."""
        try:
            self.path.mkdir(mode=_DIRECTORY_MODE, exist_ok=True, parents=True)
            replace_file(self.path / SIGN_NAME, [bus.encode()], mode=FILE_MODE)
        except OSError as error:
            raise spool_error(error, self.path) from error

    def withdraw(self) -> None:
        """The collector leaves, or takes nothing from here."""
        with contextlib.suppress(OSError):
            (self.path / SIGN_NAME).unlink()

    def is_announced(self, bus: str) -> bool:
        """Whether a collector on this bus is at work here."""
        sign = self.path / SIGN_NAME
        try:
            fresh = abs(time.time() - sign.stat().st_mtime) < SIGN_FRESH_S
            return bool(bus) and fresh and sign.read_text() == bus
        except (OSError, UnicodeDecodeError):
            return False

    def sweep(self) -> None:
        """Remove the files of readings that were given up."""
        for directory in _entries(self.path):
            for entry in _entries(Path(directory.path)) if directory.is_dir(follow_symlinks=False) else []:
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_S:
                        os.unlink(entry.path)


def claim_name(source: str, job_id: str, run: str) -> str:
    """Of the file with one reading's packets. No other may be taken in that reading's name."""
    return f"{source.partition(':')[0]}-{job_id}-{run}.pcap"


class IncomingFile:
    """The packets of one reading, written by its worker. For one thread; `close` it in any case."""

    def __init__(self, directory: Path, name: str, start: int, min_free_bytes: int) -> None:
        """Room is left for the `start` bytes of the part that the collector has already. Raises OSError."""
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=_DIRECTORY_MODE)
        self.name = name
        self.end = start
        """Offset in the part behind the last record."""
        self._path = directory / name
        self._min_free_bytes = min_free_bytes
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)

    def write(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Write the pieces behind what is there and return how many bytes they have.

        Raises OSError, also where the disk has no room to spare: then nothing of them counts.
        """
        found = os.fstatvfs(self._fd)
        size_bytes = sum(map(len, pieces))
        if found.f_bavail * found.f_frsize < self._min_free_bytes + size_bytes:
            raise OSError(f"less than {self._min_free_bytes} bytes are free")
        offset = self.end
        for piece in pieces:
            view = memoryview(piece)
            while view:
                written = os.pwrite(self._fd, view, offset)
                offset, view = offset + written, view[written:]
        self.end = offset
        return size_bytes

    def close(self) -> None:
        """No more will be written. The name stays until the collector has taken it, or sweeps."""
        os.close(self._fd)

    def remove(self) -> None:
        """Take the file away, if it still has its name."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def take_over(found: Path, part: Path, known_bytes: int, beginning: bytes) -> bool:
    """Make a worker's file the part, whose first `known_bytes` are the collector's own; or the `beginning`, if it has
    none. False: there is no such file, or it is none that a worker may leave. Raises SpoolFull or SpoolError.
    """
    taken = part.with_name(f"{part.name}{_TAKEN}")
    try:
        os.rename(found, taken)
    except OSError:
        return False
    try:
        # Only here, where no worker can put another one in its place.
        is_file = _is_own_file(taken)
        if is_file:
            if known_bytes:
                for _ in _copied(part, taken, known_bytes):
                    pass
            else:
                write_at(taken, 0, [beginning])
            os.replace(taken, part)
        else:
            os.unlink(taken)
    except OSError as error:
        raise spool_error(error, taken) from error
    return is_file


def keep_alone(part: Path, size_bytes: int, *, writing: bool) -> Iterator[int]:
    """Have a part that was taken over for the collector alone, in steps; each tells how many bytes it copied.

    A worker that has ended leaves its file as it is; one that may go on `writing` keeps the old file, and the part is a
    copy. Raises SpoolFull or SpoolError.
    """
    if not writing:
        cut_to(part, size_bytes)
        return
    copy = part.with_name(f"{part.name}{_COPY}")
    try:
        yield from _copied(part, copy, size_bytes)
        os.replace(copy, part)
    except OSError as error:
        raise spool_error(error, part) from error


def remove_unfinished(part: Path) -> None:
    """Remove what a collector that was killed in one of these has left beside a part."""
    for ending in (_TAKEN, _COPY):
        with contextlib.suppress(OSError):
            part.with_name(f"{part.name}{ending}").unlink()


def _is_own_file(path: Path) -> bool:
    """A plain file with one name, of the user who runs this: no link, no device, nothing that others write."""
    found = os.lstat(path)
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid()


def _copied(source: Path, target: Path, size_bytes: int) -> Iterator[int]:
    """Copy the first bytes of one file to the beginning of the other, in steps; each tells how many bytes it copied."""
    done = 0
    while done < size_bytes:
        block = read_at(source, done, min(_COPY_BYTES, size_bytes - done))
        if not block:
            raise SpoolError(f"{source.name} became shorter")
        write_at(target, done, [block])
        done += len(block)
        yield len(block)


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []
