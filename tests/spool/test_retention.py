"""What leaves the spool, in which order, and what keeps new jobs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from docket.config.model import KeepOf, SpoolConfig
from docket.domain.job import Job, PcapFile, State
from docket.domain.timewindow import format_us
from docket.domain.units import size_text
from docket.spool import retention as retention_module
from docket.spool.file_io import write_at
from docket.spool.layout import Spool
from docket.spool.retention import Leaving, Retention, in_hours

US = 1_000_000
NOW_US = 1_795_530_120 * US
HOUR_US = 3600 * US


def job_id(n: int) -> str:
    return f"0192f0c1-0000-7000-8000-{n:012d}"


def stock(path: Path, owners: Sequence[str] = "aaaa", **settings: Any) -> Retention:
    """Four finished jobs of 1,000 bytes each, finished 4, 3, 2 and 1 hours ago; a letter for the owner of each."""
    spool = Spool(path)
    spool.create()
    jobs = {}
    for n in range(4):
        spool.prepare(job_id(n))
        write_at(spool.result(job_id(n)), 0, [bytes(1_000)])
        jobs[job_id(n)] = Job(
            id=job_id(n),
            state=State.COMPLETED,
            query="",
            asked="",
            explanation="",
            after="",
            before="",
            owner=owners[n],
            note="",
            created_at="",
            deadline="",
            finished_at=format_us(NOW_US - (4 - n) * HOUR_US),
            pcap=PcapFile(name="x", size=1_000, sha256=""),
        )
    retention = Retention(spool, SpoolConfig(path=path, **settings))
    retention.take_stock(jobs.values(), jobs.get)
    return retention


@pytest.mark.parametrize(
    ("settings", "free_bytes", "open_bytes", "leaving"),
    [
        ({}, 1 << 40, 0, []),
        ({"keep_s": 9_000}, 1 << 40, 0, [(0, "older than 150 min"), (1, "older than 150 min")]),
        ({"max_bytes": 3_000}, 1 << 40, 0, [(0, "removed to keep the spool within 3.0 kB")]),
        ({"max_bytes": 3_000}, 1 << 40, 1_500, [(n, "removed to keep the spool within 3.0 kB") for n in (0, 1, 2)]),
        ({"min_free_bytes": 5_000}, 3_500, 0, [(n, "removed to keep 5.0 kB of the disk free") for n in (0, 1)]),
        ({"min_free_bytes": 5_000}, 0, 0, [(n, "removed to keep 5.0 kB of the disk free") for n in range(4)]),
    ],
)
def test_the_oldest_leave_first_and_no_more_than_needed(
    tmp_path: Path, settings: dict[str, int], free_bytes: int, open_bytes: int, leaving: list[tuple[int, str]]
) -> None:
    """By age, by quota (open jobs count), by free space."""
    retention = stock(tmp_path, "aaaa", **settings)
    expected = [Leaving(job_id(n), reason) for n, reason in leaving]
    assert retention.leaving(NOW_US, free_bytes, open_bytes) == expected


@pytest.mark.parametrize(
    ("settings", "free_bytes", "free_inodes", "reason"),
    [
        ({}, 1 << 40, None, ""),
        ({}, 310_000_000, None, "the spool has 310 MB free, at least 500 MB are kept free"),
        (
            {"max_bytes": 4_000},
            1 << 40,
            9_999,
            "the spool holds 4.0 kB of at most 4.0 kB, and no finished result can go",
        ),
        ({}, 1 << 40, 12, "the spool's disk can take only 12 more files"),
    ],
)
def test_new_jobs_are_refused_with_the_figures(
    tmp_path: Path, settings: dict[str, int], free_bytes: int, free_inodes: int | None, reason: str
) -> None:
    """Before anything breaks."""
    assert stock(tmp_path, "aaaa", **settings).refusal(free_bytes, free_inodes, 0) == reason


def test_used_bytes_follow_what_comes_and_goes(tmp_path: Path) -> None:
    """A job that grew counts once, one that was let go not at all."""
    retention = stock(tmp_path)
    assert retention.used_bytes == 4_000
    retention.forget(job_id(0))
    retention.forget(job_id(0))
    assert retention.used_bytes == 3_000


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (50_000_000_000, "50 GB")])
def test_sizes_are_written_as_in_the_configuration(size: int, text: str) -> None:
    """Decimal units."""
    assert size_text(size) == text


@pytest.mark.parametrize(("duration", "text"), [(172_800, "48 h"), (90, "90 s"), (5_400, "90 min")])
def test_durations_are_written_in_the_largest_unit_that_fits(duration: int, text: str) -> None:
    """Never rounded."""
    assert in_hours(duration) == text


@pytest.mark.parametrize(
    ("owners", "max_bytes", "open_of", "leaving"),
    [
        ("baaa", 3_000, {}, [1]),
        ("baaa", 1_000, {}, [1, 2, 0]),
        ("abbb", 2_000, {}, [1, 2]),
        ("aabb", 4_000, {"b": 1_500}, [2, 3]),
        ("aaaa", 4_000, {"b": 1_500}, [0, 1]),
    ],
)
def test_who_holds_most_makes_room(
    tmp_path: Path, owners: str, max_bytes: int, open_of: dict[str, int], leaving: list[int]
) -> None:
    """The oldest of the owner with most, counting what his open jobs take up; of equals the one with the older."""
    retention = stock(tmp_path, owners, max_bytes=max_bytes)
    found = retention.leaving(NOW_US, 1 << 40, sum(open_of.values()), open_of)
    assert [one.job_id for one in found] == [job_id(n) for n in leaving]


def test_owner_may_have_results_kept_for_longer_or_shorter(tmp_path: Path) -> None:
    """By age alone: where room has to be made, all owners are alike."""
    keep_of = (KeepOf("alerts", 10 * 3600), KeepOf("guest", 1_800))
    retention = stock(tmp_path, ["alerts", "anna", "anna", "guest"], keep_s=9_000, keep_of=keep_of)
    old = [Leaving(job_id(1), "older than 150 min"), Leaving(job_id(3), "older than 30 min")]
    assert retention.leaving(NOW_US, 1 << 40, 0) == old


def test_a_pass_is_bounded_and_the_next_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By age and for room, the oldest first; what is looked for takes turns."""
    monkeypatch.setattr(retention_module, "MOST_LEAVING", 3)
    monkeypatch.setattr(retention_module, "MOST_LOOKED_FOR", 3)
    for settings in ({"keep_s": 60}, {"max_bytes": 0}):
        retention = stock(tmp_path / str(settings), "abab", **settings)
        passes = []
        for _ in range(3):
            left = [job_id for job_id, _ in retention.leaving(NOW_US, 1 << 40, 0)]
            passes.append(len(left))
            for job in left:
                retention.forget(job)
        assert (passes, retention.used_bytes) == ([3, 1, 0], 0)
    retention = stock(tmp_path / "looked", "abab")
    for n in range(4):
        Spool(tmp_path / "looked").result(job_id(n)).unlink()
    assert [len(list(retention.missing())) for _ in range(3)] == [3, 1, 3]


def test_what_is_noted_again_is_counted_once(tmp_path: Path) -> None:
    """A job that is finished anew, or whose summary came, takes its place by its later end."""
    retention = stock(tmp_path, "aaaa", max_bytes=3_000)
    first = retention.leaving(NOW_US, 1 << 40, 0)
    done = Job(
        id=job_id(0),
        state=State.COMPLETED,
        query="",
        asked="",
        explanation="",
        after="",
        before="",
        owner="aaaa",
        note="",
        created_at="",
        deadline="",
        finished_at=format_us(NOW_US),
        pcap=PcapFile(name="x", size=1_000, sha256=""),
    )
    retention.note(done)
    assert retention.used_bytes == 4_000
    assert [leaving.job_id for leaving in [*first, *retention.leaving(NOW_US, 1 << 40, 0)]] == [job_id(0), job_id(1)]
