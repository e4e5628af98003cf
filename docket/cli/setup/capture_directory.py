"""One directory of captures that was found on a machine. Pure; for the modules of `setup` that find them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BUFFERED_LAG = "60s"
"""Of recorders that keep packets in memory, or in a compressor, for some time."""
_DEVICE = re.compile(r"(?:\w+:)?([\w.-]+?)(?:@\d+)?")
"""PF_RING's and DPDK's names have a driver in front and a queue behind: zc:eth1@0."""


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory of captures."""

    path: Path
    recorder: str
    label: str
    """The second half of the source's name: the interface, where it is known."""
    flush_lag: str = ""

    def source(self, name: str) -> dict[str, str]:
        """Its entry in `sources`."""
        entry = {"name": name, "kind": "capture-files", "path": str(self.path)}
        return entry | ({"flush_lag": self.flush_lag} if self.flush_lag else {})


def label_of(interface: str, otherwise: str) -> str:
    """The interface's name, if it can be a part of a source's name."""
    found = _DEVICE.fullmatch(interface)
    return found[1] if found else otherwise
