"""The table of faults: every fault against the real pipeline, each with the verdict and the state that it must have."""

from collections.abc import Iterator

import pytest

from tests.faults.directories import harmless
from tests.faults.outcome import Outcome
from tests.faults.table import line, run_table
from tests.services.chance import seed_from_environment
from tests.services.rabbitmq import Broker

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(400)]

HARMLESS = {
    "none",
    "nothing matches",
    "slow, but in time",
    "nanosecond timestamps",
    "big-endian",
    "packets out of order",
    "another link type",
    "nobody listens at first",
    "not written yet, waits",
    "worker killed",
    "both workers killed in full flow",
    "collector killed",
    "collector killed in full flow",
    "web killed",
    "everything killed",
    "fragments twice, late, swapped",
    "connections to the broker cut",
    "broker out of memory",
    "broker restarted",
    "broker killed",
    "ledger locked",
    "clock set back an hour",
}
"""What must not cost a packet."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Outcome]]:
    """All rows, with a broker that may be killed; the seed is shown when a test fails."""
    place = tmp_path_factory.mktemp("faults")
    seed = seed_from_environment()
    print(f"seed {seed}")
    broker = Broker(place / "rabbitmq")
    try:
        broker.start()
        yield list(run_table(place, broker, seed))
    finally:
        broker.close()


def test_every_fault_gets_what_it_deserves(outcomes: list[Outcome]) -> None:
    """Verdict, state, sentence and packets are right in every row, and none ends later than its deadline allows."""
    assert [line(outcome) for outcome in outcomes if outcome.wrong] == []
    assert len(outcomes) > 200


def test_only_what_is_whole_is_called_complete(outcomes: list[Outcome]) -> None:
    """`complete`, `empty` and `completed` stand in the rows of harmless faults and in no other."""
    expected = HARMLESS | harmless()
    assert {outcome.fault for outcome in outcomes if outcome.verdict in ("complete", "empty")} == expected
    assert {outcome.fault for outcome in outcomes if outcome.state == "completed"} == expected
