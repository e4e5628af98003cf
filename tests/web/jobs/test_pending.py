"""What this process vouches for until the ledger has it."""

import asyncio

from docket.domain.event import EventMessage
from docket.domain.job import EventName, Job
from docket.domain.request import Request, fingerprint
from docket.web.jobs.pending import Pending, PendingJob
from tests.workers.requests import START_US, US, ask


def add(pending: Pending) -> Request:
    """Ask a question that the collector has not read."""
    request = ask(START_US, START_US + US, sources=("rock01:em1",))
    pending.add(PendingJob(request, fingerprint(request), Job.opened(request, ("rock01:em1",))))
    return request


def rejected(request: Request) -> EventMessage:
    return EventMessage(event=EventName.REJECTED, at="", job_id=request.id, reason="the spool is full")


def test_rejected_question_is_read() -> None:
    """What the collector has refused no longer counts as unread, however often it says so, and is still found."""

    async def scenario() -> None:
        pending = Pending()
        first, second = add(pending), add(pending)
        pending.on_event(rejected(first))
        pending.on_event(rejected(first))
        assert pending.unread("") == 1
        job = pending.find(first.id)
        assert job is not None
        assert job.reason == "the spool is full"
        for request in (first, second):
            pending.remove(request.id)
        assert (pending.unread(""), len(pending)) == (0, 0)

    asyncio.run(scenario())


def test_question_that_came_into_the_ledger_is_read() -> None:
    """An event with the job says that the collector has it; the same question can be asked again."""

    async def scenario() -> None:
        pending = Pending()
        request = add(pending)
        pending.on_event(EventMessage(event=EventName.REQUESTED, at="", job=Job.opened(request, ())))
        assert pending.unread("") == 0
        add(pending)
        assert pending.unread("") == 1

    asyncio.run(scenario())
