"""Holds pinned libraries against known advisories, without a network: `python -m tools.advisories FILE…`.

The advisories stand in requirements/advisories.json, one per line: its name, the library, the versions that it affects
as a specifier of PEP 440, and what it is about. Prints each hit and ends 1 if there is one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

KNOWN = Path(__file__).parents[1] / "requirements" / "advisories.json"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", re.MULTILINE)


class Hit(NamedTuple):
    """A pinned library that an advisory is about."""

    library: str
    version: str
    advisory: str
    about: str


def pins(text: str) -> Iterator[tuple[str, str]]:
    """Name and version of each library in a file of requirements."""
    for name, version in _PIN.findall(text):
        yield canonicalize_name(name), version


def hits(libraries: Iterable[tuple[str, str]], advisories: Iterable[dict[str, str]]) -> list[Hit]:
    known = list(advisories)
    return [
        Hit(name, version, one["id"], one["about"])
        for name, version in libraries
        for one in known
        if canonicalize_name(one["library"]) == name
        and SpecifierSet(one["affected"]).contains(version, prereleases=True)
    ]


def main(files: list[str]) -> int:
    found = {hit for file in files for hit in hits(pins(Path(file).read_text()), json.loads(KNOWN.read_text()))}
    for hit in sorted(found):
        print(f"{hit.library} {hit.version}: {hit.advisory}, {hit.about}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
