"""Places at a source: shares of owners, jobs that lie in the future, and what happens when too many wait."""

import pytest

from docket.workers.interface import jobs_in_hand
from docket.workers.interface.jobs_in_hand import WaitingJobs


def put(jobs: WaitingJobs[str], owner: str, count: int, *, due_us: int = 0, size_bytes: int = 1) -> list[str | None]:
    """Let jobs wait that are named after their owner; gives what had no room."""
    first = len(jobs)
    names = [f"{owner}{first + number}" for number in range(count)]
    return [jobs.put(name, name, owner=owner, size_bytes=size_bytes, due_us=due_us) for name in names]


def begun(jobs: WaitingJobs[str], now_us: int = 0) -> list[str]:
    found = []
    while (job := jobs.begin(now_us)) is not None:
        found.append(job)
    return found


def test_one_owner_has_half_of_the_places() -> None:
    """However many jobs one has: the next owner's job begins at once."""
    jobs = WaitingJobs[str](places=8)
    put(jobs, "a", 2_000)
    assert begun(jobs) == ["a0", "a1", "a2", "a3"]
    put(jobs, "b", 1)
    assert begun(jobs) == ["b1996"]


def test_owners_take_turns() -> None:
    """Whoever holds fewest places is next."""
    jobs = WaitingJobs[str](places=4)
    for owner in ("a", "b"):
        put(jobs, owner, 3)
    assert [name[0] for name in begun(jobs)] == ["a", "b"]
    jobs.end("a")
    assert [name[0] for name in begun(jobs)] == ["a"]
    jobs.end("b")
    assert [name[0] for name in begun(jobs)] == ["b"]


def test_what_waits_for_the_future_takes_no_place() -> None:
    """Jobs begin when they are due, and those that are due pass those that are not."""
    jobs = WaitingJobs[str](places=2)
    put(jobs, "a", 70, due_us=1_000)
    put(jobs, "a", 1)
    assert begun(jobs) == ["a70"]
    jobs.end("a")
    assert begun(jobs, now_us=1_000) == ["a0"]


@pytest.mark.parametrize(("most_jobs", "most_bytes"), [(10, 1_000), (1_000, 10)])
def test_who_has_most_gives_way_where_there_is_no_room(
    monkeypatch: pytest.MonkeyPatch, most_jobs: int, most_bytes: int
) -> None:
    """The newest job of the owner with most is turned away, in number or in bytes, and no other."""
    monkeypatch.setattr(jobs_in_hand, "MOST_JOBS", most_jobs)
    monkeypatch.setattr(jobs_in_hand, "MOST_BYTES", most_bytes)
    jobs = WaitingJobs[str](places=0)
    assert put(jobs, "a", 10) == [None] * 10
    assert put(jobs, "a", 1) == ["a10"]
    assert put(jobs, "b", 2) == ["a9", "a8"]
    assert len(jobs) == 10


def test_a_job_knows_what_it_waits_for() -> None:
    """Its owner's earlier jobs and the other owners; nothing of the kind for one that is not due."""
    jobs = WaitingJobs[str](places=0)
    put(jobs, "a", 3)
    put(jobs, "b", 1)
    put(jobs, "a", 1, due_us=5)
    assert (jobs.place("a2", 0), jobs.place("b3", 0), jobs.place("a4", 0)) == ((2, 1), (0, 1), None)


def test_a_job_that_is_taken_out_leaves_nothing() -> None:
    """A cancelled job waits no more, and its owner is forgotten with the last one."""
    jobs = WaitingJobs[str]()
    put(jobs, "a", 1)
    assert (jobs.discard("a0"), jobs.discard("a0"), len(jobs), begun(jobs)) == ("a0", None, 0, [])
