"""Answers about the files in a result: the list, one of them, all as a zip with a password. For `rpc_handlers`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from docket.domain.units import counted
from docket.errors import DissectionError, Fault, InvalidRequest
from docket.spool.file_io import read_at
from docket.workers.inspector.capture_index import CaptureIndex
from docket.workers.inspector.locked_zip import locked_zip
from docket.workers.inspector.rpc_messages import AnswerHeader, ObjectList, Question
from docket.workers.inspector.rpc_server import Answered
from docket.workers.inspector.tshark.objects import Objects, Transferred

WAIT_S = 5.0
PASSWORD = b"infected"
"""What the field uses for files that may be malicious, so that no scanner on the way opens them."""
MOST_ARCHIVED_BYTES = 64_000_000
BLOCK_BYTES = 256 * 1024


def objects(capture_index: CaptureIndex, question: Question) -> Answered:
    """The list; 202 while the files are taken out."""
    job = capture_index.capture.job_id
    known = capture_index.objects(WAIT_S, question.user)
    if known is None:
        answer = ObjectList(job=job, state="working", truncated=False, bytes=0, objects=())
        return AnswerHeader(status=202), iter([msgspec.json.encode(answer)])
    found, _ = known
    answer = ObjectList(job=job, state="complete", truncated=found.truncated, bytes=found.bytes, objects=found.objects)
    return AnswerHeader(status=200), iter([msgspec.json.encode(answer)])


def one(capture_index: CaptureIndex, question: Question) -> Answered:
    """The bytes of one file, for saving."""
    found, folder = _known(capture_index, question.user)
    wanted = _number(found, question.number)
    name = f"object-{wanted.number}.bin"
    return AnswerHeader(status=200, kind="application/octet-stream", name=name), _blocks(folder, wanted)


def archive(capture_index: CaptureIndex, question: Question) -> Answered:
    """All files, or the one with a number, as a zip with the usual password."""
    found, folder = _known(capture_index, question.user)
    wanted = (_number(found, question.number),) if question.number else found.objects
    total = sum(each.size for each in wanted)
    if total > MOST_ARCHIVED_BYTES:
        message = f"together they have {total:,} bytes, more than {MOST_ARCHIVED_BYTES:,}: take them one by one"
        raise InvalidRequest([Fault("too-big", message)])
    members = (
        (f"{each.number:04}-{_plain(each.name)}", read_at(folder / str(each.number), 0, each.size)) for each in wanted
    )
    return AnswerHeader(status=200, kind="application/zip", name="objects.zip"), locked_zip(members, PASSWORD)


def _known(capture_index: CaptureIndex, user: str) -> tuple[Objects, Path]:
    known = capture_index.objects(WAIT_S * 10, user)
    if known is None:
        raise DissectionError("it takes long; ask again in a while")
    return known


def _number(found: Objects, number: int) -> Transferred:
    if not 1 <= number <= len(found.objects):
        raise InvalidRequest(
            [Fault("no-such-object", f"the result has {counted(len(found.objects), 'file')}", "number")]
        )
    return found.objects[number - 1]


def _blocks(folder: Path, wanted: Transferred) -> Iterator[bytes]:
    for begin in range(0, wanted.size, BLOCK_BYTES):
        yield read_at(folder / str(wanted.number), begin, min(BLOCK_BYTES, wanted.size - begin))


def _plain(name: str) -> str:
    """A stranger's name as one that no file system takes for more than a name."""
    kept = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in name)
    return kept.lstrip(".")[:100] or "file"
