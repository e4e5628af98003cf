"""Which capture files lie below a directory, at any depth. For `capture_files` only.

Files are known by their first bytes, not by their names: dumpcap, tcpdump and Suricata name them as they like. A file
that has two names counts once. What is no regular file is left alone, and a directory is entered once, whatever links
lead to it.

`look` asks the system about every file and is for readings. `glance` is for what is asked every few seconds: as long
as no directory has changed it looks only at the files that were written to lately, and at the others every
quarter of an hour; the names of a large directory that has changed it reads within a minute.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from docket.workers.sources.capture_files.first_packet import first_packet
from docket.workers.sources.capture_files.formats import NotReadable
from docket.workers.sources.capture_files.identity import FileIdentity, digest_of
from docket.workers.sources.capture_files.listing import (
    CaptureFile,
    Found,
    Listing,
    Replaced,
    Unusable,
    identity_of,
    listed,
    patched,
)
from docket.workers.sources.capture_files.opened_file import NotRegular, open_capture

WARM_S = 600
"""A file that was not written to for so long is taken for finished by `glance`."""
LOOK_EVERY_S = 900.0
"""A look at 60,000 files costs half a second of processor time: this keeps it below 50 ms a minute."""
MOST_FILES = 100_000
"""Of one source; they take 60 MB. Where there are more, the others are not looked at, and each answer says so."""
_SETTLED_NS = 2_000_000_000
"""The time of a directory may not show a change that came so soon after another one."""
_CHEAP_NS = 1_000_000
_LISTING_SHARE = 1200
"""A glance reads the names of a directory again at the latest after so many times what it took, which is 50 ms a
minute: of 60,000 files after 40 s. Where it is cheap it does so at once."""
_LOOKS_AT_ONCE = 3
"""Where names come and go all the time."""
_FEW = 1000
"""Files that have changed; of more of them the listing is quicker put together again."""
_OWN_OF_FILE_SYSTEMS = frozenset(("lost+found",))


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory as it was when its names were read."""

    changed: tuple[int, int]
    read_at_ns: int
    files: tuple[str, ...]
    """Their whole paths: to put them together each time costs as much as to ask about them."""
    directories: tuple[str, ...]
    names: frozenset[str]
    """Of both."""
    cost_ns: int
    """Processor time that it took to read them."""
    is_cut: bool = False
    """It has more names than are listed."""

    def unchanged(self, status: os.stat_result) -> bool:
        settled = self.read_at_ns - max(self.changed) > _SETTLED_NS
        return settled and self.changed == (status.st_mtime_ns, status.st_ctime_ns)

    def is_fresh(self) -> bool:
        """Whether to read the names again now would take too large a share of a processor."""
        return self.cost_ns > _CHEAP_NS and time.time_ns() - self.read_at_ns < self.cost_ns * _LISTING_SHARE


class Catalog:
    """Everything below one directory. Several threads may use it."""

    def __init__(self, directory: str) -> None:
        self._root = directory
        self._directories: dict[str, _Directory] = {}
        self._known: dict[str, Found] = {}
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
            if self._looked_s is None or time.monotonic() - self._looked_s > LOOK_EVERY_S:
                self._look()
            elif not self._follow():
                self._look(rebuild=True)
            return self._listing

    def _look(self, *, rebuild: bool = False) -> None:
        """`rebuild`: the listing does not show what was known before."""
        for _ in range(_LOOKS_AT_ONCE):
            self._look_once(rebuild=rebuild)
            if not self._changed_meanwhile():
                return

    def _changed_meanwhile(self) -> bool:
        """Whether names came or went after they were read: a file that was renamed may have been missed."""
        try:
            return any(
                known.changed != (status.st_mtime_ns, status.st_ctime_ns)
                for known, status in ((known, os.stat(path)) for path, known in self._directories.items())
            )
        except OSError:
            return True

    def _look_once(self, *, rebuild: bool) -> None:
        known: dict[str, Found] = {}
        replaced: list[Replaced] = []
        changed: list[str] = []
        troubles: list[Unusable] = []
        directories: dict[str, _Directory] = {}
        earlier, examined = self._known.get, self._examined
        for path in self._paths(troubles, directories):
            before = earlier(path)
            found = examined(path, before)
            if found is not None:
                known[path] = found
                if found is not before:
                    replaced.append((before, found))
                    changed.append(path)
        replaced = _gone(self._known, known) + replaced
        if rebuild or troubles or self._troubles or not self._take(replaced):
            self._listing = listed(known.values(), troubles)
            identities = [identity_of(found) for found in known.values()]
            self._inodes = {(one.device, one.inode) for one in identities if one is not None}
            self._has_doubles = len(self._inodes) < sum(one is not None for one in identities)
        self._known, self._directories, self._troubles = known, directories, troubles
        warm_ns = time.time_ns() - WARM_S * 10**9
        # What was cold and has not changed is cold.
        maybe = self._warm.intersection(known).union(changed)
        self._warm = {path for path in maybe if _modified_ns(known[path]) > warm_ns}
        self._looked_s = time.monotonic()

    def _follow(self) -> bool:
        """Take up what has changed: names in directories, and warm files. False: a look is needed."""
        try:
            changed = self._renamed()
        except OSError:
            return False
        if changed is None:
            return False
        self._warm = {path for path in self._warm if path in self._known}
        different: dict[str, Replaced] = {}
        for path in changed | self._warm:
            before = self._known.get(path)
            found = self._examined(path, before)
            if found is not before and not _is_as_bad(before, found):
                different[path] = before, found
        if not self._take(list(different.values())):
            return False
        for path, (_, found) in different.items():
            if found is None:
                del self._known[path]
            else:
                self._known[path] = found
                self._warm.add(path)
        return True

    def _renamed(self) -> set[str] | None:
        """Paths that came or went; None where they are not only files. Raises OSError."""
        changed: set[str] = set()
        for path, known in self._directories.items():
            status = os.stat(path)
            if known.unchanged(status) or known.is_fresh():
                continue
            if known.is_cut:
                return None
            read_at_ns, began_ns = time.time_ns(), time.thread_time_ns()
            names = frozenset(os.listdir(path))
            came, gone = names - known.names, known.names - names
            if any(os.path.isdir(os.path.join(path, name)) for name in came) or not gone.isdisjoint(known.directories):
                return None
            left = {os.path.join(path, name) for name in gone}
            files = tuple(file for file in known.files if file not in left) if left else known.files
            # As in a look at everything: sockets, pipes, and links in circles are no files.
            new = tuple(filter(os.path.isfile, (os.path.join(path, name) for name in came)))
            stamp = (status.st_mtime_ns, status.st_ctime_ns)
            cost_ns = time.thread_time_ns() - began_ns
            self._directories[path] = _Directory(stamp, read_at_ns, (*files, *new), known.directories, names, cost_ns)
            changed |= left.union(new)
        return changed

    def _take(self, replaced: list[Replaced]) -> bool:
        """Change the listing. False where that touches more than the lines of these files: it must be rebuilt."""
        if not replaced:
            return True
        if self._has_doubles or len(replaced) > _FEW or not all(map(_is_one_file, replaced)):
            return False
        self._inodes -= {(one.device, one.inode) for old, _ in replaced if (one := identity_of(old)) is not None}
        for _, found in replaced:
            new = identity_of(found)
            if new is not None and (new.device, new.inode) in self._inodes:
                return False
            if new is not None:
                self._inodes.add((new.device, new.inode))
        self._listing = patched(self._listing, replaced)
        return True

    def _paths(self, troubles: list[Unusable], directories: dict[str, _Directory]) -> Iterator[str]:
        """Every file below the root, so many as are looked at."""
        room = MOST_FILES
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
            if len(names.files) > room:
                troubles.append(_too_many(self._root))
                yield from names.files[:room]
                return
            yield from names.files
            room -= len(names.files)

    def _names(self, path: str, status: os.stat_result) -> _Directory:
        known = self._directories.get(path)
        if known is not None and known.unchanged(status):
            return known
        files: list[str] = []
        directories: list[str] = []
        is_cut = False
        read_at_ns, began_ns = time.time_ns(), time.thread_time_ns()
        with os.scandir(path) as entries:
            for entry in entries:
                if len(files) > MOST_FILES:
                    is_cut = True
                    break
                try:
                    if entry.is_dir():
                        directories.append(entry.name)
                    elif entry.is_file():
                        files.append(entry.path)
                except OSError:
                    continue  # a link that leads nowhere, or in circles
        stamp = (status.st_mtime_ns, status.st_ctime_ns)
        names = frozenset((*map(os.path.basename, files), *directories))
        cost_ns = time.thread_time_ns() - began_ns
        return _Directory(stamp, read_at_ns, tuple(files), tuple(directories), names, cost_ns, is_cut)

    def _examined(self, path: str, known: Found | None) -> Found | None:
        """What the file is that was `known` before; None if it is gone."""
        self.examined += 1
        try:
            status = os.stat(path)
            if known is not None:
                identity = known.identity if isinstance(known, CaptureFile) else identity_of(known)
                if identity is not None and identity.unchanged(status):
                    return known
            return _opened(path)
        except (FileNotFoundError, NotRegular):
            return None
        except OSError as error:
            return Unusable(
                path, f"cannot be read: {error.strerror}", "Let the worker's user read it.", _written_us(path)
            )


def _too_many(root: str) -> Unusable:
    reason = f"has more than {MOST_FILES:,} files, of which the others are not looked at"
    return Unusable(root, reason, "Divide it into several sources, or have old files removed.", None)


def _opened(path: str) -> Found:
    with open_capture(path) as opened:
        identity = opened.identity
        if isinstance(opened.form, NotReadable):
            return Unusable(path, opened.form.reason, opened.form.advice, identity.written_us(), identity)
        if opened.fault:
            advice = opened.advice or "Its packets are lost."
            return Unusable(path, f"cannot be read: {opened.fault}", advice, identity.written_us(), identity)
        if opened.form is None and not opened.ended_early:
            return identity
        first_us, nanoseconds = first_packet(opened)
        unpacked_head = None if opened.packing is None else digest_of(opened.unpacked_head)
        return CaptureFile(path, identity, first_us, nanoseconds, unpacked_head)


def _gone(before: dict[str, Found], now: dict[str, Found]) -> list[Replaced]:
    if before.keys() <= now.keys():
        return []
    return [(found, None) for path, found in before.items() if path not in now]


def _is_one_file(replaced: Replaced) -> bool:
    """Whether it is known which file this was and is; of one that cannot be opened it is not."""
    return all(found is None or identity_of(found) is not None for found in replaced)


def _is_as_bad(before: Found | None, found: Found | None) -> bool:
    """Whether a file could be read as little before as now."""
    if not isinstance(before, Unusable) or not isinstance(found, Unusable):
        return False
    return before.identity is None and found.identity is None and before.reason == found.reason


def _modified_ns(found: Found) -> int:
    identity = identity_of(found)
    return 0 if identity is None else identity.modified_ns


def _written_us(path: str) -> int | None:
    try:
        return FileIdentity.of(os.stat(path), b"").written_us()
    except OSError:
        return None
