"""Each attempt of an attacker ends as it must; `make attacks` prints them, with those on a real broker."""

import re
from pathlib import Path

import pytest

from docket.bus import permissions
from tests.attacks.__main__ import WAYS
from tests.attacks.attempt import Attempt

FEWEST = 190
"""Beside the three hundred on the broker, which tests/bus/test_least_rights.py carries out."""

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> list[Attempt]:
    return [attempt for number, way in enumerate(WAYS) for attempt in way(tmp_path_factory.mktemp(f"way{number}"))]


def test_every_attempt_ends_as_it_must(attempts: list[Attempt]) -> None:
    """No row of the table is wrong, and none is missing."""
    assert [attempt.text for attempt in attempts if not attempt.right] == []
    assert len(attempts) >= FEWEST


def test_every_role_is_in_the_documentation(attempts: list[Attempt]) -> None:
    """Each that tried something has a row in docs/security.md."""
    roles = [cells[0] for cells in rows()]
    tried = {attempt.role for attempt in attempts} - {"all of them"}
    assert {role for role in tried if not any(one.startswith(role) for one in roles)} == set()


def test_documentation_names_tests_that_there_are() -> None:
    """Each row says for all assets what holds, and by which tests."""
    there = set(
        re.findall(r"^def (test_\w+)\(", "\n".join(map(Path.read_text, TESTS.rglob("test_*.py"))), re.MULTILINE)
    )
    for cells in rows():
        assert all(cells), cells
        named = re.findall(r"`(test_\w+)`", cells[-1])
        assert (named != [], set(named) - there) == (True, set()), cells[0]


def test_every_account_of_the_broker_has_a_row() -> None:
    """Those of all roles, and that of one sensor's workers."""
    names = {f"broker: {role.name}" for role in permissions.roles()}
    assert names - {cells[0] for cells in rows()} == set()


def rows() -> list[list[str]]:
    """The table of roles and assets, without its heading."""
    page = (TESTS.parent / "docs" / "security.md").read_text()
    section = page[page.index("## What an attacker can do") : page.index("## What was tried")]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
