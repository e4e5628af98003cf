"""The package as Debian's own checker sees it, and its version."""

import platform
import re
import subprocess
from pathlib import Path

import pytest

from tests.services import needs


def test_package_has_no_errors(package: Path) -> None:
    """lintian finds no error; what is overridden is explained beside it."""
    lintian = needs.program("lintian", "lintian")
    done = subprocess.run(
        [lintian, "--allow-root", "--tag-display-limit", "0", str(package)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("E:")] == []


def test_version_names_the_release(package: Path) -> None:
    """Each Debian has a package of its own, and a later one the greater version."""
    version = subprocess.run(
        ["dpkg-deb", "--field", str(package), "Version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    release = platform.freedesktop_os_release().get("VERSION_ID")
    if release is None:
        pytest.skip("Debian sid has no number")
    assert re.fullmatch(rf"2\.\d+\.\d+(~dev\d+)?-1~deb{release}u1", version)
    later = version.replace(f"~deb{release}u", f"~deb{int(release) + 1}u")
    assert subprocess.run(["dpkg", "--compare-versions", version, "lt", later], check=False).returncode == 0
