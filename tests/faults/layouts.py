"""Capture directories as they are found in the world, each with the verdict that it must get. For `directories`.

A question asks for 280 of the 300 packets; those that a layout no longer has are listed with it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.layout_recipes import (
    BEGIN_US,
    HEADER,
    PACKETS,
    Make,
    appended,
    beside,
    big_endian,
    by_minute,
    byte_changed,
    changed,
    converted,
    cut_by,
    directory_gone,
    dumpcap_ring,
    foreign,
    gzip_of_two_parts,
    half_a_record_behind,
    in_folders,
    links_elsewhere,
    links_in_a_circle,
    lost,
    merged_youngest_first,
    names_swapped,
    netsniff,
    one_file,
    one_packed,
    packed,
    removed,
    renamed_to,
    short_snaplen,
    shortened,
    special_files,
    tcpdump_copy,
    then,
    three_names,
    touched,
    two_sections,
    two_threads,
    whole,
    with_a_tar,
    with_inserted,
    with_times,
    written_now,
    zeroed,
    zeros_behind,
)
from tests.faults.packets import US_PER_S, Packet

FIRST, LAST = 10, 290
"""The packets that are asked for: of `PACKETS`, the last not included."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One directory; `make` fills it."""

    name: str
    make: Make
    verdict: str = "complete"
    lost: frozenset[int] = field(default_factory=frozenset)
    """Numbers of packets that are no longer there."""
    odd: Packet | None = None
    """One that is there besides, of no bytes: whether it matches a filter is not known, and must be said."""
    may_lack: bool = False
    """How much of a packed file can be unpacked is its packer's affair."""
    window: tuple[int, int] = (FIRST, LAST)
    """In seconds after the first packet."""

    @property
    def expected(self) -> list[Packet]:
        first, last = self.window
        inside = range(max(first, 0), min(last, len(PACKETS)))
        return [PACKETS[number] for number in inside if number not in self.lost] + ([self.odd] if self.odd else [])


FOREIGN = ("snoop", "netmon1", "netmon2", "nettl", "5views", "lanalyzer", "ngsniffer", "observer", "visual", "k12text")
"""Formats that editcap writes and Docket does not read."""

OF_PROGRAMS: Sequence[Layout] = (
    Layout("tcpdump, one file", tcpdump_copy),
    Layout("editcap -i, a file a minute", by_minute),
    Layout("dumpcap, ring of pcapng", dumpcap_ring("-b", "packets:50", "-b", "files:20")),
    Layout("dumpcap, ring of pcap", dumpcap_ring("-P", "-b", "packets:50", "-b", "files:20")),
    Layout("netsniff-ng", netsniff),
    *(Layout(f"editcap -F {kind}", converted(kind)) for kind in ("pcapng", "nsecpcap", "modpcap")),
    Layout("gzip", then(by_minute, packed("gzip", "-q"))),
    Layout("zstd", then(by_minute, packed("zstd", "-q", "--rm"))),
    Layout("lz4", then(by_minute, packed("lz4", "-q", "-m", "--rm"))),
    Layout("xz", then(by_minute, packed("xz", "-q"))),
    Layout("bzip2", then(by_minute, packed("bzip2", "-q"))),
    Layout("one of them packed", then(by_minute, one_packed)),
    Layout("two threads", two_threads),
    Layout("mergecap -a, the youngest first", merged_youngest_first),
    Layout("two sections of pcapng", two_sections),
    Layout("big-endian file", one_file(big_endian())),
    Layout("longer than the snaplen says", one_file(short_snaplen())),
)

OF_PLACES: Sequence[Layout] = (
    Layout("folders three deep", then(by_minute, in_folders)),
    Layout("names swapped", then(by_minute, names_swapped)),
    Layout("names without an ending", then(by_minute, renamed_to(b"a", b"b", b"c", b"d", b"e"))),
    Layout("names of blanks and bytes", then(by_minute, renamed_to(b"a b.pcap", b"c\nd.pcap", b"\xff\xfe.pcap"))),
    Layout("links to files elsewhere", then(by_minute, links_elsewhere)),
    Layout("every file by three names", then(by_minute, three_names)),
    Layout("links in a circle", then(by_minute, links_in_a_circle)),
    Layout("a pipe, a socket, a device", then(by_minute, special_files)),
    Layout("logs beside them", then(by_minute, beside("eve.json", b'{"event_type": "alert"}\n' * 90))),
    Layout("pictures and programs beside", then(by_minute, beside("a.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))))),
    Layout("copied just now", then(by_minute, touched(None))),
    Layout("written in 1970, says the disk", then(by_minute, touched(1.0))),
    Layout("a tar beside them", then(by_minute, with_a_tar(200)), "cut"),
    Layout("an older tar beside them", then(by_minute, with_a_tar(-100))),
)

OF_CLOCKS: Sequence[Layout] = (
    Layout("the first packet of 1970", one_file(with_times({0: (1, 0)})), "complete"),
    Layout("one packet of 2106", one_file(with_times({5: (0xFFFFFFF0, 0)})), "complete"),
    Layout("set back a minute in mid-file", one_file(whole([*PACKETS[60:], *PACKETS[:60]]))),
    Layout("fraction of a million", one_file(with_times({5: (1_700_000_005, 1_000_000)})), "complete"),
)

OF_DAMAGE: Sequence[Layout] = (
    Layout("last record cut off", then(by_minute, changed(1, cut_by(5))), "cut", frozenset({120})),
    Layout("zeros for packets", then(by_minute, changed(1, zeroed(30, 30 * 216))), "cut", frozenset(range(91, 121))),
    Layout("zeros at the end", then(by_minute, changed(1, zeros_behind)), "cut"),
    Layout("zeros for a header", then(by_minute, changed(1, zeroed(0, 24))), "cut", lost(1)),
    Layout("a file of zeros", then(by_minute, changed(1, zeroed(0, 24 + 60 * 216))), "cut", lost(1)),
    Layout(
        "record of length 0",
        one_file(with_inserted(50, struct.pack("<IIII", 1_700_000_049, 5, 0, 60))),
        odd=Packet(BEGIN_US + 49 * US_PER_S + 5, b""),
    ),
    Layout("pcapng cut in mid-block", then(converted("pcapng"), shortened(3_000)), "cut", frozenset(range(287, 300))),
    Layout(
        "growing pcapng, cut in mid-block",
        then(converted("pcapng"), shortened(3_000), written_now),
        "not-yet",
        frozenset(range(287, 300)),
    ),
    Layout("rubbish behind pcapng", then(converted("pcapng"), appended(b"\x07" * 64)), "cut"),
    Layout("gzip cut off", then(one_file(whole()), packed("gzip", "-q"), shortened(400)), "cut", may_lack=True),
    Layout(
        "growing gzip, cut off",
        then(one_file(whole()), packed("gzip", "-q"), shortened(400), written_now),
        "not-yet",
        may_lack=True,
    ),
    Layout("older gzip cut off", then(by_minute, packed("gzip", "-q"), changed(1, cut_by(60))), "cut", may_lack=True),
    Layout(
        "older zstd cut off", then(by_minute, packed("zstd", "-q", "--rm"), changed(1, cut_by(9))), "cut", may_lack=True
    ),
    Layout(
        "a byte of gzip changed",
        then(by_minute, packed("gzip", "-q"), changed(1, byte_changed)),
        "cut",
        may_lack=True,
    ),
    Layout("gzip of two parts", then(by_minute, gzip_of_two_parts)),
    Layout("an empty file among them", then(by_minute, beside("empty.pcap", b"")), "cut"),
    Layout("ten bytes of a header", then(by_minute, beside("short.pcap", HEADER[:10])), "cut"),
    *(Layout(f"{kind} beside them", then(by_minute, foreign(kind)), "cut") for kind in FOREIGN),
)

OF_HOLES: Sequence[Layout] = (
    Layout("a minute is missing", then(by_minute, removed(2)), "gap", lost(2)),
    Layout("three minutes are missing", then(by_minute, removed(1, 2, 3)), "gap", lost(1, 2, 3)),
    Layout("the last two are missing", then(by_minute, removed(3, 4)), "gap", lost(3, 4)),
    Layout("the first is missing", then(by_minute, removed(0)), "aged-out", lost(0)),
    Layout("asked inside of a hole", then(by_minute, removed(1, 2, 3)), "gap", lost(1, 2, 3), window=(100, 200)),
    Layout("asked long after the last", by_minute, "gap", window=(4_000, 7_600)),
    Layout("asked long before the first", by_minute, "aged-out", window=(-7_600, -4_000)),
    Layout("asked across the end", by_minute, "gap", window=(200, 4_000)),
    Layout("asked across the beginning", by_minute, "aged-out", window=(-4_000, 100)),
    Layout("half a record, being written", then(by_minute, half_a_record_behind), window=(10, 200)),
    Layout("an empty directory", lambda _place: None, "aged-out", frozenset(range(300))),
    Layout("no directory", directory_gone, "refused", frozenset(range(300))),
)

LAYOUTS: Sequence[Layout] = (*OF_PROGRAMS, *OF_PLACES, *OF_CLOCKS, *OF_DAMAGE, *OF_HOLES)
