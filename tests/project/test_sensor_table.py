"""`make sensor-table` shows its table whatever happened, and ends as its tests did."""

import subprocess
from pathlib import Path

import pytest

from tests.services import needs

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("code", [0, 1])
def test_table_is_printed_also_when_a_command_failed(tmp_path: Path, code: int) -> None:
    """The recipe's own lines, with a program in place of the tests; a table of an earlier run is not shown."""
    table, tests = tmp_path / "table.md", tmp_path / "tests"
    table.write_text("of yesterday\n")
    tests.write_text(f"#!/bin/sh\necho '| README.md | `docket status` | {code} |' >> {table}\nexit {code}\n")
    tests.chmod(0o755)
    make = [needs.program("make", "make"), "-n", "--no-print-directory", "--old-file=.venv/.test", "sensor-table"]
    recipe = subprocess.run(
        [*make, f"PYTHON={tests}", f"TABLE={table}"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    packages, *lines = recipe.splitlines()
    assert packages == "scripts/packages test"
    done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (f"| README.md | `docket status` | {code} |\n", code)
