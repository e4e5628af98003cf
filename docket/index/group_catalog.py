"""All groups of a source's index, as a worker sees them: which file is in which. Follows the directory by itself."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from docket.domain.query.terms import FilterNode
from docket.domain.timewindow import Window
from docket.index.format.container import Damaged
from docket.index.group import Group
from docket.workers.sources.capture_files.identity import FileIdentity

log = logging.getLogger(__name__)

Place = tuple[Group, int]

_SETTLED_NS = 2_000_000_000
"""The time of a directory may not show a change that came so soon after another one."""
_QUERIES = 8
"""Whose answers are kept: those of the readings that are under way."""


class GroupAnswers:
    """What all groups say to one query and window; each group is asked once."""

    def __init__(self, root: FilterNode | None, window: Window) -> None:
        self.root = root
        self.window = window
        self._answers: dict[Path, list[bool]] = {}

    def of(self, group: Group) -> list[bool]:
        """For each of its files whether it may hold something. Raises OSError and Damaged."""
        known = self._answers.get(group.path)
        if known is None:
            known = self._answers[group.path] = group.candidates(self.root, self.window).tolist()
        return known


class GroupCatalog:
    """Several threads may use it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._changed_ns = -1
        self._listed_ns = 0
        self._groups: dict[str, Group | None] = {}
        self._places: dict[tuple[int, int], Place] = {}
        self._exact: dict[tuple[int, int], FileIdentity] = {}
        """Identities that were compared already: there may be 60,000, and the same objects come again."""
        self._answers: list[GroupAnswers] = []
        self._lock = threading.Lock()

    def groups(self) -> list[Group]:
        """All that can be used."""
        with self._lock:
            self._refresh()
            return [group for group in self._groups.values() if group is not None]

    def places(self, files: Sequence[FileIdentity]) -> list[Place | None]:
        """The group of each of exactly these files, and its place there."""
        with self._lock:
            self._refresh()
            return [self._place(identity) for identity in files]

    def _place(self, identity: FileIdentity) -> Place | None:
        key = (identity.device, identity.inode)
        found = self._places.get(key)
        if found is None or self._exact.get(key) is identity:
            return found
        group, place = found
        if not group.files[place].is_exactly(identity):
            return None
        self._exact[key] = identity
        return found

    def answers(self, root: FilterNode | None, window: Window) -> GroupAnswers:
        """Those of this query; the object is recognised, for comparing large queries would cost more than asking."""
        with self._lock:
            for answers in self._answers:
                if answers.root is root and answers.window == window:
                    return answers
            answers = GroupAnswers(root, window)
            self._answers = [*self._answers[1 - _QUERIES :], answers]
            return answers

    def forget(self, group: Group) -> None:
        """It turned out to be damaged, or is not there any more."""
        with self._lock:
            self._groups[group.path.name] = None
            self._take_out([group])

    def _refresh(self) -> None:
        try:
            changed_ns = os.stat(self._directory).st_mtime_ns
            if changed_ns == self._changed_ns and self._listed_ns - changed_ns > _SETTLED_NS:
                return
            listed_ns = time.time_ns()
            names = {name for name in os.listdir(self._directory) if name.endswith(".group")}
        except OSError:
            self._groups, self._places, self._exact, self._changed_ns = {}, {}, {}, -1
            return
        for name in sorted(names - self._groups.keys()):
            self._groups[name] = group = _opened(self._directory / name)
            if group is not None:
                self._take_in(group)
        gone = [self._groups.pop(name) for name in self._groups.keys() - names]
        self._take_out([group for group in gone if group is not None])
        self._changed_ns, self._listed_ns = changed_ns, listed_ns

    def _take_in(self, group: Group) -> None:
        """Before those whose place it takes are taken out."""
        for place, facts in enumerate(group.files):
            key = (facts.identity.device, facts.identity.inode)
            known = self._places.get(key)
            if known is None or facts.is_no_older_than(known[0].files[known[1]]):
                self._places[key] = group, place
                self._exact.pop(key, None)

    def _take_out(self, groups: Sequence[Group]) -> None:
        if groups:
            self._places = {key: place for key, place in self._places.items() if place[0] not in groups}
            self._exact = {key: identity for key, identity in self._exact.items() if key in self._places}


def _opened(path: Path) -> Group | None:
    try:
        return Group(path)
    except FileNotFoundError:
        return None
    except (OSError, Damaged) as error:
        log.warning("a group of the index cannot be used: %s", error)
        return None
