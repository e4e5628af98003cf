"""What the tests need is what `make test` installs."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ASKED = re.compile(r"""\b(?:program|file)\([^()]*?,\s*"([a-z0-9.+-]+)"\)""")


def needed() -> set[str]:
    """The packages that tests and measurements ask for through `tests.services.needs`."""
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("bench/**/*.py")]
    return {package for path in files for package in ASKED.findall(path.read_text())}


def test_every_package_that_a_test_needs_is_installed_by_make_test() -> None:
    """A test that would skip for want of a package can run after `make test` has prepared the machine."""
    purpose = (ROOT / "scripts/packages").read_text().partition("TEST=(")[2].partition("\n)")[0]
    installed = set(re.sub(r"#.*", "", purpose).split())
    assert len(needed()) > 5
    assert needed() - installed == set()


@pytest.mark.parametrize("arguments", [(), ("everything",)])
def test_unknown_purpose_is_refused(arguments: tuple[str, ...]) -> None:
    """The script does nothing unless it is told what for."""
    done = subprocess.run([ROOT / "scripts/packages", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: scripts/packages run|test|venv\n")
