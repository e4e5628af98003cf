"""Docket for other programs: ask, watch, fetch. `Docket` blocks, `AsyncDocket` is for event loops.

What is named here stays; names are only ever added. docs/client.md describes it.
"""

from docket.client.answers import Coverage, QueryCheck
from docket.client.asynchronous import AsyncDocket
from docket.client.blocking import Docket
from docket.client.save import NotSaved
from docket.domain.job import Job, PcapFile, SourceAnswer, State, Verdict
from docket.errors import DocketError, Fault, ServerRefused, ServerUnreachable

__all__ = [
    "AsyncDocket",
    "Coverage",
    "Docket",
    "DocketError",
    "Fault",
    "Job",
    "NotSaved",
    "PcapFile",
    "QueryCheck",
    "ServerRefused",
    "ServerUnreachable",
    "SourceAnswer",
    "State",
    "Verdict",
]
