"""Bytes in and out of spool files at given offsets. For the spool and the merge; holds no file open.

No function here calls fsync. A kill of the process loses nothing, since the kernel holds what was written; a
power loss may cost the last seconds of a job that is being read, and such a job is asked again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from docket.errors import SpoolError, SpoolFull
from docket.runtime.gathered_write import Pieces, write_pieces
from docket.runtime.whole_file import FILE_MODE, replace_file

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def read_at(path: Path, offset: int, size_bytes: int) -> bytes:
    """At most `size_bytes` from the offset on; fewer at the end of the file. Raises SpoolError."""
    with _opened(path, os.O_RDONLY) as fd:
        return os.pread(fd, size_bytes, offset)


def read_into(path: Path, offset: int, memory: memoryview) -> int:
    """Fill this memory from the offset on; gives how many came, fewer at the end of the file. Raises SpoolError."""
    with _opened(path, os.O_RDONLY) as fd:
        return os.preadv(fd, [memory], offset)


def write_at(path: Path, offset: int, pieces: Iterable[bytes | memoryview]) -> int:
    """Write the pieces one after the other from the offset on and return the offset after them.

    What the file held there before is overwritten, so the same call twice does no harm. Raises SpoolFull or
    SpoolError; some of the bytes may have been written then.
    """
    with _opened(path, os.O_WRONLY | os.O_CREAT) as fd:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                written = os.pwrite(fd, view, offset)
                offset += written
                view = view[written:]
    return offset


def gather_at(path: Path, offset: int, pieces: Pieces) -> int:
    """As `write_at`, for pieces that are given by their addresses in memory. Raises SpoolFull or SpoolError."""
    with _opened(path, os.O_WRONLY | os.O_CREAT) as fd:
        return write_pieces(fd, offset, pieces)


def write_whole(path: Path, content: bytes) -> None:
    """Write the file, or leave the one that is there. Raises SpoolFull or SpoolError."""
    try:
        replace_file(path, [content], mode=FILE_MODE)
    except OSError as error:
        raise spool_error(error, path) from error


def reserve(path: Path, size_bytes: int) -> None:
    """Have room on the disk for what `write_reserved` is to write there. Raises SpoolFull or SpoolError."""
    with _opened(path, os.O_WRONLY | os.O_CREAT) as fd:
        os.posix_fallocate(fd, 0, size_bytes)


def write_reserved(path: Path, reserved: Path, content: bytes) -> None:
    """As `write_whole`, in the room that was reserved beside; also without, if the disk has some.

    Raises SpoolFull or SpoolError.
    """
    cut_to(reserved, write_at(reserved, 0, [content]))
    try:
        os.chmod(reserved, FILE_MODE)
        os.replace(reserved, path)
    except OSError as error:
        raise spool_error(error, path) from error


def file_size(path: Path) -> int:
    """Size in bytes; 0 for a file that is not there. Raises SpoolError."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise spool_error(error, path) from error


def cut_to(path: Path, size_bytes: int) -> None:
    """Cut the file off after `size_bytes`. Raises SpoolError."""
    try:
        os.truncate(path, size_bytes)
    except OSError as error:
        raise spool_error(error, path) from error


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of the file within the block. What the disk refuses becomes SpoolFull or SpoolError."""
    try:
        fd = os.open(path, flags, FILE_MODE)
        try:
            yield fd
        finally:
            os.close(fd)
    except OSError as error:
        raise spool_error(error, path) from error


def spool_error(error: OSError, path: Path) -> SpoolError:
    """The error of ours that says in a person's words what the disk said."""
    if error.errno in _FULL:
        return SpoolFull("the spool's disk is full")
    if error.errno == errno.EROFS:
        return SpoolError("the spool's disk is read-only")
    return SpoolError(f"the spool cannot use {path.name}: {(error.strerror or str(error)).lower()}")
