"""What the refusal of too large a request rests on."""

import asyncio
from typing import Any, cast

from docket.domain.estimate import Estimate
from docket.domain.request import Request
from docket.domain.source import SourceStatus
from docket.domain.survey import Survey
from docket.web.jobs.job_history import JobHistory
from docket.web.jobs.size_guard import SizeGuard
from docket.web.jobs.surveys import Surveys

SOURCE = SourceStatus(name="rock01:em1", kind="capture-files", state="online", last_seen="2026-11-24T14:00:00Z")
REQUEST = Request(id="0", query="udp", asked="udp", after_us=0, before_us=1, requested_at_us=1, sources=("rock01:em1",))
MOST_BYTES = 5_000


class _History:
    """Earlier jobs that let a lot be expected."""

    async def expected(self, *_question: Any) -> Estimate:
        return Estimate(bytes=151_000_000, packets=1_000, sentence="Roughly 151 MB.")


class _Surveys:
    def __init__(self, *found: Survey) -> None:
        self._found = found

    async def ask(self, *_question: Any) -> tuple[Survey, ...]:
        return self._found


def refused(*found: Survey, **limits: int) -> str | None:
    guard = SizeGuard(MOST_BYTES, cast(JobHistory, _History()), cast(Surveys, _Surveys(*found)))
    error = asyncio.run(guard.refusal(REQUEST, {"limits": limits}, [SOURCE]))
    return error.faults[0].code if error else None


def counted(size_bytes: int) -> Survey:
    return Survey(
        source=SOURCE.name, files=1, of_files=6, packets=4, bytes=size_bytes, exact=True, read_bytes=size_bytes
    )


def test_a_count_outweighs_what_earlier_jobs_brought() -> None:
    """Where the index counts four packets, nothing is refused for what was learned before."""
    assert refused() == "too-big"
    assert refused(counted(312)) is None
    assert refused(counted(6_000)) == "too-big"


def test_a_limit_of_its_own_ends_the_job_anyway() -> None:
    """Such a request is never refused for its size."""
    assert refused(packets=5) is None
