"""Captures that lie in a directory in two forms, since a compressor makes one out of the other; and where files went.

    1.pcap, 1.pcap.gz       gzip, zstd or lz4 writes the second, and removes the first when it is done; or the reverse

The two are one capture, of which one form may still lack its end. For `reading_order` and `files_pass`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from docket.workers.sources.capture_files.identity import digest_of
from docket.workers.sources.capture_files.listing import CaptureFile
from docket.workers.sources.capture_files.opened_file import OpenedFile, open_capture

_ENDINGS = (".gz", ".zst", ".zstd", ".lz4", ".xz", ".bz2")


def compressed_forms(by_path: Mapping[str, CaptureFile]) -> dict[str, CaptureFile]:
    """By the path of a plain file, the compressed one that holds the same capture: their first bytes tell it.

    One that has no packet yet is taken for it, too: a compressor has just begun. What it holds in the end says whether
    it is.
    """
    found = {}
    for path, file in by_path.items():
        plain = by_path.get(os.path.splitext(path)[0]) if path.endswith(_ENDINGS) else None
        if plain is not None and (file.first_us is None or plain.identity.head == file.unpacked_head):
            found[plain.path] = file
    return found


def gone_to(file: CaptureFile, directories: Iterable[str]) -> str | None:
    """The path of a file that was renamed, or compressed and removed, since it was listed; None if it is not found."""
    for path in _other_names(file, directories):
        try:
            with open_capture(path) as opened:
                if opened.follows(file.identity) or is_form_of(opened, file):
                    return path
        except OSError:
            continue
    return None


def is_form_of(opened: OpenedFile, plain: CaptureFile) -> bool:
    """Whether a compressed file holds the capture that was in this one."""
    return opened.packing is not None and digest_of(opened.unpacked_head) == plain.identity.head


def _other_names(file: CaptureFile, directories: Iterable[str]) -> Iterator[str]:
    if file.unpacked_head is None:
        yield from (file.path + ending for ending in _ENDINGS)
    for directory in directories:
        try:
            with os.scandir(directory) as entries:
                yield from [entry.path for entry in entries if entry.inode() == file.identity.inode]
        except OSError:
            continue
