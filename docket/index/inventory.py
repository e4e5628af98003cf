"""Which capture files are indexed already, how far, and in which group. For the indexer only."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from docket.index.facts import FileFacts
from docket.index.format.container import Damaged
from docket.index.format.stored_file import open_index
from docket.index.group import Group, fits
from docket.index.index_files import IndexLayout, file_name
from docket.workers.sources.capture_files.identity import FileIdentity

log = logging.getLogger(__name__)

Key = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index that is on disk."""

    facts: FileFacts
    size_bytes: int
    group: str | None = None
    """Name of the group that it is in."""


class Inventory:
    """Of one source. `load` once, then kept up to date by its user."""

    def __init__(self, layout: IndexLayout) -> None:
        self._layout = layout
        self._files: dict[Key, Indexed] = {}
        self._groups: dict[str, int] = {}
        """Sizes by name."""

    def load(self) -> None:
        """From disk; what is damaged or half written is removed, to be made again. Raises OSError."""
        for directory in (self._layout.files, self._layout.groups, self._layout.root):
            for left_over in directory.glob(".*.new"):
                left_over.unlink(missing_ok=True)
        sizes = {entry.name: entry.stat().st_size for entry in self._layout.files.iterdir()}
        self._load_groups(sizes)
        for name in sizes:
            path = self._layout.files / name
            try:
                with open_index(path) as stored:
                    self._add_loaded(name, stored.facts, sizes[name])
            except (OSError, Damaged) as error:
                log.warning("an index is made again: %s", error)
                path.unlink(missing_ok=True)

    def get(self, identity: FileIdentity) -> Indexed | None:
        return self._files.get((identity.device, identity.inode))

    def add(self, facts: FileFacts, size_bytes: int) -> None:
        """An index was written."""
        self._files[_key(facts)] = Indexed(facts, size_bytes)

    def add_group(self, name: str, size_bytes: int, members: Iterable[Indexed]) -> None:
        """A group was written."""
        self._groups[name] = size_bytes
        for one in members:
            self._files[_key(one.facts)] = Indexed(one.facts, one.size_bytes, name)

    def ungrouped(self) -> list[Indexed]:
        """What a group can still take, the earliest packets first."""
        found = [one for one in self._files.values() if one.group is None and fits(one.facts)]
        return sorted(found, key=lambda one: one.facts.first_ns)

    def earliest(self) -> list[Indexed]:
        """All, the earliest packets first."""
        return sorted(self._files.values(), key=lambda one: one.facts.first_ns)

    def keep(self, present: set[Key]) -> None:
        """Remove the indexes of files that are gone, and the groups of which nothing is left. Raises OSError."""
        self.remove([one for key, one in self._files.items() if key not in present])

    def remove(self, gone: Iterable[Indexed]) -> None:
        """Raises OSError."""
        for one in gone:
            key = _key(one.facts)
            (self._layout.files / file_name(*key)).unlink(missing_ok=True)
            del self._files[key]
        used = {one.group for one in self._files.values()}
        for name in self._groups.keys() - used:
            (self._layout.groups / name).unlink(missing_ok=True)
            del self._groups[name]

    def index_bytes(self) -> int:
        return sum(one.size_bytes for one in self._files.values()) + sum(self._groups.values())

    def _load_groups(self, sizes: dict[str, int]) -> None:
        for path in sorted(self._layout.groups.glob("*.group")):
            try:
                group = Group(path)
                self._groups[path.name] = path.stat().st_size
            except (OSError, Damaged) as error:
                log.warning("a group is made again: %s", error)
                path.unlink(missing_ok=True)
                continue
            for facts in group.files:
                name = file_name(*_key(facts))
                if name in sizes:
                    self._files[_key(facts)] = Indexed(facts, sizes[name], path.name)

    def _add_loaded(self, name: str, facts: FileFacts, size_bytes: int) -> None:
        known = self._files.get(_key(facts))
        if name != file_name(*_key(facts)):
            (self._layout.files / name).unlink(missing_ok=True)
        elif known is None or not known.facts.is_exactly(facts.identity):
            self._files[_key(facts)] = Indexed(facts, size_bytes)


def _key(facts: FileFacts) -> Key:
    return facts.identity.device, facts.identity.inode
