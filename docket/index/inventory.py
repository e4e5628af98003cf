"""Which capture files are indexed already, how far, and in which group. For the indexer only."""

from __future__ import annotations

import logging
from collections import Counter
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


@dataclass(frozen=True, slots=True)
class _GroupFile:
    """A group that is on disk."""

    size_bytes: int
    files: int
    """That it was written with, whether they are still there or not."""


class Inventory:
    """Of one source. `load` once, then kept up to date by its user."""

    def __init__(self, layout: IndexLayout) -> None:
        self._layout = layout
        self._files: dict[Key, Indexed] = {}
        self._ungrouped: dict[Key, Indexed] = {}
        """Those of the files that a group can still take."""
        self._members: Counter[str] = Counter()
        """How many files each group has that are still there."""
        self._groups: dict[str, _GroupFile] = {}
        """By name."""
        self.indexed_bytes = 0
        """Of the captures."""
        self.index_bytes = 0
        self.dropped = 0
        """Packets that recorders say they lost."""

    def __len__(self) -> int:
        return len(self._files)

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
        return self._files.get(key_of(identity))

    def add(self, facts: FileFacts, size_bytes: int) -> None:
        """An index was written. Raises OSError."""
        self._put(Indexed(facts, size_bytes))
        self._remove_empty_groups()

    def add_group(self, name: str, size_bytes: int, members: Iterable[Indexed]) -> None:
        """A group was written. Those that it takes the place of go. Raises OSError."""
        members = list(members)
        self._put_group(name, _GroupFile(size_bytes, len(members)))
        for one in members:
            self._put(Indexed(one.facts, one.size_bytes, name))
        self._remove_empty_groups()

    def ungrouped(self) -> list[Indexed]:
        """What a group can still take, the earliest packets first."""
        return sorted(self._ungrouped.values(), key=lambda one: one.facts.first_ns)

    def ungrouped_count(self) -> int:
        return len(self._ungrouped)

    def groups_of(self, sizes: range) -> list[str]:
        """The groups that were written with so many files, the earliest packets first."""
        return sorted(name for name, group in self._groups.items() if group.files in sizes)

    def members(self, group: str) -> list[Indexed]:
        """The files of a group that are still there, the earliest packets first."""
        found = [one for one in self._files.values() if one.group == group]
        return sorted(found, key=lambda one: one.facts.first_ns)

    def earliest(self) -> list[Indexed]:
        """All, the earliest packets first."""
        return sorted(self._files.values(), key=lambda one: one.facts.first_ns)

    def keep(self, present: set[Key]) -> None:
        """Remove the indexes of files that are gone, and the groups of which nothing is left. Raises OSError."""
        self.remove([key for key in self._files if key not in present])

    def remove(self, gone: Iterable[Key]) -> None:
        """Raises OSError."""
        for key in gone:
            if key in self._files:
                (self._layout.files / file_name(*key)).unlink(missing_ok=True)
                self._take_out(key)
        self._remove_empty_groups()

    def _remove_empty_groups(self) -> None:
        for name in [name for name in self._groups if not self._members[name]]:
            (self._layout.groups / name).unlink(missing_ok=True)
            self.index_bytes -= self._groups.pop(name).size_bytes

    def _put(self, one: Indexed) -> None:
        key = key_of(one.facts.identity)
        self._take_out(key)
        self._files[key] = one
        self.indexed_bytes += one.facts.identity.size_bytes
        self.index_bytes += one.size_bytes
        self.dropped += one.facts.dropped
        if one.group is not None:
            self._members[one.group] += 1
        elif fits(one.facts):
            self._ungrouped[key] = one

    def _take_out(self, key: Key) -> None:
        one = self._files.pop(key, None)
        self._ungrouped.pop(key, None)
        if one is not None:
            self.indexed_bytes -= one.facts.identity.size_bytes
            self.index_bytes -= one.size_bytes
            self.dropped -= one.facts.dropped
            if one.group is not None:
                self._members[one.group] -= 1

    def _put_group(self, name: str, group: _GroupFile) -> None:
        self._groups[name] = group
        self.index_bytes += group.size_bytes

    def _load_groups(self, sizes: dict[str, int]) -> None:
        for path in sorted(self._layout.groups.glob("*.group")):
            try:
                group = Group(path)
                self._put_group(path.name, _GroupFile(path.stat().st_size, len(group.files)))
            except (OSError, Damaged) as error:
                log.warning("a group is made again: %s", error)
                path.unlink(missing_ok=True)
                continue
            for facts in group.files:
                key = key_of(facts.identity)
                name, known = file_name(*key), self._files.get(key)
                if name in sizes and (known is None or facts.is_no_older_than(known.facts)):
                    self._put(Indexed(facts, sizes[name], path.name))

    def _add_loaded(self, name: str, facts: FileFacts, size_bytes: int) -> None:
        key = key_of(facts.identity)
        known = self._files.get(key)
        if name != file_name(*key):
            (self._layout.files / name).unlink(missing_ok=True)
        elif known is None or not known.facts.is_exactly(facts.identity):
            self._put(Indexed(facts, size_bytes))


def key_of(identity: FileIdentity) -> Key:
    return identity.device, identity.inode
