"""Which capture files lie below a directory, at any depth. For `capture_files` only.

Files are known by their first bytes, not by their names: dumpcap, tcpdump and Suricata name them as they like. A file
that has two names counts once. What is no regular file is left alone, and a directory is entered once, whatever links
lead to it.

`look` asks the system about every file and is for readings. `glance` is for what is asked every few seconds: as long
as no directory has changed it looks only at the files that were written to lately, and at the others every
quarter of an hour.
"""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from docket.workers.sources.capture_files.first_packet import first_packet
from docket.workers.sources.capture_files.formats import NotReadable, named_like_a_capture
from docket.workers.sources.capture_files.identity import FileIdentity
from docket.workers.sources.capture_files.opened_file import NotRegular, open_capture

WARM_S = 600
"""A file that was not written to for so long is taken for finished by `glance`."""
LOOK_EVERY_S = 900.0
"""A look at 60,000 files costs half a second of processor time: this keeps it below 50 ms a minute."""
MOST_FILES = 100_000
"""Of one source; they take 60 MB. Where there are more, the others are not looked at, and each answer says so."""
_SETTLED_NS = 2_000_000_000
"""The time of a directory may not show a change that came so soon after another one."""
_OWN_OF_FILE_SYSTEMS = frozenset(("lost+found",))


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """A capture that can be read, as it was when it was looked at."""

    path: str
    identity: FileIdentity
    first_us: int | None
    """Time of the first packet in the file, which need not be the earliest. None: there is none yet."""
    nanoseconds: bool
    """Its clock is finer than microseconds."""

    @property
    def modified_us(self) -> int:
        return self.identity.modified_ns // 1000

    @property
    def name(self) -> str:
        return os.path.basename(self.path)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file or directory that may hold packets and cannot be read."""

    path: str
    reason: str
    advice: str
    modified_us: int | None
    """None for directories."""
    identity: FileIdentity | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below the directory."""

    files: tuple[CaptureFile, ...]
    """By the time of their first packet; those without one at the end."""
    unusable: tuple[Unusable, ...]
    others: int
    """Files that are no captures."""
    disk_bytes: int
    """Of the captures."""
    with_packets: int = 0
    """Captures in which there is a packet."""
    last_written_us: int | None = None
    """When one of them was last written to."""


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory as it was when its names were read."""

    changed: tuple[int, int]
    read_at_ns: int
    files: tuple[str, ...]
    directories: tuple[str, ...]
    is_cut: bool = False
    """It has more names than are listed."""

    def unchanged(self, status: os.stat_result) -> bool:
        settled = self.read_at_ns - max(self.changed) > _SETTLED_NS
        return settled and self.changed == (status.st_mtime_ns, status.st_ctime_ns)


_Found = CaptureFile | Unusable | FileIdentity
"""A bare identity: no capture, or none yet."""


class Catalog:
    """Everything below one directory. Several threads may use it."""

    def __init__(self, directory: str) -> None:
        self._root = directory
        self._directories: dict[str, _Directory] = {}
        self._known: dict[str, _Found] = {}
        self._listing = Listing((), (), 0, 0)
        self._troubles: list[Unusable] = []
        """Directories that could not be listed at the last look."""
        self._inodes: set[tuple[int, int]] = set()
        self._has_doubles = False
        """Some file has several names."""
        self._warm: set[str] = set()
        self._looked_s: float | None = None
        self.examined = 0
        """Counts files and directories that the system has listed: it grows as long as that does not hang."""
        self._lock = threading.Lock()

    def look(self) -> Listing:
        """Ask about every file. Raises OSError if the directory itself cannot be read."""
        with self._lock:
            self._look()
            return self._listing

    def glance(self) -> Listing:
        """As `look`, with as little work as possible; may miss changes in files that nothing was written to lately."""
        with self._lock:
            if self._looked_s is None or time.monotonic() - self._looked_s > LOOK_EVERY_S or not self._follow():
                self._look()
            return self._listing

    def _look(self) -> None:
        known: dict[str, _Found] = {}
        troubles: list[Unusable] = []
        directories: dict[str, _Directory] = {}
        for path in self._paths(troubles, directories):
            if len(known) >= MOST_FILES:
                troubles.append(_too_many(self._root))
                break
            found = self._examined(path)
            if found is not None:
                known[path] = found
        same = not troubles and not self._troubles and self._known.keys() == known.keys()
        if not same or any(found is not known[path] for path, found in self._known.items()):
            self._listing = _listing(known, troubles)
            identities = [_identity(found) for found in known.values()]
            self._inodes = {(one.device, one.inode) for one in identities if one is not None}
            self._has_doubles = len(self._inodes) < sum(one is not None for one in identities)
        self._known, self._directories, self._troubles = known, directories, troubles
        now_ns = time.time_ns()
        self._warm = {path for path, found in known.items() if now_ns - _modified_ns(found) < WARM_S * 10**9}
        self._looked_s = time.monotonic()

    def _follow(self) -> bool:
        """Take up what has changed: names in directories, and warm files. False: a look is needed."""
        try:
            changed = self._renamed()
        except OSError:
            return False
        if changed is None:
            return False
        self._warm &= self._known.keys() | changed
        for path in changed | self._warm:
            before, found = self._known.get(path), self._examined(path)
            if found is before or _is_as_bad(before, found):
                continue
            if not self._replace(path, before, found):
                return False
        return True

    def _renamed(self) -> set[str] | None:
        """Paths that came or went; None where they are not only files. Raises OSError."""
        changed: set[str] = set()
        for path, known in self._directories.items():
            status = os.stat(path)
            if known.unchanged(status):
                continue
            if known.is_cut:
                return None
            read_at_ns = time.time_ns()
            names = set(os.listdir(path))
            came = names.difference(known.files, known.directories)
            gone = {name for name in known.files if name not in names}
            if any(os.path.isdir(os.path.join(path, name)) for name in came) or not names.issuperset(known.directories):
                return None
            files = tuple(name for name in known.files if name not in gone) if gone else known.files
            stamp = (status.st_mtime_ns, status.st_ctime_ns)
            self._directories[path] = _Directory(stamp, read_at_ns, (*files, *came), known.directories)
            changed |= {os.path.join(path, name) for name in came | gone}
        return changed

    def _replace(self, path: str, before: _Found | None, found: _Found | None) -> bool:
        """One path is another file now, has come or has gone. False where that touches more than its own line."""
        old, new = _identity(before), _identity(found)
        if self._has_doubles or (new is None) != (found is None) or (old is None) != (before is None):
            return False
        if old is not None:
            self._inodes.discard((old.device, old.inode))
        if new is not None and (new.device, new.inode) in self._inodes:
            return False
        if new is not None and found is not None:
            self._inodes.add((new.device, new.inode))
            self._known[path] = found
            self._warm.add(path)
        else:
            self._known.pop(path, None)
        if before is None or found is None or _character(before) != _character(found):
            self._listing = _patched(self._listing, before, found)
        elif isinstance(before, CaptureFile) and isinstance(found, CaptureFile):
            grown_bytes = found.identity.size_bytes - before.identity.size_bytes
            latest_us = max(self._listing.last_written_us or 0, found.modified_us)
            disk_bytes = self._listing.disk_bytes + grown_bytes
            self._listing = replace(self._listing, disk_bytes=disk_bytes, last_written_us=latest_us)
        return True

    def _paths(self, troubles: list[Unusable], directories: dict[str, _Directory]) -> Iterator[str]:
        """Every file below the root."""
        entered: set[tuple[int, int]] = set()
        waiting = [self._root]
        while waiting:
            path = waiting.pop()
            try:
                status = os.stat(path)
                if (status.st_dev, status.st_ino) in entered:
                    continue
                entered.add((status.st_dev, status.st_ino))
                names = self._names(path, status)
            except FileNotFoundError:
                if path == self._root:
                    raise
                continue  # removed in this very moment
            except OSError as error:
                if path == self._root:
                    raise
                if os.path.basename(path) not in _OWN_OF_FILE_SYSTEMS:
                    reason = f"cannot be listed: {error.strerror}"
                    troubles.append(Unusable(path, reason, "Let the worker's user read it.", None))
                continue
            directories[path] = names
            waiting += [os.path.join(path, name) for name in names.directories]
            yield from (os.path.join(path, name) for name in names.files)

    def _names(self, path: str, status: os.stat_result) -> _Directory:
        known = self._directories.get(path)
        if known is not None and known.unchanged(status):
            return known
        files: list[str] = []
        directories: list[str] = []
        is_cut = False
        read_at_ns = time.time_ns()
        with os.scandir(path) as entries:
            for entry in entries:
                if len(files) > MOST_FILES:
                    is_cut = True
                    break
                try:
                    if entry.is_dir():
                        directories.append(entry.name)
                    elif entry.is_file():
                        files.append(entry.name)
                except OSError:
                    continue  # a link that leads nowhere, or in circles
        return _Directory(
            (status.st_mtime_ns, status.st_ctime_ns), read_at_ns, tuple(files), tuple(directories), is_cut
        )

    def _examined(self, path: str) -> _Found | None:
        """What the file is; None if it is gone."""
        known = self._known.get(path)
        self.examined += 1
        try:
            status = os.stat(path)
            if known is not None:
                identity = _identity(known)
                if identity is not None and identity.unchanged(status):
                    return known
            return _opened(path)
        except (FileNotFoundError, NotRegular):
            return None
        except OSError as error:
            return Unusable(
                path, f"cannot be read: {error.strerror}", "Let the worker's user read it.", _mtime_us(path)
            )


def _too_many(root: str) -> Unusable:
    reason = f"has more than {MOST_FILES:,} files, of which the others are not looked at"
    return Unusable(root, reason, "Divide it into several sources, or have old files removed.", None)


def _opened(path: str) -> _Found:
    with open_capture(path) as opened:
        identity = opened.identity
        if isinstance(opened.form, NotReadable):
            return Unusable(path, opened.form.reason, opened.form.advice, identity.modified_ns // 1000, identity)
        if opened.fault:
            return Unusable(path, opened.fault, "Its packets are lost.", identity.modified_ns // 1000, identity)
        empty = not identity.size_bytes and named_like_a_capture(path)
        if opened.form is None and not opened.ended_early and not empty:
            return identity
        first_us, nanoseconds = first_packet(opened)
        return CaptureFile(path, identity, first_us, nanoseconds)


def _listing(known: dict[str, _Found], troubles: list[Unusable]) -> Listing:
    seen: set[tuple[int, int]] = set()
    files: list[CaptureFile] = []
    unusable = list(troubles)
    others = 0
    for found in known.values():
        identity = _identity(found)
        if identity is not None:
            if (identity.device, identity.inode) in seen:
                continue
            seen.add((identity.device, identity.inode))
        if isinstance(found, CaptureFile):
            files.append(found)
        elif isinstance(found, Unusable):
            unusable.append(found)
        else:
            others += 1
    files.sort(key=_by_time)
    unusable.sort(key=lambda file: file.path)
    disk_bytes = sum(file.identity.size_bytes for file in files)
    with_packets = sum(file.first_us is not None for file in files)
    last_written_us = max((file.modified_us for file in files), default=None)
    return Listing(tuple(files), tuple(unusable), others, disk_bytes, with_packets, last_written_us)


def _patched(listing: Listing, before: _Found | None, found: _Found | None) -> Listing:
    """The listing with one file in place of another one: to put 60,000 in order again costs a quarter of a second."""
    files = list(listing.files)
    unusable = [one for one in listing.unusable if one is not before]
    disk_bytes, others = listing.disk_bytes, listing.others
    with_packets = listing.with_packets
    if isinstance(before, CaptureFile):
        # What is listed may be older than what was known since: a growing file keeps its place.
        files = [one for one in files if one.path != before.path]
        disk_bytes -= before.identity.size_bytes
        with_packets -= before.first_us is not None
    elif isinstance(before, FileIdentity):
        others -= 1
    if isinstance(found, CaptureFile):
        bisect.insort(files, found, key=_by_time)
        disk_bytes += found.identity.size_bytes
        with_packets += found.first_us is not None
    elif isinstance(found, Unusable):
        bisect.insort(unusable, found, key=lambda one: one.path)
    elif found is not None:
        others += 1
    last_written_us = max((file.modified_us for file in files), default=None)
    return Listing(tuple(files), tuple(unusable), others, disk_bytes, with_packets, last_written_us)


def _by_time(file: CaptureFile) -> tuple[bool, int, str]:
    return file.first_us is None, file.first_us or file.modified_us, file.path


def _identity(found: _Found | None) -> FileIdentity | None:
    return found if found is None or isinstance(found, FileIdentity) else found.identity


def _is_as_bad(before: _Found | None, found: _Found | None) -> bool:
    """Whether a file could be read as little before as now."""
    if not isinstance(before, Unusable) or not isinstance(found, Unusable):
        return False
    return before.identity is None and found.identity is None and before.reason == found.reason


def _character(found: _Found) -> object:
    """What of a file decides how it is listed."""
    if isinstance(found, CaptureFile):
        return found.first_us, found.nanoseconds, found.identity.inode, found.identity.head
    return found.reason if isinstance(found, Unusable) else None


def _modified_ns(found: _Found) -> int:
    identity = _identity(found)
    return 0 if identity is None else identity.modified_ns


def _mtime_us(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns // 1000
    except OSError:
        return None
