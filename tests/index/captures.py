"""Capture files of random packets for the tests of the index, and how a reading takes packets out of them."""

from __future__ import annotations

import random
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

from docket.domain.query.terms import FilterNode
from docket.domain.timewindow import Window
from docket.index.build import Built, build
from docket.index.format.stored_file import open_index, write_index
from docket.index.index_files import IndexLayout
from docket.index.indexer import SourceIndexer
from docket.index.selector import IndexSelector
from docket.packet.decode import decode
from docket.packet.link import is_known
from docket.packet.match import match
from docket.packet.pcap import file_header
from docket.workers.sources.capture_files.block_selector import Selection
from docket.workers.sources.capture_files.identity import FileIdentity
from docket.workers.sources.capture_files.opened_file import OpenedFile, open_capture
from docket.workers.sources.capture_files.reading.record_block import CaptureReader
from tests.packet.linked import packets
from tests.services.needs import program

FIRST_S = 1_700_000_000
EVER = Window(0, 1 << 60)

Packets = Counter[tuple[int, int, bytes]]
"""Times, lengths on the wire and bytes."""


def classic(path: Path, seed: int, count: int = 300, linktype: int = 1, first_s: int = FIRST_S) -> Path:
    """Packets of every encapsulation, some of them cut, with times that are nearly in order."""
    path.write_bytes(file_header(linktype) + records(seed, count, linktype, first_s))
    return path


def records(seed: int, count: int, linktype: int = 1, first_s: int = FIRST_S) -> bytes:
    """The same without the file's header."""
    chance = random.Random(seed)
    found = []
    for index, packet in enumerate(packets(linktype, count, seed)):
        cut = len(packet.data) if chance.random() < 0.9 else chance.randrange(len(packet.data) + 1)
        second = first_s + index + chance.choice((0, 0, 0, -3))
        head = struct.pack("<IIII", second, chance.randrange(10**6), cut, len(packet.data))
        found.append(head + packet.data[:cut])
    return b"".join(found)


def pcapng(path: Path, seed: int, count: int = 300) -> Path:
    """By editcap, of Wireshark."""
    plain = classic(path.with_suffix(".plain"), seed, count)
    subprocess.run([program("editcap", "wireshark-common"), "-F", "pcapng", plain, path], check=True)
    plain.unlink()
    return path


def several_link_types(path: Path, seed: int, count: int = 300) -> Path:
    """Two interfaces, Ethernet and raw IP, in one file, by mergecap."""
    parts = [classic(path.with_suffix(f".{kind}"), seed + kind, count // 2, kind) for kind in (1, 101)]
    subprocess.run([program("mergecap", "wireshark-common"), "-F", "pcapng", "-w", path, *parts], check=True)
    for part in parts:
        part.unlink()
    return path


def packed(path: Path, seed: int, count: int = 300) -> Path:
    """Compressed by the program that the name's ending says."""
    plain = classic(path.with_suffix(".plain"), seed, count)
    name = {".gz": "gzip", ".zst": "zstd", ".lz4": "lz4"}[path.suffix]
    with path.open("wb") as out:
        subprocess.run([program(name, name), "-c", str(plain)], stdout=out, check=True)
    plain.unlink()
    return path


MAKERS: dict[str, Callable[[Path, int], Path]] = {
    "a.pcap": classic,
    "a.pcapng": pcapng,
    "several.pcapng": several_link_types,
    "a.pcap.gz": packed,
    "a.pcap.zst": packed,
    "a.pcap.lz4": packed,
}


def index(path: Path, layout: IndexLayout, *, longer: bool = False) -> Built:
    """Build the index of a file and write it; `longer`: beginning where the one there ends."""
    layout.make()
    with open_capture(str(path)) as opened:
        place = layout.file(opened.identity)
        if longer:
            with open_index(place) as earlier:
                built = build(opened, str(path), earlier)
        else:
            built = build(opened, str(path))
        assert built is not None
        write_index(place, built.facts, built.sections)
    return built


def index_directory(directory: Path, layout: IndexLayout) -> IndexSelector:
    """Index all that is in a directory of captures; what a reading asks then."""
    indexer, stop = SourceIndexer(str(directory), layout, 0), Event()
    while indexer.step(stop):
        pass
    return IndexSelector(layout.root)


def identity_of(path: Path) -> FileIdentity:
    with open_capture(str(path)) as opened:
        return opened.identity


def taken(path: Path, selection: Selection | None, root: FilterNode | None, window: Window = EVER) -> Packets:
    """The packets that match, or may, out of what was selected; None for the whole file."""
    found: Packets = Counter()
    with open_capture(str(path)) as opened:
        for reader in _readers(opened, selection):
            for block in reader.blocks():
                one = block.records
                inside = (one.time_ns >= window.after_us * 1000) & (one.time_ns < window.before_us * 1000)
                if is_known(block.linktype):
                    matches = match(decode(block.buffer, one, block.linktype), root)
                    inside &= matches.mask | matches.undecided
                for at in inside.nonzero()[0].tolist():
                    begin = int(one.data_at[at])
                    data = block.buffer[begin : begin + int(one.captured[at])]
                    found[int(one.time_ns[at]), int(one.original[at]), data] += 1
    return found


def _readers(opened: OpenedFile, selection: Selection | None) -> Iterator[CaptureReader]:
    if selection is None:
        whole = opened.reader()
        assert whole is not None
        yield whole
        return
    for extent in selection.extents:
        yield opened.reader_of(extent)
    if selection.rest is not None:
        yield opened.reader_of(selection.rest)
