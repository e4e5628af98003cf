"""tshark as a person runs it, to compare with. No sandbox, no options of Docket's."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

_DUMP = re.compile(r"[0-9a-f]{4}  [0-9a-f]{2} ")


@dataclass(frozen=True)
class Reference:
    """One capture file."""

    path: Path

    def run(self, *arguments: str) -> str:
        """What `tshark -n -r FILE …` prints."""
        command = ["tshark", "-n", "-r", str(self.path), *arguments]
        return subprocess.run(command, env=ENVIRON, capture_output=True, check=True, timeout=120).stdout.decode()

    def numbers(self, display_filter: str) -> list[int]:
        """The packets that a display filter shows."""
        return [int(line) for line in self.run("-Y", display_filter, "-T", "fields", "-e", "frame.number").split()]

    def first(self, display_filter: str) -> int:
        """The first packet that a display filter shows."""
        return self.numbers(display_filter)[0]

    def rows(self) -> list[list[str]]:
        """Number, time, source, destination, protocol, length and info of every packet."""
        columns = ("Time", "Source", "Destination", "Protocol", "Length", "Info")
        names = ["frame.number", *(f"_ws.col.{name}" for name in columns)]
        printed = self.run("-t", "r", "-T", "fields", *(part for name in names for part in ("-e", name)))
        return [line.split("\t") for line in printed.splitlines()]

    def detail(self, number: int) -> list[str]:
        """The lines of `tshark -V` for one packet, without the dumps between them of what it cannot read."""
        printed = self.run("-c", str(number), "-Y", f"frame.number == {number}", "-V")
        return [line for line in printed.splitlines() if line and not _DUMP.match(line)]

    def dump(self, number: int) -> str:
        """What `tshark -x` prints for one packet."""
        return self.run("-c", str(number), "-Y", f"frame.number == {number}", "-x").strip("\n")

    def follow(self, protocol: str, form: str, stream: int) -> str:
        """The transcript between the rulers of `tshark -z follow`."""
        printed = self.run("-q", "-z", f"follow,{protocol},{form},{stream}")
        _, _, body = printed.partition("Node 1: ")
        return body.partition("\n")[2].rpartition("=" * 67)[0]
