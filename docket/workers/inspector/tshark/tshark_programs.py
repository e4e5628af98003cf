"""The programs of this package: where they are, and the arguments that all their runs share."""

from __future__ import annotations

import re
import subprocess
from functools import cache

from docket.errors import DissectorMissing
from docket.packet.pcap import file_header
from docket.runtime.programs import find_program
from docket.workers.inspector.tshark.process import ENVIRONMENT

VERSION_S = 20.0


def tshark(*arguments: str) -> list[str]:
    """A run of tshark over its standard input, without any looking up of names. Raises DissectorMissing."""
    return [_found("tshark", "tshark"), "-n", "-r", "-", *arguments]


def tcpdump(*arguments: str) -> list[str]:
    """A run of tcpdump over its standard input. Raises DissectorMissing."""
    return [_found("tcpdump", "tcpdump"), "-n", "-r", "-", "--time-stamp-precision=micro", *arguments]


def tshark_version() -> str:
    """`4.0.17`. Raises DissectorMissing."""
    return _version_of(_found("tshark", "tshark"))


@cache
def _version_of(path: str) -> str:
    try:
        command = [path, "-v"]
        answer = subprocess.run(command, env=ENVIRONMENT, capture_output=True, timeout=VERSION_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DissectorMissing(f"tshark cannot be run: {error}") from error
    found = re.search(rb"\b(\d+\.\d+\.\d+)\b", answer.stdout)
    if found is None:
        raise DissectorMissing("what is installed as tshark does not say its version")
    return found[1].decode()


def has_field(name: str) -> bool:
    """Whether this tshark knows a field; some come and go with its versions. Raises DissectorMissing."""
    return _knows(_found("tshark", "tshark"), name)


@cache
def _knows(path: str, name: str) -> bool:
    command = [path, "-n", "-r", "-", "-Y", name]
    try:
        done = subprocess.run(
            command, env=ENVIRONMENT, input=file_header(), capture_output=True, timeout=VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DissectorMissing(f"tshark cannot be run: {error}") from error
    return done.returncode == 0


def has_tshark() -> bool:
    try:
        tshark()
    except DissectorMissing:
        return False
    return True


def _found(name: str, package: str) -> str:
    path = find_program(name)
    if path is None:
        raise DissectorMissing(f"{name} is not installed (Debian package {package})")
    return path
