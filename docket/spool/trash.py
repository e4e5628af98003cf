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
        for directory, directories, names in os.walk(self.path, topdown=False):
            try:
                if names:
                    _shorten(Path(directory, names[0]))
                elif not directories:
                    os.rmdir(directory)
                else:
                    continue
            except OSError as error:
                log.error("%s cannot be emptied: %s", directory, error.strerror)
                return False
            return directory != str(self.path)
        return False


def _shorten(path: Path) -> None:
    """Remove the file, a large one bit by bit from its end."""
    size_bytes = os.lstat(path).st_size
    if size_bytes > STEP_BYTES and path.name != _READ_ELSEWHERE and not path.is_symlink():
        os.truncate(path, size_bytes - STEP_BYTES)
    else:
        os.unlink(path)
