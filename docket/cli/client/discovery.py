"""Where a running `docket run` is found: a small file in the user's state directory, locked while it runs.

The lock is the sign of life: it goes with the process, however that ends, so a stale address is never used.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


def server_file(environ: Mapping[str, str]) -> Path:
    """The file for this user: below XDG_STATE_HOME, else ~/.local/state."""
    state = environ.get("XDG_STATE_HOME")
    home = Path(environ.get("HOME", "/nonexistent"))
    return (Path(state) if state else home / ".local/state") / "docket" / "server"


@contextmanager
def announced(url: str, environ: Mapping[str, str]) -> Iterator[bool]:
    """Keep the address in the file within the block.

    Gives False, and changes nothing, where another `docket run` of this user holds the file or it cannot be written.
    """
    path = server_file(environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.debug("%s cannot be written: %s", path, error.strerror)
        yield False
        return
    try:
        if not _lock(descriptor, fcntl.LOCK_EX):
            yield False
            return
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{url}\n".encode(), 0)
        yield True
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def running_server(environ: Mapping[str, str]) -> str | None:
    """The address of this user's running `docket run`, or None."""
    try:
        with server_file(environ).open() as file:
            if _lock(file.fileno(), fcntl.LOCK_SH):
                return None
            return file.readline().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
