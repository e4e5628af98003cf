"""Sources with random holes, clocks, rotations, damage and link types: what is called whole is whole.

CASES=2000 asks as many; SEED=… begins elsewhere. Each case that fails is named by its seed.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.certificates import Authority
from tests.holes.cases import of_a_directory, of_a_store
from tests.services.chance import seed_from_environment

CASES = int(os.environ.get("CASES", "80"))
FIRST_SEED = seed_from_environment() if "CASES" in os.environ else 100_000
STORES_SHARE = 5
"""One case in so many is a stenographer."""


@pytest.mark.timeout(0)
def test_directories_with_holes(tmp_path: Path) -> None:
    """Never `complete` or `empty` that is not true, never a packet lost, doubled or altered."""
    wrong = []
    for seed in range(FIRST_SEED, FIRST_SEED + CASES - CASES // STORES_SHARE):
        place = tmp_path / str(seed)
        faults = of_a_directory(seed, place)
        wrong += [f"seed {seed}: {fault}" for fault in faults]
        if not faults:
            shutil.rmtree(place)
    assert wrong == []


@pytest.mark.timeout(0)
def test_stenographers_with_holes(tmp_path: Path) -> None:
    """The same of stores that are asked."""
    authority = Authority(tmp_path / "rock")
    server, client = authority.issue("127.0.0.1"), authority.issue("client")
    wrong = []
    for seed in range(FIRST_SEED, FIRST_SEED + CASES // STORES_SHARE):
        wrong += [f"seed {seed}: {fault}" for fault in of_a_store(seed, authority, server, client)]
    assert wrong == []
