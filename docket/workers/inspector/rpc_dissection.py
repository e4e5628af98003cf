"""Answers about how a result is dissected, and what is counted in it. For `rpc_handlers`."""

from __future__ import annotations

import msgspec

from docket.spool.dissector_settings import DissectorSettings, check_decode_as, check_key_log, write_settings
from docket.spool.layout import Spool
from docket.workers.inspector.capture_index import CaptureIndex
from docket.workers.inspector.rpc_messages import AnswerHeader, DissectionSettings, Question, TransactionList
from docket.workers.inspector.rpc_server import Answered
from docket.workers.inspector.tshark.filters import check_rules

WAIT_S = 5.0


def shown(capture_index: CaptureIndex, _question: Question) -> Answered:
    """What is set."""
    return _answer(capture_index, capture_index.capture.settings)


def dissect(spool: Spool, capture_index: CaptureIndex, question: Question) -> Answered:
    """Set it; what is left out stays. The next question is answered from a new list. Raises InvalidRequest."""
    rules = capture_index.capture.settings.decode_as
    if question.decode_as is not None:
        rules = check_decode_as(question.decode_as)
        check_rules(rules)
    keys = check_key_log(question.key_log) if question.key_log is not None else None
    directory = spool.job_directory(capture_index.capture.job_id)
    return _answer(capture_index, write_settings(directory, rules, keys))


def transactions(capture_index: CaptureIndex, question: Question) -> Answered:
    """DNS, TLS and HTTP; 202 while they are counted."""
    found = capture_index.transactions(WAIT_S, question.user)
    state = "working" if found is None else "complete"
    answer = TransactionList(job=capture_index.capture.job_id, state=state, found=found)
    return AnswerHeader(status=202 if found is None else 200), iter([msgspec.json.encode(answer)])


def _answer(capture_index: CaptureIndex, settings: DissectorSettings) -> Answered:
    answer = DissectionSettings(job=capture_index.capture.job_id, decode_as=settings.decode_as, keys=settings.keys)
    return AnswerHeader(status=200), iter([msgspec.json.encode(answer)])
