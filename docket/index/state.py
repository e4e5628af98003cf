"""How far the indexer of a source is, as a small file beside its index: for the figures of the worker."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from docket.domain.decoding import prepare
from docket.runtime.whole_file import replace_file


class IndexState(msgspec.Struct, frozen=True, kw_only=True):
    """Of one source."""

    indexed_files: int = 0
    indexed_bytes: int = 0
    """Of the captures, as they lie on disk."""
    behind_files: int = 0
    behind_bytes: int = 0
    """What is still to be indexed."""
    index_bytes: int = 0
    dropped: int = 0
    """Packets that recorders say they lost, in the files that are indexed."""
    error: str = ""
    """Why nothing more is indexed."""
    written_at: float = 0.0

    def figures(self) -> dict[str, int]:
        """For the figures of a source."""
        return {
            "indexed_files": self.indexed_files,
            "indexed_bytes": self.indexed_bytes,
            "index_bytes": self.index_bytes,
            "dropped": self.dropped,
            "behind": self.behind_bytes,
            "behind_files": self.behind_files,
            "index_reported": int(self.written_at),
        }


def write_state(path: Path, state: IndexState) -> None:
    """Raises OSError."""
    replace_file(path, [msgspec.json.encode(msgspec.structs.replace(state, written_at=time.time()))])


def read_state(path: Path) -> IndexState | None:
    """None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=IndexState)
    except (OSError, msgspec.DecodeError):
        return None


prepare(IndexState)
