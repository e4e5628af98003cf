"""The directories in which recorders of this machine keep their captures, as sources of ours. Files in, entries out.

Found in the recorders' own configurations (`recorder_configs`), and in the command lines of services and processes
(`recorder_commands`): dumpcap, tcpdump and netsniff-ng have no configuration of their own.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from docket.cli.setup.capture_directory import Directory
from docket.cli.setup.machine_files import Machine
from docket.cli.setup.reading_rights import closed_part
from docket.cli.setup.recorder_commands import by_commands
from docket.cli.setup.recorder_configs import by_configurations
from docket.domain.request import SOURCE_NAME

_NOT_FOR_CAPTURES = frozenset(
    map(Path, ("/", "/home", "/root", "/etc", "/usr", "/var", "/var/log", "/var/lib", "/boot", "/run", "/opt"))
)
"""Directories that would be read whole because some file in them is a capture."""
_PASSING = tuple(map(Path, ("/tmp", "/var/tmp", "/dev", "/proc", "/sys", "/run/user")))


@dataclass(slots=True)
class FoundDirectories:
    """All of them, and what was named and is not there."""

    found: list[Directory] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def sources(self, sensor: str, taken: Sequence[str]) -> list[dict[str, str]]:
        """Entries with names of their own; `taken` are the names of other sources."""
        names = set(taken)
        entries = []
        for one in self.found:
            name = _free_name(sensor, one.label, names)
            names.add(name)
            entries.append(one.source(name))
        return entries

    def not_readable(self, root: Path) -> list[str]:
        """A sentence for each directory that its owner has closed to others, such as the user of Docket's workers."""
        sentences = []
        for one in self.found:
            closed = closed_part(root, one.path)
            if closed is not None:
                grant = f"setfacl -R -m u:docket:rX {shlex.quote(str(one.path))} (and -d -m)"
                if closed != one.path and closed in one.path.parents:
                    grant = f"setfacl -m u:docket:x {shlex.quote(str(closed))}, and {grant}"
                sentences.append(f"{closed} is closed to others: let the worker read it, {grant}")
        return sentences


def find_directories(root: Path = Path("/")) -> FoundDirectories:
    """Look at the machine below `root`. Whatever cannot be read is taken for not being there."""
    machine = Machine(root)
    found = FoundDirectories()
    candidates: dict[Path, Directory] = {}
    for named in (*by_configurations(machine), *by_commands(machine), *_own_rings(machine)):
        # A path may begin with two slashes, which pathlib keeps.
        one = replace(named, path=Path("/", *named.path.parts[1:])) if named.path.is_absolute() else named
        reason = _why_not(machine, one.path)
        if reason:
            sentence = f"{one.recorder}: {one.path} is left out, as it {reason}"
            if sentence not in found.left_out:
                found.left_out.append(sentence)
        else:
            candidates.setdefault(machine.resolved(one.path), one)
    for real, one in candidates.items():
        outer = next((candidates[parent] for parent in real.parents if parent in candidates), None)
        if outer is None:
            found.found.append(one)
        else:
            found.left_out.append(f"{one.recorder}: {one.path} is left out, as {outer.path} holds it")
    return found


def _why_not(machine: Machine, path: Path) -> str:
    """Why this is no directory to be a source; empty if it is one."""
    if not path.is_absolute():
        return "is no whole path"
    if path in _NOT_FOR_CAPTURES:
        return "holds much else"
    if any(passing == path or passing in path.parents for passing in _PASSING):
        return "is for what passes"
    if not machine.is_directory(path):
        return "is no directory"
    return ""


def _own_rings(machine: Machine) -> Iterator[Directory]:
    """What `docket-record@<int>` writes."""
    for path in machine.glob("data/pcap/*"):
        if machine.is_directory(path):
            yield Directory(path, "dumpcap", path.name)


def _free_name(sensor: str, label: str, names: set[str]) -> str:
    wanted = f"{sensor}:{label}"
    if not SOURCE_NAME.fullmatch(wanted):
        wanted = f"{sensor}:captures"
    name, number = wanted, 2
    while name in names:
        name, number = f"{wanted}-{number}", number + 1
    return name
