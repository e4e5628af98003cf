"""Files on their way out. To unlink a gigabyte takes a twentieth of a second, and nothing shall wait for that.

What is to go is moved here, which is done at once, and taken off the disk piece by piece. Only `files` uses it.
"""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path

log = logging.getLogger(__name__)

STEP_BYTES = 128 << 20
"""What one `sweep` takes off the disk at most: some milliseconds."""

_FILE_BYTES = 1 << 20
"""What a file costs besides its bytes."""

_READ_ELSEWHERE = "job.pcap"
"""A client may be downloading it. Unlinked, it stays whole for that client; cut short, it would not."""


class Trash:
    """A directory beside `jobs/`, on the same file system."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def take(self, path: Path) -> None:
        """Move a file or directory here, if it is there. What cannot be moved stays for the next start."""
        try:
            self.path.mkdir(mode=0o750, exist_ok=True)
            os.rename(path, self.path / uuid.uuid4().hex)
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("%s cannot be removed: %s", path, error.strerror)

    def sweep(self) -> bool:
        """Take a piece off the disk. True: there is more."""
        left_bytes = STEP_BYTES
        for directory, _, names in os.walk(self.path, topdown=False):
            try:
                for name in names:
                    left_bytes -= _shorten(Path(directory, name))
                    if left_bytes <= 0:
                        return True
                os.rmdir(directory)
            except OSError as error:
                log.error("%s cannot be emptied: %s", directory, error.strerror)
                return False
        return False


def _shorten(path: Path) -> int:
    """Remove the file, a large one bit by bit from its end. Gives how much that was, at least a bit for each file."""
    size_bytes = os.lstat(path).st_size
    if size_bytes > STEP_BYTES and path.name != _READ_ELSEWHERE and not path.is_symlink():
        os.truncate(path, size_bytes - STEP_BYTES)
        return STEP_BYTES
    os.unlink(path)
    return size_bytes + _FILE_BYTES
