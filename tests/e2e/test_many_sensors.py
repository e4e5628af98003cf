"""A site of simulated sensors, as `python -m bench scale` measures it, in small; and what it asks."""

from pathlib import Path

import pytest

from bench.load import DAY_S, Load, questions
from bench.scale import run
from bench.simulated import FEW_PACKETS, MANY_PACKETS, packets_of
from tests.services.rabbitmq import Broker


def test_every_job_of_a_small_site_ends_and_every_socket_lasts(tmp_path: Path, broker: Broker) -> None:
    """Two sensors with two interfaces each answer a dozen questions of two analysts."""
    load = Load(sensors=2, interfaces=2, jobs=12, per_s=12.0, analysts=2, records=10)
    report = run(load, broker, tmp_path)
    found = {figure.what: figure.values[0] for figure in report.figures}
    assert found["jobs completed, of 12"] == 12
    assert found["sockets that lasted, of 2"] == 2
    assert found["ledger per job, tables and indexes"] > 0
    assert found["memory of collector at most"] > 0


def test_seven_of_ten_questions_go_to_one_sensor_and_one_to_all() -> None:
    """The mixture that docs/scale.md names."""
    load = Load(sensors=20, interfaces=5, jobs=100)
    asked = [len(question.get("sources", [None] * 100)) for question in questions(load)]
    assert {count: asked.count(count) for count in sorted(set(asked))} == {5: 70, 10: 20, 100: 10}


def test_every_source_that_is_asked_exists() -> None:
    """Also where the tenth of the sensors begins at the last of them."""
    load = Load(sensors=20, interfaces=5, jobs=200)
    known = {name for of_sensor in load.names for name in of_sensor}
    assert {name for question in questions(load) for name in question.get("sources", [])} <= known


def test_half_of_the_answers_are_empty_and_one_in_twenty_is_large() -> None:
    """A source answers the same question with the same packets each time."""
    answers = [packets_of(f"port {number}", "sensor001:em1") for number in range(2_000)]
    assert answers == [packets_of(f"port {number}", "sensor001:em1") for number in range(2_000)]
    shares = {packets: answers.count(packets) / 2_000 for packets in (0, FEW_PACKETS, MANY_PACKETS)}
    assert shares == pytest.approx({0: 0.5, FEW_PACKETS: 0.45, MANY_PACKETS: 0.05}, abs=0.05)


def test_compression_is_against_a_tenth_of_fifty_thousand_jobs_a_day() -> None:
    """At five thousand jobs in a day nothing is compressed."""
    assert Load(per_s=5_000 / DAY_S).compression == pytest.approx(1.0)
