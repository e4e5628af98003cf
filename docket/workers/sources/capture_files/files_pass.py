"""One pass over the files of a directory: what they hold of a query and a window, and what fell short. For `directory`.

Every file is read, or left out because all its packets are known to lie outside the window, or named with the reason.
Inside of the window each packet is decided by the decoder of `docket.packet`, whatever an index has selected.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event

from docket.domain.query.canonical import Query
from docket.domain.timewindow import Window
from docket.errors import SourceError
from docket.packet.octets import Integers
from docket.packet.record_cutter import FurtherHeader
from docket.workers.sources.base import ReadAgain
from docket.workers.sources.capture_files.block_selector import BlockSelector, Selection
from docket.workers.sources.capture_files.file_facts import DISORDER_US, FactsCache, FileFacts
from docket.workers.sources.capture_files.identity import FileIdentity
from docket.workers.sources.capture_files.listing import CaptureFile
from docket.workers.sources.capture_files.opened_file import OpenedFile, open_capture
from docket.workers.sources.capture_files.packet_filter import PacketFilter
from docket.workers.sources.capture_files.reading.record_block import (
    END_NS,
    CaptureReader,
    FileEnd,
    RecordBlock,
    render,
    result_header,
)
from docket.workers.sources.capture_files.reading_order import ReadingOrder
from docket.workers.sources.capture_files.shortfall_texts import Shortfalls
from docket.workers.sources.capture_files.two_forms import gone_to, is_form_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the files are read for."""

    query: Query
    window: Window
    nanoseconds: bool
    """Of the answer."""
    look_inside: bool = False


class FilesPass:
    """Use once. The shortfalls are whole when the chunks have ended."""

    def __init__(
        self,
        order: ReadingOrder,
        wanted: Wanted,
        facts: FactsCache,
        selector: BlockSelector,
        shortfalls: Shortfalls,
        stop: Event,
    ) -> None:
        self._wanted = wanted
        self._window = wanted.window
        self._facts = facts
        self._selector = selector
        self._stop = stop
        self._order = order
        self._shortfalls = shortfalls
        self._waiting = order.files
        self._done = 0
        self._linktype: int | None = None
        self._selection: tuple[FileIdentity, Selection | None] | None = None
        """Of the file that was asked for last."""
        self._read_files: set[tuple[int, int]] = set()
        """Device and inode."""
        self._filter = PacketFilter(wanted.query, wanted.window, look_inside=wanted.look_inside)

    def through_us(self) -> int | None:
        """The first packet of the files that are still to be read, less some disorder."""
        if not self._done or self._done >= len(self._waiting):
            return None
        following = self._waiting[self._done].first_us
        return None if following is None else following - DISORDER_US

    def chunks(self) -> Generator[bytes, None, None]:
        """All files' packets, behind a header for each run of one link type.

        Raises SourceError only when it is stopped, and ReadAgain.
        """
        self._leave_out()
        for file in self._waiting:
            self._check_stop()
            further = self._order.further_forms(file)
            yield from self._in_forms((file, *further)) if further else self._alone(file)
            self._done += 1
            yield b""  # the one who reads may want to stop, or to say how far this is
        if self._linktype is None:
            yield result_header(1, nanoseconds=self._wanted.nanoseconds)

    def _leave_out(self) -> None:
        """Drop the files of which the index knows that they hold nothing: most of them, where something is sought."""
        identities = [file.identity for file in self._waiting]
        left_out = self._selector.left_out(identities, self._wanted.query.root, self._window)
        if left_out is not None:
            waiting = [
                file
                for file, out in zip(self._waiting, left_out, strict=True)
                if not out or self._order.further_forms(file)
            ]
            self._shortfalls.any_read |= len(waiting) < len(self._waiting)
            self._waiting = waiting

    def _alone(self, file: CaptureFile) -> Iterator[bytes]:
        known = self._facts.get(file.identity)
        if known is not None and not self._touches(known):
            self._shortfalls.any_read = True
            self._judge(file, known)
            return
        selection = self._selected(file.identity)
        if selection is not None and selection.is_final:
            self._shortfalls.any_read = True
            self._judge(file, _known_facts(selection))
            return
        facts = yield from self._file(file)
        if facts is not None:
            self._judge(file, facts)

    def _in_forms(self, files: Sequence[CaptureFile]) -> Iterator[bytes]:
        """A file and the same compressed: one is being made of the other, so the shorter is how the longer begins."""
        found: list[tuple[CaptureFile, FileFacts]] = []
        read_to = 0
        for file in files:
            facts = self._facts.get(file.identity)
            if facts is None or (self._touches(facts) and facts.read_to > read_to):
                facts = yield from self._file(file, _Behind(files[0], read_to))
            if facts is not None:
                self._shortfalls.any_read = True
                found.append((file, facts))
                read_to = max(read_to, facts.read_to)
        # One that is whole and has all that any has makes good what others lack, but not zeros within what they gave.
        whole = [place for place, (_, facts) in enumerate(found) if facts.is_whole and facts.read_to == read_to][:1]
        judged = [*(one for one in found[: whole[0]] if one[1].damaged), found[whole[0]]] if whole else found
        for file, facts in judged:
            self._judge(file, facts)

    def _touches(self, facts: FileFacts) -> bool:
        return facts.touches(self._window.after_us, self._window.before_us)

    def _file(self, file: CaptureFile, behind: _Behind | None = None) -> Generator[bytes, None, FileFacts | None]:
        """The packets, and what is known of the file now."""
        try:
            with open_capture(file.path) as opened:
                self._shortfalls.any_read = True
                if not opened.follows(file.identity):
                    yield from self._gone(file, self._shortfalls.overwritten)
                return (yield from self._opened(file, opened, behind))
        except FileNotFoundError:
            yield from self._gone(file, self._shortfalls.removed)
        except OSError as error:
            self._shortfalls.unreadable(file.path, f"cannot be read: {error.strerror or error}")
        return None

    def _gone(self, file: CaptureFile, report: Callable[[str], None]) -> Iterator[bytes]:
        """A file that is not under its name any more: it may have another one, or have been compressed."""
        if not self._may_have_mattered(file):
            return
        path = gone_to(file, self._order.directories())
        try:
            if path is None:
                raise FileNotFoundError(file.path)
            with open_capture(path) as opened:
                moved = replace(file, path=path, identity=opened.identity)
                facts = yield from self._opened(moved, opened)
                if facts is not None:
                    self._judge(file, facts)
        except OSError:
            report(file.path)

    def _selected(self, identity: FileIdentity) -> Selection | None:
        if self._selection is None or self._selection[0] != identity:
            root, inside = self._wanted.query.root, self._wanted.look_inside
            self._selection = identity, self._selector.select(identity, root, self._window, look_inside=inside)
        return self._selection[1]

    def _opened(
        self, file: CaptureFile, opened: OpenedFile, behind: _Behind | None = None
    ) -> Generator[bytes, None, FileFacts | None]:
        key = opened.identity.device, opened.identity.inode
        if key in self._read_files:
            return None  # under another name that it had or has
        self._read_files.add(key)
        selection = self._selected(opened.identity) if behind is None else None
        begin = 0 if behind is None else behind.offset_in(opened)
        if selection is not None and not opened.goes_on_from(selection.grown_behind):
            selection = None
        facts = FileFacts() if selection is None else _known_facts(selection)
        known = facts.end
        try:
            for reader in readers_of(opened, selection):
                yield from self._read(file, opened, reader, facts, begin)
                facts.end = reader.end
        except _Overwritten:
            if self._may_have_mattered(file):
                self._shortfalls.overwritten(file.path)
            return None
        if selection is not None:
            facts.end = _followed(known, facts.end, selection)
        else:
            if opened.form is None:
                facts.end.unfinished = _before_packets(opened)
            if opened.still_the_same():
                self._facts.put(opened.identity, facts)
        return facts

    def _read(
        self, file: CaptureFile, opened: OpenedFile, reader: CaptureReader, facts: FileFacts, begin: int
    ) -> Iterator[bytes]:
        for block in reader.blocks():
            self._check_stop()
            if not opened.still_the_same():
                raise _Overwritten
            facts.take(block.records.time_ns)
            facts.read_to = max(facts.read_to, block.end)
            facts.damaged = facts.damaged or block.damaged
            chosen = self._chosen(file, block)
            if begin:
                chosen = chosen[block.base + block.records.data_at[chosen] >= begin]
            if not chosen.size:
                continue
            if block.nanoseconds and not self._wanted.nanoseconds:
                raise ReadAgain
            if block.linktype != self._linktype:
                self._linktype = block.linktype
                yield FurtherHeader(result_header(block.linktype, nanoseconds=self._wanted.nanoseconds))
            yield render(block, chosen, nanoseconds=self._wanted.nanoseconds)

    def _chosen(self, file: CaptureFile, block: RecordBlock) -> Integers:
        """Indices of the packets that match and lie in the window."""
        chosen = self._filter.chosen(block)
        if chosen.unfiltered:
            self._shortfalls.unfiltered(file.path, block.linktype, chosen.unfiltered)
        self._shortfalls.undecided(file.path, chosen.undecided)
        times = block.records.time_ns[chosen.rows]
        expressible = (times >= 0) & (times < END_NS)
        if expressible.all():
            return chosen.rows
        self._shortfalls.out_of_range(file.path, int((~expressible).sum()))
        return chosen.rows[expressible]

    def _judge(self, file: CaptureFile, facts: FileFacts) -> None:
        """Say what was odd about a file, if that may have cost packets of the window."""
        growing = self._order.may_grow(file)
        if file.identity.size_bytes or not growing:
            quiet = self._order.is_quiet(file)
            self._shortfalls.file_ended(file, facts, self._window, growing=growing, quiet=quiet)
        elif self._window.before_us > file.modified_us:
            self._shortfalls.nothing_written(file, quiet=self._order.is_quiet(file))

    def _may_have_mattered(self, file: CaptureFile) -> bool:
        """Of a file whose packets are gone: whether some of them may have belonged into the answer."""
        known = self._facts.get(file.identity)
        if known is not None:
            return known.touches(self._window.after_us, self._window.before_us)
        return self._order.may_matter(file)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise SourceError("cut", "The reading was stopped.")


@dataclass(frozen=True, slots=True)
class _Behind:
    """Where the packets begin that another form of the same capture did not have."""

    first: CaptureFile
    offset: int
    """In the decompressed capture."""

    def offset_in(self, opened: OpenedFile) -> int:
        """0 where the file turns out to be another capture."""
        return self.offset if opened.packing is None or is_form_of(opened, self.first) else 0


class _Overwritten(Exception):
    """The recorder began the file again while it was read."""


def _known_facts(selection: Selection) -> FileFacts:
    """What is odd about a file is judged by all its packets, also those that were not read."""
    facts = FileFacts(in_part=True)
    if selection.span_ns is not None:
        facts.first_ns, facts.last_ns = selection.span_ns
    facts.end.follow(selection.drops, selection.sections)
    return facts


def _followed(known: FileEnd, end: FileEnd, selection: Selection) -> FileEnd:
    """How a file ended of which stretches were read: the index knows what was lost in those, but not behind them."""
    if selection.rest is None:
        end.drops = known.drops
    elif end is not known:
        end.follow(selection.drops, selection.sections)
    return end


def _before_packets(opened: OpenedFile) -> str:
    """How a file ended that does not get as far as its first packet."""
    if not opened.identity.size_bytes:
        return "it is empty"
    what = "header" if opened.packing is None else "compressed data"
    return f"it ends in the middle of its {what}, before the first packet"


def readers_of(opened: OpenedFile, selection: Selection | None) -> Iterator[CaptureReader]:
    """One for the whole file, or one for each stretch that may hold something."""
    if selection is None:
        whole = opened.reader()
        if whole is not None:
            yield whole
        return
    for extent in selection.extents:
        yield opened.reader_of(extent)
    if selection.rest is not None:
        yield opened.reader_of(selection.rest)
