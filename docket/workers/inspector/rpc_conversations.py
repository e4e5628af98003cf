"""Answers about all conversations of a result: a page of them, or CSV. For `rpc_handlers`."""

from __future__ import annotations

import msgspec

from docket.errors import DissectionError, Fault, InvalidRequest
from docket.workers.inspector.capture_index import CaptureIndex
from docket.workers.inspector.rpc_messages import MOST_ROWS, AnswerHeader, ConversationPage, Question
from docket.workers.inspector.rpc_server import Answered
from docket.workers.inspector.tshark.conversation_list import BY, SORTS, as_csv, chosen, listed

WAIT_S = 5.0


def page(capture_index: CaptureIndex, question: Question) -> Answered:
    """A page or a file; 202 and an empty page until they are counted. Raises InvalidRequest, DissectionError."""
    _check(question)
    is_file = question.form == "csv"
    known = capture_index.conversations(WAIT_S * 10 if is_file else WAIT_S)
    if known is None and is_file:
        raise DissectionError("the conversations are still being counted: ask again in a moment")
    every = known or ()
    found = chosen(every, question.search, question.by, question.sort)
    if is_file:
        return AnswerHeader(status=200, kind="text/csv; charset=utf-8", name="conversations.csv"), as_csv(found)
    offset, limit = max(question.offset, 0), min(max(question.limit, 1), MOST_ROWS)
    answer = ConversationPage(
        job=capture_index.capture.job_id,
        state="working" if known is None else "complete",
        text=question.search,
        sort=question.sort,
        by=question.by,
        offset=offset,
        limit=limit,
        total=len(found),
        of=len(every),
        conversations=tuple(listed(one) for one in found[offset : offset + limit]),
    )
    return AnswerHeader(status=202 if known is None else 200), iter([msgspec.json.encode(answer)])


def _check(question: Question) -> None:
    faults = []
    if question.sort.removeprefix("-") not in SORTS:
        faults.append(Fault("bad-choice", f"sort is one of {', '.join(SORTS)}, with - the greatest first", "sort"))
    if question.by not in BY:
        faults.append(Fault("bad-choice", f"by is one of {', '.join(BY)}", "by"))
    if faults:
        raise InvalidRequest(faults)
