"""The commands that the pages name for an operator, and what happened when they were run as they stand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.booted_machine import BootedMachine

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "build/documented-commands.md"
PAGES = (
    "README.md",
    "docs/operations.md",
    "docs/cluster.md",
    "docs/original.md",
    "deploy/systemd/README.md",
    "deploy/container/README.md",
)
FEWEST_ROWS = 60
"""Of a whole table."""
PROGRAMS = frozenset(
    (
        *("docket", "systemctl", "systemd-analyze", "journalctl", "rockctl", "timedatectl"),
        *("rabbitmqctl", "rabbitmqadmin", "rabbitmq-plugins", "rabbitmq-queues", "amqp-get", "users"),
        *("curl", "openssl", "certificates", "lighttpd", "stenoread", "sqlite3"),
        *("apt-get", "make", "adduser", "chown", "cp", "mv", "install", "ln", "cat", "sed", "echo", "df", "du"),
        *("docker", "podman", "export", "ansible-playbook"),
    )
)
_COMMENT = re.compile(r"\s{2,}# .*$")
_WORDS = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


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
    begin: int = 0
    """Where the rows of the running test begin."""

    def run(
        self,
        machine: BootedMachine,
        page: str,
        command: str,
        codes: tuple[int, ...] = (0,),
        *,
        changed: Mapping[str, str] | None = None,
        holds: str = "",
    ) -> Row:
        """Run a command of a page. `changed`: what is put in place of its placeholders; `holds`: what it must write."""
        script = command
        for placeholder, value in (changed or {}).items():
            script = script.replace(placeholder, value)
        done = machine.try_run(f"cd /root/docket && {{ {script}\n}}", timeout_s=300)
        lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
        good = done.returncode in codes and re.search(holds, done.stdout + done.stderr) is not None
        row = Row(page, command, done.returncode, lines[-1][:100] if lines else "", good)
        self.rows.append(row)
        return row

    def run_all(self, machine: BootedMachine, page: str, documented: list[str], **changed: str) -> None:
        """Run commands of a page one after the other; each ends 0."""
        for command in documented:
            script = without_make(command)
            for placeholder, value in changed.items():
                script = script.replace(placeholder, value)
            self.run(machine, page, command, changed={command: script})
        assert self.wrong == [], self.table()

    @property
    def wrong(self) -> list[Row]:
        """What the running test found not to be as documented."""
        return [row for row in self.rows[self.begin :] if not row.as_documented]

    def table(self) -> str:
        lines = ["| page | command | ended | said last | as documented |", "|---|---|---|---|---|"]
        for row in self.rows:
            cells = (row.page, f"`{row.command}`", row.code, row.said.replace("|", "/"), row.as_documented)
            lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
        good = sum(row.as_documented for row in self.rows)
        return "\n".join(lines) + f"\n\n{len(self.rows)} commands, {good} as documented.\n"

    def write(self) -> None:
        """Write the table down. A run of single tests does not replace that of a whole one."""
        if len(self.rows) >= FEWEST_ROWS or not TABLE.exists():
            TABLE.parent.mkdir(exist_ok=True)
            TABLE.write_text(self.table())


def without_make(command: str) -> str:
    """The package was built outside of the machine, which has no network, and no one answers apt."""
    quiet = "apt-get install -y -q --no-install-recommends" + ("" if "./dist" in command else " --no-upgrade")
    return command.removeprefix("make deb && ").replace("apt-get install", quiet)


def blocks(page: str, heading: str) -> list[str]:
    """The commands of the indented blocks below a heading, up to the next one of its rank or above."""
    text = (ROOT / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found is not None, f"{page} has no heading {heading}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return _blocks(rest[: end.start()] if end else rest)


def commands(page: str) -> list[str]:
    """Every command of a page, once: those of its indented blocks, and those between its lines."""
    text = (ROOT / page).read_text()
    inside = [word for word in _WORDS.findall(text) if _is_command(word)]
    return list(dict.fromkeys([*_blocks(text), *inside]))


def _blocks(text: str) -> list[str]:
    lines = [_COMMENT.sub("", line).rstrip() for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE)]
    return [line for line in lines if _is_command(line)]


def _is_command(word: str) -> bool:
    """Whether it begins with a program, perhaps with variables or a path before it, and says more than its name."""
    words = [part for part in word.split() if not re.match(r"[A-Z_]+=", part)]
    alone = len(words) == 1 and words[0].startswith("/usr/share/docket/deploy/")
    return bool(words) and words[0].rpartition("/")[2] in PROGRAMS and (len(words) > 1 or alone)
