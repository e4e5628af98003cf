"""Where the programs are that Docket starts. The one look-up of them; it reads PATH."""

from __future__ import annotations

import os
import shutil

_FURTHER = ("/usr/bin", "/usr/sbin", "/sbin")
"""Directories that the PATH of a service or of an ordinary user may lack."""


def search_path() -> str:
    return os.pathsep.join((os.environ.get("PATH", os.defpath), *_FURTHER))


def find_program(name: str) -> str | None:
    """The path of the program. It is looked for each time: one installed later is found without a restart."""
    return shutil.which(name, path=search_path())
