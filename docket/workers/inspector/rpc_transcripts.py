"""A whole stream as a file, which says in its name and beside it what is not in it. For `rpc_handlers`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docket.workers.inspector.rpc_messages import AnswerHeader, Question
from docket.workers.inspector.tshark.streams import Stream, missing_bytes, transcript


def saved(
    question: Question, stream: Stream, data: bytes, senders: Sequence[int]
) -> tuple[AnswerHeader, Iterable[bytes]]:
    """Raw: the very bytes, with nothing in place of lost ones. Else a transcript, in which these are marked."""
    cut, missing = len(data) if stream.truncated else 0, missing_bytes(stream, data, senders)
    name = _name(f"{question.protocol}-{question.number}-{question.direction}", cut, missing)
    if question.form == "raw":
        kind = "application/octet-stream"
        heading = AnswerHeader(status=200, kind=kind, name=f"{name}.bin", cut_bytes=cut, missing_bytes=missing)
        return heading, (
            data[segment.offset : segment.offset + segment.length]
            for segment in stream.segments
            if segment.sender in senders and not segment.lost
        )
    kind = "text/plain; charset=utf-8"
    heading = AnswerHeader(status=200, kind=kind, name=f"{name}.txt", cut_bytes=cut, missing_bytes=missing)
    return heading, (line.encode() for line in transcript(stream, data, question.form, senders))


def _name(name: str, cut_bytes: int, lost_bytes: int) -> str:
    cut = f"-cut-after-{cut_bytes}-bytes" if cut_bytes else ""
    return name + cut + (f"-without-{lost_bytes}-lost-bytes" if lost_bytes else "")
