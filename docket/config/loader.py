"""Reading the configuration file: every fault at once, each with its line. Only the command line imports it.

A setting is one row in a table below: its key in the file, the field it fills, and how its text is read. What the
file leaves out keeps the default that `docket.config.model` gives it. `docs/configuration.md` describes every row.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from docket.config import values as values
from docket.config.model import (
    CaptureFilesConfig,
    Config,
    IndexConfig,
    JobsConfig,
    KeepOf,
    SavedQuery,
    SourceConfig,
    SpoolConfig,
    StenographerConfig,
    ValueAction,
    WebConfig,
)
from docket.errors import ConfigError, Fault

DEFAULT_PATH = Path("/etc/docket/docket.yaml")
VARIABLE = "DOCKET_CONF"

LARGEST_FILE_BYTES = 1_000_000
"""A sensor's file has a few kB; this keeps a wrong path, such as a capture, from being read into memory."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """One key of the file."""

    field: str
    read: Callable[[str], Any]
    """Turns the text into the value; raises ValueError with a sentence."""
    required: bool = False
    many: bool = False
    """A list of such texts; one text alone stands for a list of one."""
    is_file: bool = False
    """A path that must exist where the file is used."""
    nullable: bool = False
    """`null` is a value of its own: none at all."""
    each: Mapping[str, Setting] | None = None
    """A list of mappings with these settings."""
    build: Callable[..., Any] | None = None
    """Makes a value of each such mapping."""


KEEP_OF = {
    "owner": Setting("owner", values.text, required=True),
    "keep": Setting("keep_s", values.duration_s, required=True),
}
SPOOL = {
    "path": Setting("path", values.path),
    "max_bytes": Setting("max_bytes", values.size_bytes),
    "min_free": Setting("min_free_bytes", values.size_bytes),
    "keep": Setting("keep_s", values.duration_s),
    "keep_records": Setting("keep_records_s", values.duration_s),
    "keep_of": Setting("keep_of", values.text, each=KEEP_OF, build=KeepOf),
    "handover": Setting("handover_bytes", values.size_bytes, nullable=True),
    "signing_key": Setting("signing_key", values.path),
}
ACTION = {
    "name": Setting("name", values.text, required=True),
    "for": Setting("kinds", values.kind_of_value, required=True, many=True),
    "url": Setting("url", values.action_url, required=True),
}
SAVED_QUERY = {
    "name": Setting("name", values.text, required=True),
    "query": Setting("query", values.query_text, required=True),
    "last": Setting("last", values.duration_text),
}
WEB = {
    "listen": Setting("listen", values.listen, many=True),
    "base_path": Setting("base_path", values.base_path),
    "user_header": Setting("user_header", values.header_name, nullable=True),
    "trusted_proxies": Setting("trusted_proxies", values.network, many=True),
    "proxy_users": Setting("proxy_users", values.text, many=True),
    "admins": Setting("admins", values.text, many=True),
    "own_jobs_only": Setting("own_jobs_only", values.flag),
    "tokens": Setting("tokens", values.path, is_file=True, nullable=True),
    "sendfile": Setting("sendfile", values.sendfile),
    "cyberchef": Setting("cyberchef", values.web_url, nullable=True),
    "actions": Setting("actions", values.text, each=ACTION, build=ValueAction),
    "queries": Setting("queries", values.text, each=SAVED_QUERY, build=SavedQuery),
}
JOBS = {
    "deadline": Setting("deadline_s", values.deadline_s),
    "default_window": Setting("default_window_s", values.duration_s),
    "max_bytes": Setting("max_bytes", values.size_bytes),
    "patience": Setting("patience_s", values.duration_s),
    "open_per_user": Setting("open_per_user", values.count),
}
INDEX = {
    "path": Setting("path", values.path),
}
BUS = {
    "url": Setting("url", values.bus_url, required=True),
    "ca": Setting("ca", values.path, is_file=True),
    "cert": Setting("cert", values.path, is_file=True),
    "key": Setting("key", values.path, is_file=True),
}
STENOGRAPHER = {
    "name": Setting("name", values.source_name, required=True),
    "kind": Setting("kind", values.text, required=True),
    "url": Setting("url", values.https_url, required=True),
    "cert": Setting("cert", values.path, required=True, is_file=True),
    "key": Setting("key", values.path, required=True, is_file=True),
    "ca": Setting("ca", values.path, required=True, is_file=True),
    "server_name": Setting("server_name", values.text),
    "flush_lag": Setting("flush_lag_s", values.duration_s),
    "widen": Setting("widen_s", values.duration_s),
    "queries_at_once": Setting("queries_at_once", values.count),
    "slice": Setting("slice_s", values.duration_s),
    "look_inside": Setting("look_inside", values.flag),
}
CAPTURE_FILES = {
    "name": Setting("name", values.source_name, required=True),
    "kind": Setting("kind", values.text, required=True),
    "path": Setting("path", values.path, required=True, is_file=True),
    "flush_lag": Setting("flush_lag_s", values.duration_s),
    "queries_at_once": Setting("queries_at_once", values.count),
    "index": Setting("index", values.index_use),
    "look_inside": Setting("look_inside", values.flag),
    "ring": Setting("ring_bytes", values.size_bytes),
}
KINDS: dict[str, tuple[type[SourceConfig], Mapping[str, Setting]]] = {
    "stenographer": (StenographerConfig, STENOGRAPHER),
    "capture-files": (CaptureFilesConfig, CAPTURE_FILES),
}
TOP = ("bus", "spool", "web", "jobs", "index", "sources")


def find_config(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The file to read: the one that was named, else DOCKET_CONF, else /etc/docket/docket.yaml."""
    if path is not None:
        return path
    named = environ.get(VARIABLE)
    return Path(named) if named else DEFAULT_PATH


def load_config(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    check_files: bool = False,
    allow_memory: bool = True,
    default_bus: str | None = None,
) -> Config:
    """Read and check the whole file. Relative paths in it are relative to its own directory.

    With `check_files` the certificates, keys and directories that it names must be there, too. `allow_memory` is for
    commands that have all services in one process. `default_bus` stands for a file that names no bus. Raises
    ConfigError with all faults; their `position` is a line, their `field` a setting.
    """
    found = find_config(path, environ)
    try:
        with found.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise ConfigError([Fault("bad-config", f"{found} is too large to be a configuration file")])
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError([Fault("no-config", f"{found} cannot be read: {reason}")]) from error
    reader = _Reader(found.absolute().parent, check_files=check_files, allow_memory=allow_memory)
    config = parse_config(text, reader)
    if default_bus is not None and not reader.names_bus:
        return dataclasses.replace(config, bus=default_bus)
    return config


def check_text(text: str, path: Path) -> Config:
    """Read a text as if it stood in the file, without looking at the files it names. Raises ConfigError."""
    return parse_config(text, _Reader(path.absolute().parent, check_files=False, allow_memory=True))


def parse_config(text: str, reader: _Reader) -> Config:
    """Read the file's text. Raises ConfigError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError([Fault("not-yaml", f"this is not YAML: {error.problem}", None, line)]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Fault("not-yaml", f"this is not YAML: {error}")]) from error
    config = reader.config(root)
    if reader.faults:
        raise ConfigError(sorted(reader.faults, key=lambda fault: fault.position or 0))
    return config


class _Reader:
    """Walks the YAML nodes, which know their lines, and collects what is wrong with them."""

    def __init__(self, base: Path, *, check_files: bool, allow_memory: bool) -> None:
        self.base = base
        self.check_files = check_files
        self.allow_memory = allow_memory
        self.names_bus = False
        self.faults: list[Fault] = []

    def fault(self, node: yaml.Node | None, code: str, message: str, field: str) -> None:
        self.faults.append(Fault(code, message, field or None, node.start_mark.line + 1 if node else None))

    def config(self, root: yaml.Node | None) -> Config:
        entries = self.mapping(root, "", TOP, "the file must hold settings, such as `sources:`") if root else {}
        facts: dict[str, Any] = {"sources": ()}
        if "sources" in entries:
            facts["sources"] = self.sources(entries["sources"])
        else:
            self.fault(root, "missing", "`sources` is missing: list what this sensor can be asked", "sources")
        if "bus" in entries:
            facts |= self.bus(entries["bus"])
        sections = (
            ("spool", SpoolConfig, SPOOL),
            ("web", WebConfig, WEB),
            ("jobs", JobsConfig, JOBS),
            ("index", IndexConfig, INDEX),
        )
        for key, build, table in sections:
            if key in entries:
                facts[key] = build(**self.settings(entries[key], table, key))
        return Config(**facts)

    def bus(self, node: yaml.Node) -> dict[str, Any]:
        """An address alone, or a mapping of the address and the files for `amqps`."""
        self.names_bus = True
        if isinstance(node, yaml.ScalarNode):
            got = {"url": self.value(node, BUS["url"], "bus")}
        else:
            got = self.settings(node, BUS, "bus")
        url = got.pop("url", None) or ""
        if got and not url.startswith("amqps:"):
            self.fault(node, "bad-bus", "`ca`, `cert` and `key` are for an amqps:// address", "bus")
        if url == values.MEMORY_BUS and not self.allow_memory:
            message = f"`bus`: {values.MEMORY_BUS} is inside one process, so only `docket run` can use it"
            self.fault(node, "bad-bus", message, "bus")
        return {"bus": url, "bus_tls": {name: str(file) for name, file in got.items()}}

    def sources(self, node: yaml.Node) -> tuple[SourceConfig, ...]:
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, "bad-type", "`sources` must be a list", "sources")
            return ()
        lines: dict[str, int] = {}
        found = []
        for index, item in enumerate(node.value):
            source = self.source(item, f"sources[{index}]")
            if source is None:
                continue
            if source.name in lines:
                message = f"the name {source.name} is taken by the source of line {lines[source.name]}"
                self.fault(item, "duplicate-source", message, f"sources[{index}].name")
            lines.setdefault(source.name, item.start_mark.line + 1)
            found.append(source)
        return tuple(found)

    def source(self, node: yaml.Node, where: str) -> SourceConfig | None:
        entries = self.mapping(node, where, None, "a source must be a mapping with `name` and `kind`")
        kind_node = entries.get("kind")
        kind = kind_node.value if isinstance(kind_node, yaml.ScalarNode) else None
        if kind not in KINDS:
            if entries:
                message = f"`kind` must be one of {', '.join(KINDS)}"
                self.fault(kind_node or node, "bad-kind", message, f"{where}.kind")
            return None
        build, table = KINDS[kind]
        got = self.settings(node, table, where)
        whole = all(setting.field in got for setting in table.values() if setting.required)
        return build(**got) if whole else None

    def settings(self, node: yaml.Node, table: Mapping[str, Setting], where: str) -> dict[str, Any]:
        """The values of a section by field. What is wrong or not there is left out."""
        entries = self.mapping(node, where, tuple(table), f"`{where}` must be a mapping of settings")
        got = {}
        for key, setting in table.items():
            if key in entries:
                value = self.value(entries[key], setting, f"{where}.{key}")
                if value is not None or (setting.nullable and _is_null(entries[key])):
                    got[setting.field] = value
            elif setting.required:
                self.fault(node, "missing", f"`{key}` is missing", f"{where}.{key}")
        return got

    def value(self, node: yaml.Node, setting: Setting, where: str) -> Any:
        """One setting's value, or None after a fault."""
        if setting.each is not None:
            return self.each(node, setting, setting.each, where)
        if setting.many:
            items = node.value if isinstance(node, yaml.SequenceNode) else [node]
            return tuple(self.scalar(item, setting, where) for item in items)
        return self.scalar(node, setting, where)

    def each(self, node: yaml.Node, setting: Setting, table: Mapping[str, Setting], where: str) -> Any:
        """The values of a list of mappings; those with faults are left out."""
        if not isinstance(node, yaml.SequenceNode) or setting.build is None:
            self.fault(node, "bad-type", f"`{where}` must be a list", where)
            return None
        found = []
        for index, item in enumerate(node.value):
            got = self.settings(item, table, f"{where}[{index}]")
            if all(one.field in got for one in table.values() if one.required):
                found.append(setting.build(**got))
        return tuple(found)

    def scalar(self, node: yaml.Node, setting: Setting, where: str) -> Any:
        if setting.nullable and _is_null(node):
            return None
        if not isinstance(node, yaml.ScalarNode) or _is_null(node):
            self.fault(node, "bad-type", f"`{where}` must be a single value", where)
            return None
        try:
            value = setting.read(node.value)
        except ValueError as error:
            self.fault(node, "bad-value", f"`{where}`: {error}", where)
            return None
        if isinstance(value, Path):
            value = self.base / value
            if self.check_files and setting.is_file:
                self.must_exist(node, value, where)
        return value

    def must_exist(self, node: yaml.Node, path: Path, where: str) -> None:
        """A fault unless this process can read the file or directory."""
        try:
            if path.is_dir():
                next(path.iterdir(), None)
            else:
                path.open("rb").close()
        except OSError as error:
            self.fault(node, "no-file", f"`{where}`: {path} cannot be read: {error.strerror}", where)

    def mapping(
        self, node: yaml.Node | None, where: str, known: tuple[str, ...] | None, otherwise: str
    ) -> dict[str, yaml.Node]:
        """The entries of a mapping; keys that are unknown or stand twice are faults."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, "bad-type", otherwise, where)
            return {}
        entries: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            field = f"{where}.{key}" if where else key
            if known is not None and key not in known:
                self.fault(key_node, "unknown-setting", f"there is no setting `{field}`{_hint(key, known)}", field)
            elif key in entries:
                self.fault(key_node, "duplicate-setting", f"`{field}` stands twice", field)
            else:
                entries[key] = value_node
        return entries


def every_setting() -> Iterator[str]:
    """The dotted names of all settings, as `docs/configuration.md` lists them."""
    tables: list[tuple[str, Mapping[str, Setting]]] = [("bus", BUS), ("spool", SPOOL), ("web", WEB), ("jobs", JOBS)]
    tables.append(("index", INDEX))
    tables += [("sources[]", table) for _, table in KINDS.values()]
    for section, table in tables:
        yield from (f"{section}.{key}" for key in table)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _hint(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""
