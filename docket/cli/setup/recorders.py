"""The directories in which recorders of this machine keep their captures, as sources of ours. Files in, entries out.

Found in the configurations of Suricata, Arkime, Malcolm and n2disk, where Security Onion keeps its captures, and in the
command lines of services and processes: dumpcap, tcpdump and netsniff-ng have no configuration of their own.
"""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from docket.domain.request import SOURCE_NAME

_BUFFERED_LAG = "60s"
"""Of recorders that keep packets in memory, or in a compressor, for some time."""
_UNITS = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "usr/local/lib/systemd/system")
_WRITTEN_BY = {
    "dumpcap": ("-w",),
    "tshark": ("-w",),
    "tcpdump": ("-w",),
    "netsniff-ng": ("-o", "--out"),
    "n2disk": ("-o", "--dump-directory"),
    "n2disk10g": ("-o", "--dump-directory"),
}
_LISTENS = ("-i", "--interface", "--in", "-d", "--dev")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


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
        closed = [one for one in self.found if not _below(root, one.path).stat().st_mode & stat.S_IROTH]
        return [
            f"{one.path} is closed to others: let the worker read it, setfacl -R -m u:docket:rX {one.path} (and -d -m)"
            for one in closed
        ]


def find_directories(root: Path = Path("/")) -> FoundDirectories:
    """Look at the machine below `root`. Whatever cannot be read is taken for not being there."""
    found = FoundDirectories()
    seen: set[Path] = set()
    for one in _candidates(root):
        if one.path in seen:
            continue
        seen.add(one.path)
        if _below(root, one.path).is_dir():
            found.found.append(one)
        else:
            found.left_out.append(f"{one.recorder}: {one.path} is left out, as it is no directory")
    return found


def _candidates(root: Path) -> Iterator[Directory]:
    yield from _security_onion(root)
    yield from _suricata(root)
    yield from _arkime(root)
    yield from _malcolm(root)
    yield from _n2disk(root)
    for command in (*_unit_commands(root), *_process_commands(root)):
        yield from _of_command(command)
    yield from _own_rings(root)


def _security_onion(root: Path) -> Iterator[Directory]:
    path = Path("/nsm/suripcap")
    if _below(root, path).is_dir():
        yield Directory(path, "Security Onion", "suripcap", _BUFFERED_LAG)


def _suricata(root: Path) -> Iterator[Directory]:
    text = _text(root, "/etc/suricata/suricata.yaml")
    try:
        settings = yaml.safe_load(text) or {}
        outputs = settings.get("outputs") or []
        logs = [output["pcap-log"] for output in outputs if isinstance(output, dict) and "pcap-log" in output]
    except (yaml.YAMLError, AttributeError, TypeError):
        return
    base = Path(str(settings.get("default-log-dir") or "/var/log/suricata"))
    for log in logs:
        if isinstance(log, dict) and log.get("enabled") in (True, "yes"):
            yield Directory(base / str(log.get("dir") or ""), "Suricata", "suricata", _BUFFERED_LAG)


def _arkime(root: Path) -> Iterator[Directory]:
    for home in ("/opt/arkime", "/data/arkime", "/data/moloch"):
        text = _text(root, f"{home}/etc/config.ini")
        interface = _setting(text, "interface").partition(";")[0]
        for path in filter(None, _setting(text, "pcapDir").split(";")):
            label = interface if re.fullmatch(r"[\w.-]+", interface) else "arkime"
            yield Directory(Path(path.strip()), "Arkime", label, _BUFFERED_LAG)


def _malcolm(root: Path) -> Iterator[Directory]:
    """Its directories of captures, and the one of a Hedgehog sensor."""
    for home in (*_glob(root, "opt/[Mm]alcolm"), *_glob(root, "home/*/[Mm]alcolm")):
        for below in ("pcap/processed", "pcap/arkime-live"):
            if _below(root, home / below).is_dir():
                yield Directory(home / below, "Malcolm", f"malcolm-{Path(below).name}", _BUFFERED_LAG)
    text = _text(root, "/opt/sensor/sensor_ctl/control_vars.conf")
    path, interface = _setting(text, "PCAP_PATH"), _setting(text, "CAPTURE_INTERFACE").partition(",")[0]
    if path:
        yield Directory(Path(path), "Malcolm's Hedgehog", interface or "hedgehog", _BUFFERED_LAG)


def _n2disk(root: Path) -> Iterator[Directory]:
    """One file per instance, with an option on each line: `-o=/storage/eth1` or `-o /storage/eth1`."""
    for config in _glob(root, "etc/n2disk/*.conf"):
        words: list[str] = []
        for line in _text(root, str(config)).splitlines():
            words += re.split(r"[=\s]+", line.strip(), maxsplit=1) if line.strip().startswith("-") else []
        yield from _of_command(["n2disk", *words])


def _own_rings(root: Path) -> Iterator[Directory]:
    """What `docket-record@<int>` writes."""
    for path in _glob(root, "data/pcap/*"):
        if _below(root, path).is_dir():
            yield Directory(path, "dumpcap", path.name)


def _unit_commands(root: Path) -> Iterator[list[str]]:
    for directory in _UNITS:
        for unit in _glob(root, f"{directory}/*.service"):
            text = _text(root, str(unit)).replace("\\\n", " ")
            for line in re.findall(r"^ExecStart\s*=\s*(.+)$", text, flags=re.MULTILINE):
                yield _split(line.lstrip("-@:+!"))


def _process_commands(root: Path) -> Iterator[list[str]]:
    for path in _glob(root, "proc/[0-9]*/cmdline"):
        yield [word for word in _text(root, str(path)).split("\0") if word]


def _of_command(words: Sequence[str]) -> Iterator[Directory]:
    """The directory that a recorder's command line writes to; one with variables in it is known to its process only."""
    program = Path(words[0]).name if words else ""
    if program not in _WRITTEN_BY:
        return
    target = _option(words, _WRITTEN_BY[program])
    if not target.startswith("/") or target.startswith("/dev/") or _VARIABLE.search(target) or "%i" in target.lower():
        return
    interface = _option(words, _LISTENS)
    keeps_directory = program.startswith(("netsniff", "n2disk")) and not target.endswith((".pcap", ".cap"))
    path = Path(target) if keeps_directory else Path(target).parent
    label = interface if re.fullmatch(r"[\w.-]+", interface) else program
    yield Directory(path, program, label)


def _option(words: Sequence[str], names: Sequence[str]) -> str:
    """The value of the first of these options, in any of its forms."""
    for place, word in enumerate(words):
        if word in names:
            return words[place + 1] if place + 1 < len(words) else ""
        name, given, value = word.partition("=")
        if given and name in names:
            return value
        if len(word) > 2 and word[:2] in names and not word.startswith("--"):
            return word[2:]
    return ""


def _setting(text: str, key: str) -> str:
    """The first `key = value` of an ini file or of a shell's variables."""
    found = re.search(rf"^\s*(?:export\s+)?{key}\s*=\s*(.*?)\s*$", text, flags=re.MULTILINE)
    return found[1].strip("\"'") if found else ""


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def _text(root: Path, path: str) -> str:
    try:
        return _below(root, Path(path)).read_text(errors="replace")
    except OSError:
        return ""


def _glob(root: Path, pattern: str) -> list[Path]:
    """Paths as they are on the machine that lies below `root`."""
    try:
        return [Path("/") / path.relative_to(root) for path in sorted(root.glob(pattern))]
    except OSError:
        return []


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/") if path.is_absolute() else root / path


def _free_name(sensor: str, label: str, names: set[str]) -> str:
    wanted = f"{sensor}:{label}"
    if not SOURCE_NAME.fullmatch(wanted):
        wanted = f"{sensor}:captures"
    name, number = wanted, 2
    while name in names:
        name, number = f"{wanted}-{number}", number + 1
    return name
