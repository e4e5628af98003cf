"""Keeps the index of one source up to date: the newest files first, and the growing ones as they grow.

    indexer = SourceIndexer(directory, layout, min_free_bytes)
    while indexer.step(stop): ...          False: there is nothing to do at present

Never writes into the capture directory. What it cannot index is left to be read whole.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid

from docket.index.build import Built, build
from docket.index.facts import FileFacts
from docket.index.format.container import Damaged
from docket.index.format.stored_file import open_index, write_index
from docket.index.group import write_group
from docket.index.index_figures import show
from docket.index.index_files import IndexLayout
from docket.index.inventory import Indexed, Inventory, Key, key_of
from docket.index.state import IndexState, write_state
from docket.workers.sources.capture_files.catalog import Catalog
from docket.workers.sources.capture_files.identity import FileIdentity
from docket.workers.sources.capture_files.listing import CaptureFile, Listing
from docket.workers.sources.capture_files.opened_file import OpenedFile, open_capture

log = logging.getLogger(__name__)

QUIET_NS = 10 * 10**9
"""A file that was not written to for so long is indexed to its end."""
STEP_BYTES = 16 * 1024 * 1024
STEP_SHARE = 16
"""A growing file is indexed when it has grown by both. The whole index is written each time, hence the share."""
SLICE_BYTES = 4 * 1024**3
"""Of a large file that are read before the index is written."""
GROUP_FILES = (4, 16, 64)
"""So few files become a group at first, and four groups of one size then one of the next: a question looks at three
files and six groups at most besides the full ones, and each file is entered three times."""
_MERGED = 4
SETTLED_NS = 20 * 10**9
"""Files go into a group when they were not written to for so long."""
PLAN_S = 5.0
"""How old the list of what is to be done may become."""
STATE_S = 10.0
STATE_SHARE = 50
"""While there is work, at most a fiftieth of the time goes into saying how far it is."""
MOST_SHARE = 50
SPARE_BYTES = 64 * 1024 * 1024
"""The index takes a fiftieth of what the captures take, and this, at most; then the oldest goes."""


class SourceIndexer:
    """Not for several threads."""

    def __init__(self, directory: str, layout: IndexLayout, min_free_bytes: int, source: str = "") -> None:
        self._source = source or directory
        self._layout = layout
        self._min_free_bytes = min_free_bytes
        self._catalog = Catalog(directory)
        self._inventory: Inventory | None = None
        self._made = False
        self._files: tuple[CaptureFile, ...] | None = None
        """Those that were followed last."""
        self._disk_bytes = 0
        self._pending: dict[Key, CaptureFile] = {}
        """Files that are not known to be indexed whole."""
        self._plan: list[CaptureFile] = []
        self._planned_s = 0.0
        self._unfit: set[FileIdentity] = set()
        """Files that could not be indexed, or are to have no index any more, as they were then."""
        self._written = IndexState()
        self._written_s = 0.0
        self._state_cost_s = 0.0
        """Time that the latest state took to put together, which grows with what is still to be indexed."""

    def step(self, stop: threading.Event) -> bool:
        """Index one file, or a piece of a large one. Gives whether there is more. Raises nothing for what files do."""
        try:
            inventory = self._loaded()
            self._look(inventory)
            self._make_room(inventory)
            full, few = GROUP_FILES[-1], GROUP_FILES[0]
            worked = self._group(inventory, full) or self._next(inventory, stop) or self._group(inventory, few)
        except OSError as error:
            if not self._layout.root.is_dir():
                self._inventory = None  # it went with its directory, and is made again as at a start
            self._report(f"{error.strerror or error}")
            return False
        self._report("", working=worked)
        return worked and not stop.is_set()

    def _loaded(self) -> Inventory:
        if self._inventory is None:
            self._layout.make(again=self._made)
            self._made = True
            inventory = Inventory(self._layout)
            inventory.load()
            self._inventory, self._files = inventory, None
        return self._inventory

    def _look(self, inventory: Inventory) -> None:
        """Make the plan again when it is old or done."""
        now_s = time.monotonic()
        if self._plan and now_s - self._planned_s < PLAN_S:
            return
        self._follow(inventory, self._catalog.glance())
        for key in [key for key, file in self._pending.items() if self._is_done(inventory, file)]:
            del self._pending[key]
        wanted = [file for file in self._pending.values() if self._is_due(inventory, file)]
        self._plan = sorted(wanted, key=lambda file: file.identity.modified_ns)
        self._planned_s = now_s

    def _follow(self, inventory: Inventory, listing: Listing) -> None:
        """Take up which files came and went. There may be 60,000: those that stay are not gone through again."""
        change = listing.change
        if listing.files is not self._files and (change is None or change.since is not self._files):
            inventory.keep({key_of(file.identity) for file in listing.files})
            self._unfit &= {file.identity for file in listing.files}
            self._pending = {key_of(file.identity): file for file in listing.files}
        elif listing.files is not self._files and change is not None:
            self._unfit -= {file.identity for file in change.gone}
            came = {key_of(file.identity): file for file in change.came}
            gone = {key_of(file.identity) for file in change.gone} - came.keys()
            inventory.remove(gone)
            self._pending = {key: file for key, file in self._pending.items() if key not in gone} | came
        self._files, self._disk_bytes = listing.files, listing.disk_bytes

    def _is_done(self, inventory: Inventory, file: CaptureFile) -> bool:
        """Nothing is to be indexed as long as the file stays as it is."""
        if file.first_us is None or file.identity in self._unfit:
            return True
        known = inventory.get(file.identity)
        return known is not None and known.facts.is_exactly(file.identity) and not known.facts.cut_off

    def _is_due(self, inventory: Inventory, file: CaptureFile) -> bool:
        known = inventory.get(file.identity)
        return not self._is_done(inventory, file) and (known is None or self._has_changed(known.facts, file.identity))

    def _has_changed(self, facts: FileFacts, identity: FileIdentity) -> bool:
        if facts.is_exactly(identity):
            return facts.cut_off
        if not facts.is_beginning_of(identity):
            return True
        grown = identity.size_bytes - facts.identity.size_bytes
        quiet = time.time_ns() - identity.modified_ns > QUIET_NS
        return quiet or grown >= max(STEP_BYTES, identity.size_bytes // STEP_SHARE)

    def _next(self, inventory: Inventory, stop: threading.Event) -> bool:
        if not self._plan:
            return False
        file = self._plan.pop()
        try:
            with open_capture(file.path) as opened:
                self._index(inventory, file.path, opened, stop)
        except FileNotFoundError:
            pass  # rotated away
        except OSError:
            if not os.path.exists(file.path) or os.access(file.path, os.R_OK):
                raise
            self._unfit.add(file.identity)
        except Exception:
            # A file that no code expected must not keep the others from being indexed.
            log.exception("a capture file cannot be indexed and will be read whole")
            self._unfit.add(file.identity)
        return True

    def _index(self, inventory: Inventory, path: str, opened: OpenedFile, stop: threading.Event) -> None:
        place = self._layout.file(opened.identity)
        known = inventory.get(opened.identity)

        def go_on(read_bytes: int) -> bool:
            return read_bytes < SLICE_BYTES and not stop.is_set()

        built: Built | None
        if known is not None and _goes_on(known.facts, opened):
            try:
                with open_index(place) as earlier:
                    built = build(opened, path, earlier, go_on)
            except (FileNotFoundError, Damaged):
                built = build(opened, path, None, go_on)
        else:
            built = build(opened, path, None, go_on)
        if built is None or not built.facts.segments:
            self._unfit.add(opened.identity)
            return
        inventory.add(built.facts, write_index(place, built.facts, built.sections))

    def _group(self, inventory: Inventory, least: int) -> bool:
        """Write a group if there are so many files for one, or several groups that one can take the place of."""
        members = _ready(inventory, least) or (_mergeable(inventory) if least < GROUP_FILES[-1] else [])
        if not members:
            return False
        name = f"{members[0].facts.first_ns:020}-{uuid.uuid4().hex[:8]}.group"
        indexes = [self._layout.file(one.facts.identity) for one in members]
        try:
            size_bytes = write_group(self._layout.groups / name, indexes)
        except (FileNotFoundError, Damaged):
            self._inventory = None  # what is on disk is not what was thought: look again
            return True
        inventory.add_group(name, size_bytes, members)
        return True

    def _make_room(self, inventory: Inventory) -> None:
        """Hold the bound. Raises OSError where the disk is too full."""
        over = inventory.index_bytes - self._disk_bytes // MOST_SHARE - SPARE_BYTES
        gone: list[Key] = []
        for one in inventory.earliest() if over > 0 else ():
            if over <= 0:
                break
            gone.append(key_of(one.facts.identity))
            self._unfit.add(one.facts.identity)
            over -= one.size_bytes
        if gone:
            inventory.remove(gone)
        status = os.statvfs(self._layout.root)
        if status.f_bavail * status.f_frsize < self._min_free_bytes:
            raise OSError(0, "the disk of the index is nearly full")

    def _report(self, error: str, *, working: bool = False) -> None:
        now_s = time.monotonic()
        if working and now_s - self._written_s < self._state_cost_s * STATE_SHARE:
            return
        state = self._state(error)
        self._state_cost_s = time.monotonic() - now_s
        if state == self._written and now_s - self._written_s < STATE_S:
            return
        if error and error != self._written.error:
            log.warning("nothing more is indexed: %s", error)
        try:
            write_state(self._layout.state, state)
        except OSError as failed:
            log.debug("the state of the index cannot be written: %s", failed)
        show(self._source, state)
        self._written, self._written_s = state, now_s

    def _state(self, error: str) -> IndexState:
        inventory = self._inventory
        if inventory is None:
            return IndexState(error=error)
        behind_files = behind_bytes = 0
        for file in self._pending.values():
            if self._is_due(inventory, file):
                known = inventory.get(file.identity)
                done_bytes = 0 if known is None else known.facts.identity.size_bytes
                behind_files += 1
                behind_bytes += max(0, file.identity.size_bytes - done_bytes)
        return IndexState(
            indexed_files=len(inventory),
            indexed_bytes=inventory.indexed_bytes,
            behind_files=behind_files,
            behind_bytes=behind_bytes,
            index_bytes=inventory.index_bytes,
            dropped=inventory.dropped,
            error=error,
        )


def _goes_on(facts: FileFacts, opened: OpenedFile) -> bool:
    """Whether a file is what was indexed, or has grown from it."""
    grown = facts.is_beginning_of(opened.identity) and opened.goes_on_from(facts.tail)
    return grown or facts.is_exactly(opened.identity)


def _ready(inventory: Inventory, least: int) -> list[Indexed]:
    """Files that a group can take, as many as make one of some size; none if there are fewer than `least`."""
    if inventory.ungrouped_count() < least:
        return []
    settled_ns = time.time_ns() - SETTLED_NS
    ready = [one for one in inventory.ungrouped() if one.facts.identity.modified_ns < settled_ns]
    return ready[: max((size for size in GROUP_FILES if least <= size <= len(ready)), default=0)]


def _mergeable(inventory: Inventory) -> list[Indexed]:
    """The files of several groups that one group can take the place of."""
    for least, behind in ((1, GROUP_FILES[1]), (GROUP_FILES[1], GROUP_FILES[2] // 2 + 1)):
        groups = inventory.groups_of(range(least, behind))
        if len(groups) < _MERGED:
            continue
        members: list[Indexed] = []
        for group in groups[:_MERGED]:
            more = inventory.members(group)
            if len(members) + len(more) <= GROUP_FILES[-1]:
                members += more
        return members
    return []
