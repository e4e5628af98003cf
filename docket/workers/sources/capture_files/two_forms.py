"""Captures that lie in a directory in several forms, since a compressor makes one of another; and where files went.

    1.pcap, 1.pcap.gz       gzip, zstd or lz4 writes the second, and removes the first when it is done; or the reverse

They are one capture, of which one form may still lack its end. For `reading_order` and `files_pass`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from docket.workers.sources.capture_files.identity import digest_of
from docket.workers.sources.capture_files.listing import CaptureFile
from docket.workers.sources.capture_files.opened_file import OpenedFile, open_capture

_ENDINGS = (".gz", ".zst", ".zstd", ".lz4", ".xz", ".bz2")


def further_forms(by_path: Mapping[str, CaptureFile]) -> dict[str, list[CaptureFile]]:
    """By the path of a file, the compressed ones that hold the same capture: their first bytes and packets tell it.

    The file is the plain one, or where there is none the first compressed one. One that has no packet yet is taken for
    a form, too: a compressor has just begun. What it holds in the end says whether it is.
    """
    found: dict[str, list[CaptureFile]] = {}
    firsts: dict[str, CaptureFile] = {}
    for path, file in by_path.items():
        if path.endswith(_ENDINGS):
            stem = os.path.splitext(path)[0]
            first = by_path.get(stem) or firsts.setdefault(stem, file)
            if first is not file and _may_hold_the_same(file, first):
                found.setdefault(first.path, []).append(file)
    return found


def _may_hold_the_same(file: CaptureFile, first: CaptureFile) -> bool:
    if file.first_us is None:
        return True
    # The first bytes alone do not tell it where a long header stands before the first packet.
    return file.unpacked_head == _capture_head(first) and first.first_us in (None, file.first_us)


def _capture_head(file: CaptureFile) -> bytes:
    return file.identity.head if file.unpacked_head is None else file.unpacked_head


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


def is_form_of(opened: OpenedFile, first: CaptureFile) -> bool:
    """Whether a compressed file holds the capture that was in this one."""
    return opened.packing is not None and digest_of(opened.unpacked_head) == _capture_head(first)


def _other_names(file: CaptureFile, directories: Iterable[str]) -> Iterator[str]:
    if file.unpacked_head is None:
        yield from (file.path + ending for ending in _ENDINGS)
    for directory in directories:
        try:
            with os.scandir(directory) as entries:
                yield from [entry.path for entry in entries if entry.inode() == file.identity.inode]
        except OSError:
            continue
