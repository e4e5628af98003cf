"""Estimates: what they rest on, and that they learn."""

import pytest

from docket.domain.estimate import Capacity, Confidence, Estimate, Sample, estimate, kindred, learn, shape, share
from docket.domain.job import Job, SourceAnswer, State, Verdict
from docket.domain.query.canonical import parse
from docket.domain.timewindow import US_PER_S, format_us
from docket.domain.units import size_text

MINUTE_US = 60 * US_PER_S
START_US = 1_790_000_000_000_000


def job(
    query: str,
    *,
    minutes: int = 1,
    em1_bytes: int = 6_000,
    verdict: Verdict = Verdict.COMPLETE,
    took_us: int = US_PER_S,
) -> Job:
    """A finished job of one source, em1, with packets of 100 bytes."""
    return Job(
        id="0",
        state=State.COMPLETED,
        query=query,
        asked=query,
        explanation="",
        after=format_us(START_US),
        before=format_us(START_US + minutes * MINUTE_US),
        owner="",
        note="",
        created_at=format_us(START_US),
        finished_at=format_us(START_US + took_us),
        deadline=format_us(START_US),
        bytes=em1_bytes,
        sources=(SourceAnswer(name="a:em1", verdict=verdict, packets=em1_bytes // 100, bytes=em1_bytes),),
    )


def guess(query: str, *past: Sample, minutes: int = 1, bytes_per_us: float | None = None) -> Estimate:
    return estimate(parse(query), {"a:em1": Capacity(minutes * MINUTE_US, bytes_per_us)}, past)


def test_the_same_question_over_another_window_is_scaled() -> None:
    """Twice the window, twice the packets."""
    found = guess("host 10.1.2.3", learn(job("host 10.1.2.3")), minutes=2)
    assert (found.bytes, found.packets, found.confidence) == (12_000, 120, Confidence.HIGH)
    assert found.sentence == "Roughly 12 kB in 120 packets, judging by the same question before."


def test_questions_of_the_same_shape_teach() -> None:
    """Another host is expected to talk as much as those before, on the mean."""
    past = [learn(job("host 10.1.2.3", em1_bytes=2_000)), learn(job("host 10.1.2.4", em1_bytes=6_000))]
    found = guess("host 10.9.9.9", *past)
    assert (found.bytes, found.confidence) == (4_000, Confidence.FAIR)


def test_the_same_question_counts_more_than_similar_ones() -> None:
    """What is known exactly is not blurred."""
    past = [learn(job("host 10.1.2.3", em1_bytes=2_000)), learn(job("host 10.1.2.4", em1_bytes=900_000))]
    assert guess("host 10.1.2.3", *past).bytes == 2_000


def test_without_questions_the_disk_is_the_guide() -> None:
    """A source that tells how much it holds needs no earlier question."""
    found = guess("", bytes_per_us=0.001, minutes=10)
    assert (found.bytes, found.confidence) == (600_000, Confidence.LOW)
    assert found.sentence == "Perhaps 600 kB in 857 packets, a guess from what the sources hold."


def test_a_filter_lets_less_through_than_none() -> None:
    """From what is held, each further term makes the guess smaller; alternatives make it larger."""
    sizes = [
        guess(query, bytes_per_us=1.0).bytes or 0
        for query in (
            "",
            "net 10.0.0.0/8",
            "tcp",
            "host 10.1.2.3 or host 10.1.2.4",
            "host 10.1.2.3",
            "host 10.1.2.3 and port 53",
        )
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


def test_nothing_known_is_said() -> None:
    """No figure is made up."""
    assert guess("port 53") == Estimate(sentence="No estimate yet: nothing like this was asked before.")


def test_a_source_of_which_nothing_is_known_is_named() -> None:
    """The others' figures stand, with little confidence."""
    stocks = {"a:em1": Capacity(MINUTE_US), "a:em2": Capacity(MINUTE_US)}
    found = estimate(parse("port 53"), stocks, [learn(job("port 53"))])
    assert (found.bytes, found.confidence) == (6_000, Confidence.LOW)
    assert found.sentence.endswith("; nothing is known of a:em2.")


@pytest.mark.parametrize(
    "verdict", [verdict for verdict in Verdict if verdict not in (Verdict.COMPLETE, Verdict.EMPTY)]
)
def test_answers_that_were_not_whole_teach_nothing(verdict: Verdict) -> None:
    """A part of an answer would make the next one look small."""
    assert learn(job("port 53", verdict=verdict)).answers == ()


def test_time_is_learned_from_jobs_of_some_size() -> None:
    """Bytes per second of earlier jobs; before there are any, a usual figure."""
    large = learn(job("tcp", em1_bytes=50_000_000, took_us=10 * US_PER_S))
    assert guess("tcp", large).seconds == 11
    assert guess("", bytes_per_us=1.0, minutes=1).seconds == 4


def test_a_window_before_the_oldest_packet_brings_nothing() -> None:
    """What is gone is not counted."""
    found = estimate(parse("port 53"), {"a:em1": Capacity(0)}, [learn(job("port 53"))])
    assert (found.bytes, found.sentence) == (0, "Roughly nothing, judging by the same question before.")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("port 53 and host 10.1.2.3", "host and port"),
        ("host 10.1.2.3 or host 10.1.2.4", "(host)"),
        ("(port 53 or udp) and net 10.0.0.0/8", "(port or proto 17) and net"),
        ("vlan 100 and mpls 7", "mpls and vlan"),
    ],
)
def test_shape(query: str, expected: str) -> None:
    """The kinds of the terms, whatever their values."""
    assert shape(parse(query)) == expected


@pytest.mark.parametrize("query", ["", "net 0.0.0.0/0", "net ::/0", "tcp or udp or icmp", "host ::1 and vlan 1"])
def test_share_is_a_part(query: str) -> None:
    """Above nothing and at most everything."""
    assert 0 < share(parse(query)) <= 1


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (9_960, "10 kB"), (999_600, "1.0 MB"), (5e15, "5.0 PB")],
)
def test_size(size_bytes: float, text: str) -> None:
    """Two figures, and no more."""
    assert size_text(size_bytes) == text


def test_other_kinds_of_queries_prove_nothing() -> None:
    """Where only they are known there is a guess, and nothing that a refusal could rest on."""
    past = [learn(job("host 10.1.2.3", em1_bytes=6_000_000))]
    assert guess("udp", *past).confidence is Confidence.LOW
    assert guess("udp", *kindred(parse("udp"), past)).bytes is None
    assert guess("host 10.9.9.9", *kindred(parse("host 10.9.9.9"), past)).bytes == 6_000_000


def test_all_traffic_bounds_every_query() -> None:
    """A query brings a part of what everything brought."""
    past = kindred(parse("udp"), [learn(job("", em1_bytes=6_000))])
    found = guess("udp", *past).bytes
    assert found is not None
    assert 0 < found <= 6_000
