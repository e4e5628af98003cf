"""Answers a reading from the index on disk: a `BlockSelector`. The worker's side of the index; writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from docket.domain.query.terms import FilterNode
from docket.domain.timewindow import Window
from docket.index.candidates import chosen_blocks
from docket.index.facts import FileFacts, stretches
from docket.index.format.blocks import merged
from docket.index.format.container import Damaged
from docket.index.format.stored_file import OpenIndexes, StoredFile
from docket.index.group import Group
from docket.index.group_catalog import GroupAnswers, GroupCatalog, Place
from docket.index.index_files import IndexLayout
from docket.index.state import read_state
from docket.index.tallying import NOTHING, joined_minutes, tally, whole, within
from docket.workers.sources.capture_files.block_selector import NO_MINUTES, Extent, Selection, Tally
from docket.workers.sources.capture_files.identity import FileIdentity

log = logging.getLogger(__name__)

_NS_PER_US = 1000


class IndexSelector:
    """The index of one source. Several threads may use it."""

    def __init__(self, directory: Path) -> None:
        self.layout = IndexLayout(directory)
        self._groups = GroupCatalog(self.layout.groups)
        self._opened = OpenIndexes()

    def left_out(self, files: Sequence[FileIdentity], root: FilterNode | None, window: Window) -> list[bool]:
        """See `BlockSelector`."""
        answers = self._groups.answers(root, window)
        candidates: dict[Group, list[bool]] = {}
        found = []
        for place in self._groups.places(files):
            if place is None:
                found.append(False)
                continue
            group, number = place
            if group not in candidates:
                candidates[group] = self._candidates(group, answers)
            found.append(not candidates[group][number])
        return found

    def select(
        self,
        identity: FileIdentity,
        root: FilterNode | None,
        window: Window,
        *,
        look_inside: bool = False,  # noqa: ARG002 - all layers are indexed together
    ) -> Selection | None:
        """See `BlockSelector`."""
        path = self.layout.file(identity)
        try:
            return _selected(self._opened.get(path), identity, root, window)
        except FileNotFoundError:
            return None
        except (OSError, Damaged) as error:
            self._opened.forget(path)
            log.warning("the index of a capture file cannot be used, the file is read whole: %s", error)
            return None

    def tallies(self, files: Sequence[FileIdentity], root: FilterNode | None, window: Window) -> list[Tally | None]:
        """See `BlockSelector`."""
        places = self._groups.places(files)
        return [self._tally(file, place, root, window) for file, place in zip(files, places, strict=True)]

    def _tally(
        self, identity: FileIdentity, place: Place | None, root: FilterNode | None, window: Window
    ) -> Tally | None:
        if place is not None:
            facts = place[0].files[place[1]]
            if not touches(facts, window):
                return NOTHING
            if root is None and within(facts, window):
                return whole(facts)
        path = self.layout.file(identity)
        try:
            stored = self._opened.get(path)
            selection = _selected(stored, identity, root, window)
            return None if selection is None else tally(stored, selection, root, window)
        except FileNotFoundError:
            return None
        except (OSError, Damaged) as error:
            self._opened.forget(path)
            log.warning("the index of a capture file cannot be used to count: %s", error)
            return None

    def minutes(self, files: Sequence[FileIdentity]) -> NDArray[np.int64]:
        """See `BlockSelector`."""
        grouped: dict[Group, list[int]] = {}
        parts: list[NDArray[np.int64]] = []
        for identity, place in zip(files, self._groups.places(files), strict=True):
            if place is not None:
                grouped.setdefault(place[0], []).append(place[1])
            else:
                parts.append(self._minutes_of(identity))
        for group, members in grouped.items():
            try:
                rows = group.minutes()
            except (OSError, Damaged):
                self._groups.forget(group)
                continue
            parts.append(rows[np.isin(rows[:, 0], members)][:, 1:])
        return joined_minutes(parts)

    def _minutes_of(self, identity: FileIdentity) -> NDArray[np.int64]:
        try:
            facts = self._opened.get(self.layout.file(identity)).facts
        except (OSError, Damaged):
            return NO_MINUTES
        if not (facts.is_exactly(identity) or facts.is_beginning_of(identity)):
            return NO_MINUTES
        return np.array(facts.minutes, dtype=np.int64).reshape(len(facts.minutes), 3)

    def stretches(self, files: Sequence[FileIdentity]) -> list[list[tuple[int, int]] | None]:
        """See `BlockSelector`."""
        places = self._groups.places(files)
        return [self._stretches_of(identity, place) for identity, place in zip(files, places, strict=True)]

    def _stretches_of(self, identity: FileIdentity, place: Place | None) -> list[tuple[int, int]] | None:
        try:
            if place is None:
                facts = self._opened.get(self.layout.file(identity)).facts
                minutes = [minute for minute, _, _ in facts.minutes]
            else:
                facts, rows = place[0].files[place[1]], place[0].minutes()
                minutes = rows[rows[:, 0] == place[1], 1].tolist()
        except (OSError, Damaged):
            return None
        all_known = facts.is_exactly(identity) and not facts.cut_off and not facts.damaged
        return stretches(facts, minutes) if all_known else None

    def stats(self) -> dict[str, int]:
        """How far the indexer is, for the figures of the source; nothing where none is at work."""
        state = read_state(self.layout.state)
        return state.figures() if state is not None else {}

    def _candidates(self, group: Group, answers: GroupAnswers) -> list[bool]:
        """Which files of a group may hold something; all of one that is damaged, or has just gone."""
        try:
            return answers.of(group)
        except FileNotFoundError:
            log.debug("a larger group has taken the place of %s", group.path)
        except (OSError, Damaged) as error:
            log.warning("a group of the index cannot be used, its files are looked up one by one: %s", error)
        self._groups.forget(group)
        return [True] * len(group.files)


def _selected(stored: StoredFile, identity: FileIdentity, root: FilterNode | None, window: Window) -> Selection | None:
    facts = stored.facts
    same = facts.is_exactly(identity)
    if facts.undated or not (same or (facts.rest is not None and facts.is_beginning_of(identity))):
        return None
    extents = _extents(stored, root, window) if touches(facts, window) else ()
    # What is wrong with the file's end is read again each time.
    rest = None if same and facts.clean else facts.rest
    span_ns = (facts.first_ns, facts.last_ns) if facts.packets else None
    return Selection(extents, rest, span_ns, None if same else facts.tail, facts.drops, facts.sections)


def touches(facts: FileFacts, window: Window) -> bool:
    """Whether some indexed packet may lie in the window."""
    after_ns, before_ns = window.after_us * _NS_PER_US, window.before_us * _NS_PER_US
    return bool(facts.packets) and facts.last_ns >= after_ns and facts.first_ns < before_ns


def _extents(stored: StoredFile, root: FilterNode | None, window: Window) -> tuple[Extent, ...]:
    found: list[Extent] = []
    for segment in stored.segments():
        found += segment.table.extents(chosen_blocks(segment, root, window))
    return merged(found)
