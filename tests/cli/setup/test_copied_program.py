"""Docket of a home is copied to where services can read it."""

import subprocess
import sys
from pathlib import Path

import pytest

from docket.cli.setup.copied_program import LIBRARIES, copy, is_closed


@pytest.mark.parametrize(
    ("path", "closed"), [("/home/op/docket", True), ("/root/x", True), ("/opt/docket", False), ("/usr/bin", False)]
)
def test_homes_are_closed_to_services(path: str, closed: bool) -> None:
    """As ProtectHome=yes has it."""
    assert is_closed(Path(path)) is closed


def test_copy_runs_by_itself(tmp_path: Path) -> None:
    """With nothing but the copy, isolated from this environment; a second one takes the place of the first."""
    copy(tmp_path)
    place = tmp_path / LIBRARIES
    (place / "left.py").touch()
    copy(tmp_path)
    assert not (place / "left.py").exists()
    program = f"import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{str(place)!r}]; "
    program += "from docket.cli import main; sys.exit(main())"
    command = [sys.executable, "-I", "-S", "-c", program, "config", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert (done.returncode, "migrate" in done.stdout) == (0, True), done.stderr
    assert (place / "share/docket/deploy/systemd/docket.target").is_file()
