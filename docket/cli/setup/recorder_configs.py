"""Where Suricata, Arkime, Malcolm, n2disk and Security Onion keep captures, by their configurations. For `setup`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from docket.cli.setup.capture_directory import BUFFERED_LAG, Directory, label_of
from docket.cli.setup.machine_files import NO_YAML, Machine, shell_settings, words_of, yaml_of
from docket.cli.setup.recorder_commands import all_commands, of_command, option

_SURICATA = ("etc/suricata/*.yaml", "usr/local/etc/suricata/*.yaml", "opt/so/conf/suricata/suricata.yaml")
_ARKIME = ("opt/arkime/etc/config.*", "data/arkime/etc/config.*", "data/moloch/etc/config.*", "etc/arkime/config.*")
_MALCOLM = ("*/[Mm]alcolm", "*/*/[Mm]alcolm", "home/*/*/[Mm]alcolm")
_MOST_INCLUDED = 100
"""Files that one configuration includes, some of them several times."""
_TRUE = ("1", "yes", "true", "on")


def by_configurations(machine: Machine) -> Iterator[Directory]:
    """What is written there, whether it exists or not."""
    yield from _security_onion(machine)
    yield from _suricata(machine)
    yield from _arkime(machine)
    yield from _malcolm(machine)
    yield from _n2disk(machine)


def _security_onion(machine: Machine) -> Iterator[Directory]:
    path = Path("/nsm/suripcap")
    if machine.is_directory(path):
        yield Directory(path, "Security Onion", "suripcap", BUFFERED_LAG)
    for path in machine.glob("nsm/sensor_data/*/dailylogs"):  # before version 2, by netsniff-ng
        yield Directory(path, "Security Onion", label_of(path.parent.name.rpartition("-")[2], "dailylogs"))


def _suricata(machine: Machine) -> Iterator[Directory]:
    """Of each configuration; its command line may name another one, and another directory of logs."""
    started = [words for words in all_commands(machine) if Path(words[0]).name == "suricata"]
    instances = [(option(words, ("-c",)), option(words, ("-l",))) for words in started]
    named = {config for config, _ in instances}
    paths = [str(path) for path in machine.glob(*_SURICATA) if str(path) not in named]
    for config, logs in (*((config, logs) for config, logs in instances if config), *((path, "") for path in paths)):
        settings = _SuricataSettings(machine)
        settings.read(Path(config))
        base = Path(logs or settings.text("default-log-dir") or "/var/log/suricata")
        for log in settings.outputs("pcap-log"):
            if str(log.get("enabled")).lower() in _TRUE:
                yield Directory(base / str(log.get("dir") or ""), "Suricata", "suricata", BUFFERED_LAG)


class _SuricataSettings:
    """A configuration with the files that it includes; what comes later counts."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._values: dict[str, Any] = {}
        self._open: list[Path] = []
        """Files that include each other; where they do so in circles, none is read within itself."""
        self._read = 0

    def text(self, key: str) -> str:
        return str(self._values.get(key) or "")

    def outputs(self, kind: str) -> Iterator[dict[str, Any]]:
        outputs = self._values.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            if isinstance(output, dict) and isinstance(output.get(kind), dict):
                yield output[kind]

    def read(self, path: Path) -> None:
        """`include:` may be there several times, with a file or a list of files."""
        if path in self._open or self._read == _MOST_INCLUDED:
            return
        self._read += 1
        self._open.append(path)
        for key, value in self._document(path):
            if key == "include":
                for name in value if isinstance(value, list) else [value]:
                    self.read(path.parent / str(name))
            else:
                self._values[key] = value
        self._open.pop()

    def _document(self, path: Path) -> list[tuple[str, Any]]:
        try:
            loader = yaml.SafeLoader(self._machine.text(path))
            node = loader.get_single_node()
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            return [(str(key.value), self._value(loader, value, path)) for key, value in pairs]
        except NO_YAML:
            return []

    def _value(self, loader: yaml.SafeLoader, node: yaml.Node, path: Path) -> Any:
        """`key: !include FILE` stands for what is in the file."""
        if node.tag == "!include":
            return yaml_of(self._machine.text(path.parent / str(node.value)))
        return loader.construct_object(node, deep=True)


def _arkime(machine: Machine) -> Iterator[Directory]:
    """Every section may have directories of its own, several with semicolons between."""
    for config in machine.glob(*_ARKIME):
        sections = _arkime_sections(machine, config)
        default = sections.get("default", {})
        for section in sections.values():
            interface = section.get("interface") or default.get("interface", "")
            label = label_of(interface.partition(";")[0].strip(), "arkime")
            for path in filter(None, map(str.strip, section.get("pcapDir", "").split(";"))):
                yield Directory(Path(path), "Arkime", label, BUFFERED_LAG)


def _arkime_sections(machine: Machine, config: Path) -> dict[str, dict[str, str]]:
    """Of a file in the form of ini, YAML or JSON, and of the files that its `includes` names."""
    text = machine.text(config)
    if config.suffix in (".yaml", ".yml", ".json"):
        document = yaml_of(text)
        found = document.items() if isinstance(document, dict) else ()
        return {
            str(name): {key: _one_text(value) for key, value in section.items()}
            for name, section in found
            if isinstance(section, dict)
        }
    sections: dict[str, dict[str, str]] = {}
    _read_ini(text, sections)
    for name in filter(None, sections.get("default", {}).get("includes", "").split(";")):
        _read_ini(machine.text(config.parent / name.strip()), sections)
    return sections


def _one_text(value: object) -> str:
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)


def _read_ini(text: str, sections: dict[str, dict[str, str]]) -> None:
    section = sections.setdefault("default", {})
    for line in text.splitlines():
        name = re.fullmatch(r"\s*\[(.+)\]\s*", line)
        if name:
            section = sections.setdefault(name[1], {})
        elif "=" in line and not line.lstrip().startswith(("#", ";")):
            key, _, value = line.partition("=")
            section[key.strip()] = value.strip().strip("\"'")


def _malcolm(machine: Machine) -> Iterator[Directory]:
    """Its directories of captures, and the one of a Hedgehog sensor."""
    for home in machine.glob(*_MALCOLM):
        for base in (home / "pcap", *_bound(machine, home)):
            for below in ("processed", "arkime-live"):
                if machine.is_directory(base / below):
                    yield Directory(base / below, "Malcolm", f"malcolm-{below}", BUFFERED_LAG)
    settings = shell_settings(machine.text("/opt/sensor/sensor_ctl/control_vars.conf"))
    if settings.get("PCAP_PATH"):
        interface = settings.get("CAPTURE_INTERFACE", "").partition(",")[0]
        yield Directory(Path(settings["PCAP_PATH"]), "Malcolm's Hedgehog", interface or "hedgehog", BUFFERED_LAG)


def _bound(machine: Machine, home: Path) -> list[Path]:
    """Where its containers have their captures, if that is not below its own directory."""
    document = yaml_of(machine.text(home / "docker-compose.yml"))
    services = document.get("services") if isinstance(document, dict) else None
    found = []
    for service in services.values() if isinstance(services, dict) else ():
        volumes = service.get("volumes") if isinstance(service, dict) else None
        for volume in volumes if isinstance(volumes, list) else ():
            source = str(volume.get("source", "") if isinstance(volume, dict) else str(volume).partition(":")[0])
            base = re.match(r"(.*/pcap)(?:/.*)?", source)
            if base and (home / base[1]) not in found:
                found.append(home / base[1])
    return found


def _n2disk(machine: Machine) -> Iterator[Directory]:
    """One file per instance, with an option on each line: `-o=/storage/eth1` or `-o /storage/eth1`."""
    for config in machine.glob("etc/n2disk/*.conf", "etc/cluster/n2disk/*.conf"):
        words = ["n2disk"]
        for line in machine.text(config).splitlines():
            if line.strip().startswith("-"):
                name, value = (*re.split(r"[=\s]+", line.strip(), maxsplit=1), "")[:2]
                words += [name, *words_of(value)[:1]]
        yield from of_command(machine, words)
