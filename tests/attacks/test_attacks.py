"""Each attempt of an attacker ends as it must; `make attacks` prints them, with those on a real broker."""

from pathlib import Path

import pytest

from tests.attacks.__main__ import WAYS
from tests.attacks.attempt import Attempt

FEWEST = 100
"""Beside the two hundred on the broker, which tests/bus/test_least_rights.py carries out."""


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> list[Attempt]:
    return [attempt for number, way in enumerate(WAYS) for attempt in way(tmp_path_factory.mktemp(f"way{number}"))]


def test_every_attempt_ends_as_it_must(attempts: list[Attempt]) -> None:
    """No row of the table is wrong, and none is missing."""
    assert [attempt.text for attempt in attempts if not attempt.right] == []
    assert len(attempts) >= FEWEST


def test_every_role_and_asset_is_in_the_documentation(attempts: list[Attempt]) -> None:
    """The table of docs/security.md names them."""
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    table = page[page.index("## What an attacker can do") :]
    assert {attempt.role for attempt in attempts if f"| {attempt.role} |" not in table} - {"all of them"} == set()
