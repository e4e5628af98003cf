"""Answers to questions about packets, put together from what inspections know. For `inspector`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from docket.domain.timewindow import format_us, parse_time_us
from docket.errors import DissectionError, DissectorMissing, Fault, InvalidRequest
from docket.spool.file_io import read_at
from docket.spool.layout import Spool
from docket.workers.inspector import rpc_conversations, rpc_dissection, rpc_objects, rpc_transcripts
from docket.workers.inspector.capture_index import CaptureIndex
from docket.workers.inspector.index_pool import IndexPool
from docket.workers.inspector.rpc_messages import (
    DIRECTIONS,
    FORMS,
    MOST_ROWS,
    MOST_STREAM_BYTES,
    AnswerHeader,
    PacketPage,
    PacketRow,
    Question,
    StreamPage,
    StreamPiece,
)
from docket.workers.inspector.rpc_server import Answered
from docket.workers.inspector.tshark.columns import Row
from docket.workers.inspector.tshark.detail import (
    EXACT_PACKETS,
    Bytes,
    Dissected,
    PacketDetail,
    dissect_packet,
    reads_from_start,
)
from docket.workers.inspector.tshark.filters import check_display_filter
from docket.workers.inspector.tshark.selection import fitting_linktypes
from docket.workers.inspector.tshark.streams import PROTOCOLS, Segment, Stream, as_hex, as_text
from docket.workers.inspector.tshark.tshark_programs import has_tshark

WAIT_S = 5.0
"""How long an answer waits for what is under way; after that it says how far it is."""
MOMENT_S = 0.5
"""How long an answer waits for the end although there is enough: most files are small, and need not be asked again."""
DETAILS_AT_ONCE = 2
LONGEST_IN_LINE_S = 20.0

_SENDERS = {"both": (0, 1), "first": (0,), "second": (1,)}


class Answering:
    """For the threads of the RPC server."""

    def __init__(self, index_pool: IndexPool, spool: Spool, stop: threading.Event) -> None:
        self._index_pool = index_pool
        self._stop = stop
        self._details = threading.Semaphore(DETAILS_AT_ONCE)
        self._kinds: dict[str, Callable[[CaptureIndex, Question], Answered]] = {
            "summary": self._summary,
            "packets": self._packets,
            "packet": self._packet,
            "stream": self._stream,
            "transcript": self._transcript,
            "check": self._check,
            "conversations": self._conversations,
            "transactions": rpc_dissection.transactions,
            "dissection": rpc_dissection.shown,
            "dissect": partial(rpc_dissection.dissect, spool),
            "objects": rpc_objects.objects,
            "object": rpc_objects.one,
            "archive": rpc_objects.archive,
        }

    def __call__(self, question: Question) -> Answered:
        """Raises InvalidRequest, NoSuchJob, SpoolError, DissectionError."""
        answer = self._kinds.get(question.ask)
        if answer is None:
            raise InvalidRequest([Fault("bad-question", f"there is no such question as {question.ask[:40]!r}")])
        with self._index_pool.lend(question.job) as capture_index:
            return answer(capture_index, question)

    def _summary(self, capture_index: CaptureIndex, _question: Question) -> Answered:
        summary = capture_index.summary
        if summary is None or (not summary.dissector and has_tshark()):
            self._index_pool.want(capture_index.capture.job_id, capture_index.packets)
            capture_index.wait(capture_index.packets, WAIT_S)
            waits = self._index_pool.waits_for(capture_index.capture.job_id, capture_index.packets)
            summary = capture_index.summary or capture_index.progress(waits)
        return _json(summary, 202 if summary.state == "working" else 200)

    def _packets(self, capture_index: CaptureIndex, question: Question) -> Answered:
        if not capture_index.knows(question.filter):
            check_display_filter(question.filter)
        limit = min(max(question.limit, 1), MOST_ROWS)
        offset = max(question.offset, 0)
        self._must_be_listed(capture_index)
        if question.filter.strip():
            return _json(self._filtered(capture_index, question, offset, limit))
        if question.sources:
            return _json(_recorded_by(capture_index, question.sources, offset, limit))
        capture_index.wait(offset + limit, WAIT_S)
        rows = capture_index.rows
        found = [] if rows is None else list(enumerate(rows.page(offset + 1, limit), offset + 1))
        total = 0 if rows is None else rows.rows
        return _json(_page(capture_index, "", offset, limit, total, found))

    def _filtered(self, capture_index: CaptureIndex, question: Question, offset: int, limit: int) -> PacketPage:
        text, chosen = question.filter, question.sources
        find = capture_index.find(text, question.user)
        find.work.wait(lambda: False, MOMENT_S)
        found_so_far = capture_index.recorded_by(chosen, find.numbers) if chosen else find.numbers
        if len(found_so_far) < offset + limit:
            find.work.wait(lambda: len(find.numbers) >= offset + limit and not chosen, WAIT_S)
            found_so_far = capture_index.recorded_by(chosen, find.numbers) if chosen else find.numbers
        total = len(found_so_far)
        numbers = found_so_far[offset : offset + limit]
        if numbers:
            capture_index.wait(numbers[-1], WAIT_S)
        found = capture_index.rows.some(numbers) if capture_index.rows is not None else []
        page = _page(capture_index, text, offset, limit, total, found)
        note = f"{page.note} The filter could not be applied to the end: {find.work.error}." if find.work.error else ""
        if find.overflow:
            note = f"{page.note} Only the first {len(find.numbers):,} packets that it shows are listed."
        state = page.state
        if not find.work.done:
            state = "working"
        elif find.work.error is not None or find.overflow:
            state = "partial"
        progress = 1.0 if find.work.done else min(find.looked_at / max(capture_index.packets, 1), 0.99)
        note = (note or page.note).strip()
        return msgspec.structs.replace(page, state=state, note=note, progress=progress, sources=chosen)

    def _packet(self, capture_index: CaptureIndex, question: Question) -> Answered:
        capture_index.scan()
        number = question.number
        if not 1 <= number <= capture_index.packets:
            raise InvalidRequest([Fault("no-such-packet", f"the file has {capture_index.packets:,} packets", "number")])
        exact = question.exact or reads_from_start(number)
        record = capture_index.capture.record(number, capture_index.marks)
        error = ""
        try:
            dissected = self._dissected(capture_index, number, exact=exact)
        except DissectorMissing as missing:
            error = f"{missing}."
        except DissectionError as failed:
            error = f"could not be dissected: {failed}."
        if error:
            frame = Bytes(name="Frame", hex=record.data.hex())
            dissected = Dissected(layers=(), streams=(), tree=(), bytes=(frame,), truncated=False)
        first_us = capture_index.scan().first_us or record.time_us
        detail = PacketDetail(
            job=capture_index.capture.job_id,
            number=number,
            exact=exact,
            time=format_us(record.time_us),
            relative_s=(record.time_us - first_us) / 1_000_000,
            length=record.wire_length,
            captured=len(record.data),
            capture_source=capture_index.capture.source_of(number),
            layers=dissected.layers,
            streams=dissected.streams if exact else self._listed_stream(capture_index, number),
            tree=dissected.tree,
            bytes=dissected.bytes,
            truncated=dissected.truncated,
            error=error,
        )
        return _json(detail)

    def _dissected(self, capture_index: CaptureIndex, number: int, *, exact: bool) -> Dissected:
        if not self._details.acquire(timeout=LONGEST_IN_LINE_S):
            raise DissectionError("too many packets are being looked at; try again")
        try:
            capture, marks, belonging = capture_index.capture, capture_index.marks, capture_index.belonging
            context = None if exact or belonging is None else belonging.conversation_until(number, EXACT_PACKETS)
            return dissect_packet(capture, marks, number, self._stop, exact=exact, context=context)
        finally:
            self._details.release()

    def _stream(self, capture_index: CaptureIndex, question: Question) -> Answered:
        _check_stream(question)
        known = capture_index.stream(question.protocol, question.number, WAIT_S, question.user)
        if known is None:
            return _json(_stream_under_way(capture_index, question), 202)
        stream, path = known
        return _json(_stream_page(capture_index, question, stream, path))

    def _transcript(self, capture_index: CaptureIndex, question: Question) -> Answered:
        """A whole stream, for saving."""
        _check_stream(question)
        known = capture_index.stream(question.protocol, question.number, WAIT_S * 10, question.user)
        if known is None:
            raise DissectionError("it takes long; ask again in a while")
        stream, path = known
        data = read_at(path, 0, sum(stream.sizes()))
        return rpc_transcripts.saved(question, stream, data, _SENDERS[question.direction])

    def _check(self, capture_index: CaptureIndex, question: Question) -> Answered:
        """Whether filters are understood. Faults of both come at once."""
        faults: list[Fault] = []
        try:
            check_display_filter(question.filter)
        except InvalidRequest as error:
            faults += error.faults
        try:
            fitting_linktypes(question.bpf, capture_index.capture.form.linktypes)
        except InvalidRequest as error:
            faults += error.faults
        if faults:
            raise InvalidRequest(faults)
        return _json({"ok": True, "sha256": capture_index.capture.sha256})

    def _conversations(self, capture_index: CaptureIndex, question: Question) -> Answered:
        self._must_be_listed(capture_index)
        return rpc_conversations.page(capture_index, question)

    def _must_be_listed(self, capture_index: CaptureIndex) -> None:
        """Have the list made if there is none. Raises DissectorMissing."""
        if capture_index.surveyed and capture_index.listing is not None:
            return
        if not has_tshark():
            raise DissectorMissing("tshark is not installed (Debian package tshark)")
        self._index_pool.want(capture_index.capture.job_id, capture_index.packets)

    @staticmethod
    def _listed_stream(capture_index: CaptureIndex, number: int) -> tuple[str, ...]:
        """The stream as the list has it: numbers of streams of a piece of the file would be wrong."""
        found = capture_index.rows.page(number, 1) if capture_index.rows is not None else []
        return tuple(row.stream for row in found if row.stream)


def _page(
    capture_index: CaptureIndex, text: str, offset: int, limit: int, total: int, found: Sequence[tuple[int, Row]]
) -> PacketPage:
    capture, of = capture_index.capture, capture_index.packets
    manifest = capture.manifest
    listed = capture_index.rows.rows if capture_index.rows is not None else 0
    whole = listed >= of and capture_index.exact >= of
    first_us = parse_time_us(manifest.first, None) if manifest.first else None
    return PacketPage(
        job=manifest.job,
        state=("complete" if whole else "partial") if capture_index.surveyed else "working",
        progress=listed / max(of, 1) if not capture_index.surveyed else 1.0,
        filter=text,
        offset=offset,
        limit=limit,
        total=total,
        packets=of,
        exact=capture_index.exact if capture_index.surveyed else listed,
        note=capture_index.note,
        rows=tuple(_row(capture_index, number, row, first_us) for number, row in found),
    )


def _recorded_by(capture_index: CaptureIndex, sources: tuple[str, ...], offset: int, limit: int) -> PacketPage:
    """A page of the packets that these sources recorded."""
    numbers = capture_index.recorded_by(sources)
    wanted = numbers[offset : offset + limit]
    if wanted:
        capture_index.wait(wanted[-1], WAIT_S)
    found = capture_index.rows.some(wanted) if capture_index.rows is not None else []
    page = _page(capture_index, "", offset, limit, len(numbers), found)
    return msgspec.structs.replace(page, sources=sources)


def _row(capture_index: CaptureIndex, number: int, row: Row, first_us: int | None) -> PacketRow:
    repeats = capture_index.repeats
    return PacketRow(
        number=number,
        time=format_us(row.time_us),
        relative_s=(row.time_us - (row.time_us if first_us is None else first_us)) / 1_000_000,
        source=row.source,
        destination=row.destination,
        protocol=row.protocol,
        length=row.length,
        info=row.info,
        stream=row.stream,
        severity=row.severity,
        capture_source=capture_index.capture.source_of(number),
        duplicate_of=repeats[number - 1] if number <= len(repeats) else 0,
    )


def _check_stream(question: Question) -> None:
    faults = []
    for field, value, known in (
        ("protocol", question.protocol, PROTOCOLS),
        ("direction", question.direction, DIRECTIONS),
        ("format", question.form, FORMS),
    ):
        if value not in known:
            faults.append(Fault("bad-choice", f"{field} is one of {', '.join(known)}", field))
    if not 0 <= question.number < 2**31:
        faults.append(Fault("bad-number", "a stream has a number from 0 on", "number"))
    if faults:
        raise InvalidRequest(faults)


def _stream_under_way(capture_index: CaptureIndex, question: Question) -> StreamPage:
    return StreamPage(
        job=capture_index.capture.job_id,
        protocol=question.protocol,
        number=question.number,
        state="working",
        filter="",
        nodes=("", ""),
        bytes=(0, 0),
        direction=question.direction,
        form=question.form,
        offset=0,
        total=0,
        next=None,
        truncated=False,
        note="",
        pieces=(),
    )


def _stream_page(capture_index: CaptureIndex, question: Question, stream: Stream, path: Path) -> StreamPage:
    wanted = _placed(stream, _SENDERS[question.direction])
    offset = min(max(question.offset, 0), len(wanted))
    most = min(max(question.limit, 1), MOST_STREAM_BYTES)
    pieces: list[StreamPiece] = []
    taken = 0
    for segment, said in wanted[offset:]:
        if pieces and taken + segment.length > most:
            break
        taken += segment.length
        data = read_at(path, segment.offset, segment.length)
        content = _written(data, said, question.form)
        piece = _piece(segment, said, content)
        if 1 <= segment.packet <= capture_index.packets:
            source = capture_index.capture.source_of(segment.packet)
            piece = msgspec.structs.replace(piece, capture_source=source)
        pieces.append(piece)
    following = offset + len(pieces)
    note = (
        "" if stream.segments else f"There is nothing in {stream.protocol} stream {stream.number}, or no such stream."
    )
    return msgspec.structs.replace(
        _stream_under_way(capture_index, question),
        state="complete",
        filter=stream.filter,
        nodes=stream.nodes,
        bytes=stream.sizes(),
        offset=offset,
        total=len(wanted),
        next=following if following < len(wanted) else None,
        truncated=stream.truncated,
        note=note,
        pieces=tuple(pieces),
    )


def _piece(segment: Segment, said: int, content: str) -> StreamPiece:
    return StreamPiece(
        sender=segment.sender,
        offset=said,
        length=segment.length,
        content=content,
        packet=segment.packet,
        time=format_us(segment.time_us) if segment.time_us else None,
        lost=segment.lost,
    )


def _written(data: bytes, said: int, form: str) -> str:
    if form == "hex":
        return as_hex(data, said)
    return as_text(data) if form == "text" else data.hex()


def _placed(stream: Stream, senders: Sequence[int]) -> list[tuple[Segment, int]]:
    """The segments of these senders, each with what its sender had said before."""
    said = [0, 0]
    placed = []
    for segment in stream.segments:
        if segment.sender in senders:
            placed.append((segment, said[segment.sender]))
        said[segment.sender] += segment.length
    return placed


def _json(value: object, status: int = 200) -> Answered:
    return AnswerHeader(status=status), _once(msgspec.json.encode(value))


def _once(body: bytes) -> Iterator[bytes]:
    yield body
