"""Writes a file so that its readers see the old one or the new one, never a part. The one way to do that."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

FILE_MODE = 0o640
"""The group may read: the proxy that hands out downloads is in it."""


def replace_file(
    path: Path,
    pieces: Iterable[bytes],
    *,
    mode: int = FILE_MODE,
    sync: bool = False,
    keep_owner: bool = False,
) -> None:
    """Write the pieces beside `path` and rename the file when it is whole.

    With `sync` it also survives a loss of power; with `keep_owner` owner and mode of a file that is there stay.
    Raises OSError, and the old file is as it was then.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            if keep_owner and path.exists():
                there = path.stat()
                os.fchown(descriptor, there.st_uid, there.st_gid)
                os.fchmod(descriptor, there.st_mode & 0o777)
            for piece in pieces:
                file.write(piece)
            if sync:
                file.flush()
                os.fsync(descriptor)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
