"""A job is a fold over its events, and verdicts add up to a state."""

from __future__ import annotations

import itertools

import pytest

from docket.domain.annotation import Annotation
from docket.domain.job import CLOSING, FULL, Event, EventName, Job, PcapFile, SourceAnswer, State, Verdict, judge
from docket.domain.request import check_request
from tests.domain.history import fold

REQUEST = check_request(
    {
        "id": "0192f0c1-0000-7000-8000-000000000001",
        "query": "port 53",
        "after": "2026-11-24T14:02:00Z",
        "before": "2026-11-24T14:10:00Z",
    }
)
AT = "2026-11-24T14:20:31.500000Z"


def event(name: EventName, **facts: object) -> Event:
    return Event(name=name, job_id=REQUEST.id, at=AT, **facts)  # type: ignore[arg-type]


REQUESTED = event(EventName.REQUESTED, request=REQUEST, source_names=("a:1", "a:2"))


def test_a_job_begins_queued_with_an_answer_per_source() -> None:
    """Right after asking every source is listed and none has a verdict."""
    job = fold([REQUESTED])
    assert (job.state, [(answer.name, answer.verdict) for answer in job.sources]) == (
        State.QUEUED,
        [("a:1", None), ("a:2", None)],
    )


def test_an_answer_replaces_the_one_of_the_same_source_only() -> None:
    """News of one source leaves the others and their order alone."""
    job = fold([REQUESTED, event(EventName.SOURCE, answers=(SourceAnswer(name="a:1", packets=7),))])
    assert [(answer.name, answer.packets) for answer in job.sources] == [("a:1", 7), ("a:2", 0)]


def test_a_closing_event_brings_the_file_and_the_time() -> None:
    """State, time and file come together, so nobody sees a finished job without its result."""
    pcap = PcapFile(name="x.pcap", size=24, sha256="00")
    job = fold([REQUESTED, event(EventName.STARTED), event(EventName.COMPLETED, pcap=pcap, packets=0, bytes=24)])
    assert (job.state, job.finished_at, job.pcap) == (State.COMPLETED, AT, pcap)


def test_a_retry_reopens_the_job_and_keeps_the_old_file() -> None:
    """The former result stays downloadable until the new revision is whole."""
    pcap = PcapFile(name="x.pcap", size=24, sha256="00")
    closed = fold([REQUESTED, event(EventName.STARTED), event(EventName.PARTIAL, pcap=pcap)])
    job = closed.apply(event(EventName.STARTED, revision=2))
    assert (job.state, job.revision, job.pcap, job.finished_at) == (State.RUNNING, 2, pcap, None)


def test_an_expired_job_keeps_its_record_but_not_its_file() -> None:
    """The PCAP is gone, the story stays."""
    pcap = PcapFile(name="x.pcap", size=24, sha256="00")
    job = fold([REQUESTED, event(EventName.COMPLETED, pcap=pcap, packets=3), event(EventName.EXPIRED, reason="age")])
    assert (job.state, job.pcap, job.packets, job.reason) == (State.EXPIRED, None, 3, "age")


@pytest.mark.parametrize(
    ("one", "two", "asked"),
    [
        (Verdict.REFUSED, Verdict.COMPLETE, ("a:1",)),
        (Verdict.REFUSED, Verdict.AGED_OUT, ("a:1",)),
        (Verdict.LIMITED, Verdict.CUT, ("a:2",)),
        (Verdict.AGED_OUT, Verdict.LIMITED, ("a:1", "a:2")),
        (Verdict.GAP, Verdict.AGED_OUT, ("a:2",)),
        (Verdict.GAP, Verdict.EMPTY, ()),
    ],
)
def test_a_retry_asks_whom_it_may_help(one: Verdict, two: Verdict, asked: tuple[str, ...]) -> None:
    """What is gone from a disk or beyond a limit only where nothing else fell short; what was not recorded never."""
    answers = (SourceAnswer(name="a:1", verdict=one), SourceAnswer(name="a:2", verdict=two))
    assert fold([REQUESTED, event(EventName.PARTIAL, answers=answers)]).worth_retrying == asked


def test_what_is_written_on_a_job_changes_nothing_else() -> None:
    """Fields that are left out stay, empty ones are taken away; state and file are as before."""
    closed = fold([REQUESTED, event(EventName.COMPLETED, packets=3)])
    job = closed.apply(event(EventName.ANNOTATED, annotation=Annotation(tags=("c2",), case="17")))
    assert (job.state, job.packets, job.note, job.tags, job.case) == (State.COMPLETED, 3, "", ("c2",), "17")
    assert job.apply(event(EventName.ANNOTATED, annotation=Annotation(case=""))).tags == ("c2",)


def test_a_history_without_a_beginning_is_refused() -> None:
    """Events of an unknown job do not make a job."""
    with pytest.raises(ValueError, match="begins with job"):
        fold([event(EventName.STARTED)])


@pytest.mark.parametrize(("one", "two"), list(itertools.product(Verdict, Verdict)))
def test_only_full_verdicts_make_a_completed_job(one: Verdict, two: Verdict) -> None:
    """Over all pairs of verdicts: completed exactly when both are complete or empty."""
    answers = [SourceAnswer(name="a:1", verdict=one), SourceAnswer(name="a:2", verdict=two)]
    expected = {2: State.COMPLETED, 1: State.PARTIAL, 0: State.FAILED}[sum(v in FULL for v in (one, two))]
    assert judge(answers) == expected


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict not in FULL])
def test_packets_or_an_answered_stretch_make_a_short_answer_useful(verdict: Verdict) -> None:
    """One source that fell short but gave something is partial, not failed."""
    assert judge([SourceAnswer(name="a:1", verdict=verdict, packets=1)]) == State.PARTIAL
    assert judge([SourceAnswer(name="a:1", verdict=verdict, usable=True)]) == State.PARTIAL
    assert judge([SourceAnswer(name="a:1", verdict=verdict)]) == State.FAILED


def test_nobody_asked_is_a_failure() -> None:
    """Absence of sources proves nothing."""
    assert judge([]) == State.FAILED


def test_every_closing_event_leads_to_its_state() -> None:
    """The table of closing events and the fold agree."""
    for state, name in CLOSING.items():
        assert fold([REQUESTED, event(name)]).state == state


def test_the_explanation_is_part_of_the_job() -> None:
    """People read what was asked in words."""
    assert Job.opened(REQUEST, ["a:1"]).explanation
