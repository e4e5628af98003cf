"""Answers a reading from the index on disk: a `BlockSelector`. The worker's side of the index; writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from docket.domain.query.terms import FilterNode
from docket.domain.timewindow import Window
from docket.index.blocks import merged
from docket.index.candidates import candidates
from docket.index.container import Damaged
from docket.index.facts import FileFacts
from docket.index.group import Group
from docket.index.group_catalog import GroupCatalog
from docket.index.index_files import IndexLayout
from docket.index.open_indexes import OpenIndexes
from docket.index.segment import StoredSegment
from docket.index.state import read_state
from docket.index.stored_file import StoredFile
from docket.packet.octets import Mask
from docket.workers.sources.capture_files.block_selector import Extent, Selection
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
        found = []
        for place in self._groups.places(files):
            found.append(place is not None and not self._may_hold(*place, root, window))
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

    def stats(self) -> dict[str, int]:
        """How far the indexer is, for the figures of the source; nothing where none is at work."""
        state = read_state(self.layout.state)
        return state.figures() if state is not None else {}

    def _may_hold(self, group: Group, place: int, root: FilterNode | None, window: Window) -> bool:
        """Whether the file at this place of the group may; one whose group is damaged may."""
        try:
            return bool(self._groups.answers(root, window).of(group)[place])
        except (OSError, Damaged) as error:
            log.warning("a group of the index cannot be used, its files are looked up one by one: %s", error)
            self._groups.forget(group)
            return True


def _selected(stored: StoredFile, identity: FileIdentity, root: FilterNode | None, window: Window) -> Selection | None:
    facts = stored.facts
    same = facts.is_exactly(identity)
    if facts.undated or not (same or (facts.rest is not None and facts.is_beginning_of(identity))):
        return None
    extents = _extents(stored, root, window) if touches(facts, window) else ()
    whole = same and facts.clean and not facts.dropped
    # What the file's end says of it (damage, packets that the recorder lost) is read again each time.
    span_ns = (facts.first_ns, facts.last_ns) if facts.packets else None
    return Selection(extents, None if whole else facts.rest, span_ns)


def touches(facts: FileFacts, window: Window) -> bool:
    """Whether some indexed packet may lie in the window."""
    after_ns, before_ns = window.after_us * _NS_PER_US, window.before_us * _NS_PER_US
    return bool(facts.packets) and facts.last_ns >= after_ns and facts.first_ns < before_ns


def _extents(stored: StoredFile, root: FilterNode | None, window: Window) -> tuple[Extent, ...]:
    found: list[Extent] = []
    for segment in stored.segments():
        found += segment.table.extents(chosen(segment, root, window))
    return merged(found)


def chosen(segment: StoredSegment, root: FilterNode | None, window: Window) -> Mask:
    """The blocks that may hold a packet of the window that matches."""
    inside = segment.table.inside(window)
    if not inside.any():
        return inside
    return inside & (candidates(segment, root) | segment.table.unsure)
