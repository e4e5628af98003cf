"""Where the index of one source keeps its files. Pure.

DIRECTORY/<source>/files/<device>-<inode>.index      one capture file
DIRECTORY/<source>/groups/<time>-<random>.group      4 to 64 capture files that were indexed whole
DIRECTORY/<source>/state.json                        how far the indexer is
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from docket.workers.sources.capture_files.identity import FileIdentity


@dataclass(frozen=True, slots=True)
class IndexLayout:
    """The paths of one source's index."""

    root: Path

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def groups(self) -> Path:
        return self.root / "groups"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    def file(self, identity: FileIdentity) -> Path:
        """The index of this file."""
        return self.files / file_name(identity.device, identity.inode)

    def make(self, *, again: bool = False) -> None:
        """Raises OSError; with `again` also where what held the indexes of all sources has gone."""
        if again:
            os.stat(self.root.parent.parent)
        for directory in (self.files, self.groups):
            directory.mkdir(parents=True, exist_ok=True)


def file_name(device: int, inode: int) -> str:
    """Of the index of a file; two files with the same name never live at the same time."""
    return f"{device:x}-{inode:x}.index"


def of_source(directory: Path, source: str) -> IndexLayout:
    """The index of a source, below the directory of all of them."""
    return IndexLayout(directory / quote(source, safe=""))
