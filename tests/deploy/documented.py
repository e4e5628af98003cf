"""The commands that the pages tell an operator to run, and what happened when they were run as they stand."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.booted_machine import BootedMachine

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^    (\S.*?)(?:\s{2,}# .*)?$", re.MULTILINE)


@dataclass(slots=True)
class Row:
    page: str
    command: str
    code: int
    said: str
    as_documented: bool


@dataclass(slots=True)
class Record:
    """The table."""

    rows: list[Row] = field(default_factory=list)

    def run(self, machine: BootedMachine, page: str, command: str, codes: tuple[int, ...] = (0,)) -> Row:
        done = machine.try_run(f"cd /root/docket && {{ {command}\n}}", timeout_s=170)
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        row = Row(page, command, done.returncode, said[-1][:100] if said else "", done.returncode in codes)
        self.rows.append(row)
        return row

    @property
    def wrong(self) -> list[Row]:
        return [row for row in self.rows if not row.as_documented]

    def table(self) -> str:
        lines = ["| page | command | ended | said last | as documented |", "|---|---|---|---|---|"]
        for row in self.rows:
            cells = (row.page, f"`{row.command}`", row.code, row.said.replace("|", "/"), row.as_documented)
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
        return "\n".join(lines) + "\n"


def blocks(page: str, heading: str) -> list[str]:
    """The commands of the indented blocks below a heading, up to the next one of its rank or above."""
    text = (ROOT / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found is not None, f"{page} has no heading {heading}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return [match[1].rstrip() for match in _BLOCK.finditer(rest[: end.start()] if end else rest)]
