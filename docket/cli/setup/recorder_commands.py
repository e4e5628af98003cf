"""Where recorders write, by the command lines of services, of processes and of cron. For `setup` only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from docket.cli.setup.capture_directory import Directory, label_of
from docket.cli.setup.machine_files import Machine, shell_settings, words_of

_UNITS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
"""What stands in an earlier one takes the place of a unit of the same name in a later one."""
_WRITTEN_BY = {
    "dumpcap": ("-w",),
    "tshark": ("-w",),
    "tcpdump": ("-w",),
    "netsniff-ng": ("-o", "--out"),
    "n2disk": ("-o", "--dump-directory"),
    "n2disk10g": ("-o", "--dump-directory"),
    "daemonlogger": ("-l",),
}
_OTHERS = ("suricata",)
_LISTENS = ("-i", "--interface", "--in", "-d", "--dev")
_WITHOUT_VALUE = "AbdDefghHIJKlLnNOpPqQStuUvxX#"
"""Letters of tcpdump's and dumpcap's options that may stand together before one with a value: -nnUw FILE."""
_SHELLS = ("sh", "bash", "dash", "zsh")
_GIVES_SCRIPT = re.compile("-[A-Za-z]*c")
"""Also together with other options of a shell: -lc, -ec."""
_BEFORE_A_PROGRAM = (
    *("env", "exec", "nice", "ionice", "chrt", "taskset", "numactl", "setpriv", "sudo", "runuser", "su", "timeout"),
    *("nohup", "stdbuf", "flock", "start-stop-daemon", "systemd-run", "systemd-inhibit", "unbuffer", "setsid"),
)
_UNKNOWN = re.compile(r"\$[\w{(]|%[^%]")
_ASSIGNMENT = re.compile(r"\w+=.*")


def by_commands(machine: Machine) -> Iterator[Directory]:
    """What is written there, whether it exists or not."""
    for words in all_commands(machine):
        yield from of_command(machine, words)


def all_commands(machine: Machine) -> Iterator[list[str]]:
    """Command lines of recorders: those of units, of processes, and of cron."""
    for unit in _units(machine):
        yield from unit.commands(machine)
    for path in machine.glob("proc/[0-9]*/cmdline"):
        words = machine.text(path).split("\0")
        yield from _recorders([word for word in words if word], machine.target(path.parent / "cwd"))
    for path in machine.glob("etc/crontab", "etc/cron.d/*", "var/spool/cron/crontabs/*", "etc/rc.local"):
        for line in machine.text(path).splitlines():
            yield from _in_shell(line, "/")


class _Unit:
    """A service, or one instance of a template."""

    def __init__(self, name: str, instance: str) -> None:
        self.name = name
        self.instance = instance
        self._template = re.sub(r"@.*\.service$", "@.service", name)

    def commands(self, machine: Machine) -> Iterator[list[str]]:
        """What ExecStart says, with the variables that are known."""
        text = self._text(machine)
        directory = "".join(re.findall(r"^WorkingDirectory\s*=\s*-?(.+)$", text, flags=re.MULTILINE)[-1:])
        values = self._environment(machine, text)
        lines: list[str] = []
        for line in re.findall(r"^ExecStart\s*=[ \t]*(.*)$", text, flags=re.MULTILINE):
            lines = [*lines, line] if line.strip() else []
        for line in lines:
            words = words_of(self._filled(line.lstrip("-@:+!")))
            yield from _recorders(list(_expanded(words, values)), self._filled(directory) or "/")

    def _text(self, machine: Machine) -> str:
        """The unit, and what is dropped in beside it."""
        texts = []
        for name in dict.fromkeys((self._template, self.name)):
            own = (machine.text(f"/{directory}/{name}") for directory in _UNITS)
            texts += [next(filter(None, own), "")]
            texts += [machine.text(path) for path in machine.glob(*(f"{place}/{name}.d/*.conf" for place in _UNITS))]
        return "\n".join(texts).replace("\\\n", " ")

    def _environment(self, machine: Machine, text: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in re.findall(r"^Environment\s*=\s*(.+)$", text, flags=re.MULTILINE):
            found |= dict(word.split("=", 1) for word in words_of(line) if "=" in word)
        for name in re.findall(r"^EnvironmentFile\s*=\s*-?(.+)$", text, flags=re.MULTILINE):
            found |= shell_settings(machine.text(self._filled(name.strip())))
        return found

    def _filled(self, text: str) -> str:
        return re.sub("%([iI%])", lambda found: "%" if found[1] == "%" else self.instance or "$instance", text)


def _expanded(words: Sequence[str], values: Mapping[str, str]) -> Iterator[str]:
    """As systemd does: a word that is a variable becomes several, one in braces stays what it is."""
    for word in words:
        name = word.removeprefix("$")
        if word.startswith("$") and name in values:
            yield from values[name].split()
        else:
            yield re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], found[0]), word)


def _units(machine: Machine) -> Iterator[_Unit]:
    names = {path.name for path in machine.glob(*(f"{directory}/*.service" for directory in _UNITS))}
    wanted = {path.name for path in machine.glob(*(f"{directory}/*.wants/*@*.service" for directory in _UNITS))}
    for name in sorted(names | wanted):
        yield _Unit(name, name.partition("@")[2].removesuffix(".service"))


def _in_shell(line: str, directory: str) -> Iterator[list[str]]:
    """The commands of a line of a shell or of cron: a recorder is where its name is."""
    for part in re.split(r"[;&|\n]+", line):
        words = words_of(part)
        for place, word in enumerate(words):
            if Path(word).name in (*_WRITTEN_BY, *_OTHERS):
                yield from _recorders(words[place:], directory)
                break


def _recorders(words: Sequence[str], directory: str) -> Iterator[list[str]]:
    """The command lines of recorders in one that may begin with other programs; with whole paths."""
    name = Path(words[0]).name if words else ""
    scripts = [script for flag, script in pairwise(words) if _GIVES_SCRIPT.fullmatch(flag)]
    if name in _SHELLS and scripts:
        yield from _in_shell(scripts[0], directory)
    elif name in _BEFORE_A_PROGRAM or _ASSIGNMENT.fullmatch(name):
        for place, word in enumerate(words):
            if Path(word).name in (*_WRITTEN_BY, *_OTHERS, *_SHELLS):
                yield from _recorders(words[place:], directory)
                return
    elif name in (*_WRITTEN_BY, *_OTHERS):
        targets = [*_values(words, _WRITTEN_BY.get(name, ())), *_values(words, ("-c", "-l"))]
        yield [str(Path(directory or "/") / word) if word in targets and word != "-" else word for word in words]


def of_command(machine: Machine, words: Sequence[str]) -> Iterator[Directory]:
    """The directories that a recorder's command line writes to; one with variables in it is known to its process
    only."""
    program = Path(words[0]).name
    label = label_of(option(words, _LISTENS), program)
    for target in _values(words, _WRITTEN_BY.get(program, ())):
        if target.startswith("/") and not target.startswith("/dev/"):
            path = _directory(machine, Path(target), keeps=program not in ("tcpdump", "dumpcap", "tshark"))
            if not _UNKNOWN.search(str(path)):
                yield Directory(path, program, label)


def _directory(machine: Machine, target: Path, *, keeps: bool) -> Path:
    """Where the files of a target are: netsniff-ng and n2disk are given a directory. Times in names are left off."""
    is_directory = keeps and (target.suffix not in (".pcap", ".cap") or machine.is_directory(target))
    path = target if is_directory else target.parent
    parts = [place for place, part in enumerate(path.parts) if re.search("%[A-Za-z]", part)]
    return Path(*path.parts[: parts[0]]) if parts else path


def option(words: Sequence[str], names: Sequence[str]) -> str:
    """The value of the first of these options; empty if it is not there."""
    return next(iter(_values(words, names)), "")


def _values(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """The values of all of these options, in any of their forms."""
    found: list[str] = []
    for place, word in enumerate(words):
        name, given, value = word.partition("=")
        together = re.fullmatch(f"-[{_WITHOUT_VALUE}]*([A-Za-z])", word)
        if word in names or (together and f"-{together[1]}" in names):
            found += words[place + 1 : place + 2]
        elif given and name in names:
            found.append(value)
        elif len(word) > 2 and word[:2] in names and not word.startswith("--"):
            found.append(word[2:])
    return found
