"""The files of one recorder, and how many of them stay: bounded in bytes, and by the free space of the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_FILES_IN_RING = 100
_SMALLEST_FILE_BYTES = 1_000_000
_LARGEST_FILE_BYTES = 1_000_000_000
_FASTEST_BYTES_PER_S = 1_250_000_000
"""An interface of 10 Gbit/s."""
_SHORTEST_LOOK_S, _LONGEST_LOOK_S = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Ring:
    """A directory with the files of one interface; other files in it are left alone."""

    directory: Path
    interface: str
    most_bytes: int
    min_free_bytes: int

    @property
    def file_bytes(self) -> int:
        """How large one file becomes."""
        return max(_SMALLEST_FILE_BYTES, min(_LARGEST_FILE_BYTES, self.most_bytes // _FILES_IN_RING))

    @property
    def look_every_s(self) -> float:
        """Within this time no interface writes more than the room of one file that `prune` leaves."""
        return max(_SHORTEST_LOOK_S, min(_LONGEST_LOOK_S, self.file_bytes / _FASTEST_BYTES_PER_S))

    @property
    def template(self) -> Path:
        """The name that dumpcap puts number and time into."""
        return self.directory / f"{self.interface}.pcapng"

    def prune(self) -> int:
        """Remove the oldest files until another one fits; gives their number. The newest stays. Raises OSError."""
        files = self._files()
        total, removed = sum(size for _, size, _ in files), 0
        for _, size, path in files[:-1]:
            if total + self.file_bytes <= self.most_bytes and self.free_bytes() >= self._wanted_free_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
            removed += 1
        return removed

    def newest(self) -> Path | None:
        """The file that is written, or was written last. Raises OSError."""
        files = self._files()
        return files[-1][2] if files else None

    def used_bytes(self) -> int:
        """Raises OSError."""
        return sum(size for _, size, _ in self._files())

    def free_bytes(self) -> int:
        """Free for those who are not root. Raises OSError."""
        status = os.statvfs(self.directory)
        return status.f_bavail * status.f_frsize

    def has_room(self) -> bool:
        """Whether it may be written to. False: others have filled the disk, and nothing is left to remove."""
        return self.free_bytes() >= self.min_free_bytes

    @property
    def _wanted_free_bytes(self) -> int:
        return self.min_free_bytes + self.file_bytes

    def _files(self) -> list[tuple[int, int, Path]]:
        """Time of the last write, size and path, the oldest first."""
        found = []
        for entry in os.scandir(self.directory):
            if entry.name.startswith(f"{self.interface}_") and entry.name.endswith(".pcapng"):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                found.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
        return sorted(found)
