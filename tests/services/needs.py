"""What a test needs on the machine: skipped with a reason on a laptop, a failure where CI is set.

For the fixtures below tests/services. A test that needs a program asks here, so that a missing package can
never turn a CI run green by skipping what it was there to prove.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

# Daemons live in sbin, which is not on an ordinary user's PATH on Debian.
_SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def missing(reason: str) -> NoReturn:
    """End the test that asked: a failure if the environment says CI, otherwise a skip with the reason."""
    if os.environ.get("CI"):
        pytest.fail(f"needed in CI: {reason}", pytrace=False)
    pytest.skip(reason)


def program(name: str, package: str) -> str:
    """Give the path of a program, or end the test and say which Debian package brings it."""
    found = shutil.which(name, path=_SEARCH_PATH)
    if found is None:
        missing(f"{name} is not installed (Debian package {package})")
    return found


def file(path: Path, package: str) -> Path:
    """Give the path back if it exists, or end the test and say which Debian package brings it."""
    if not path.exists():
        missing(f"{path} is not there (Debian package {package})")
    return path


def root(what_for: str) -> None:
    """End the test unless it runs as root."""
    if os.geteuid() != 0:
        missing(f"root is needed {what_for}")
