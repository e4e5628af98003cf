"""The configuration of the original Docket 1.0.3 turned into ours, and what could not be carried over. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from docket.cli.setup.stenographers import sources_text
from docket.config import values as values
from docket.errors import ConfigError, Fault

_WHY_NOT = {
    "SECRET_KEY": "there are no sessions, so there is nothing to sign",
    "SESSION_COOKIE_NAME": "there are no sessions",
    "CELERY_URL": "RabbitMQ carries the work: set `bus`",
    "DOCKET_NO_REDIS": "there is no Redis; jobs are in the ledger",
    "USE_X_SENDFILE": "say which proxy: `web.sendfile`",
    "TIME_WINDOW": "windows are exact to the microsecond, and packets outside are trimmed",
    "MERGED_NAME": "/results/ID/merged.pcap works; downloads have names that say what is in them",
    "QUERY_FILE": "a result's manifest is job.json",
    "EMPTY_RESULT": "packets are counted, not bytes",
    "EMPTY_THRESHOLD": "packets are counted, not bytes",
    "UUID_FORMAT": "ids are UUIDs; the original interface takes them without dashes, too",
    "DATE_FORMAT": "times are RFC 3339 UTC",
    "WEB_ROOT": "the original interface is at api/ below `web.base_path`, and at /api/",
    "PCAP_WEB_ROOT": "results are at /results/, too",
    "UI_WEB_ROOT": "the page is at `web.base_path`",
    "CLEANUP_PERIOD": "results go as soon as they must",
    "FREE_NODES": "results go before inodes run out",
    "IDLE_TIME": "stenographer answers several queries at once: `queries_at_once` of a source",
    "IDLE_SLEEP": "see IDLE_TIME",
    "STAT_TIMEOUT": "sources are asked all the time, and `docket status` shows them",
    "LOCK_TIMEOUT": "there are no locks between processes",
    "DEBUG": "use --verbose",
    "TESTING": "there is no such mode",
}
_PREFIXES = {
    "WEIGHT_": "a question's size is estimated from what is measured; `ignore-weight` works as before",
    "LOG": "services log to the journal",
}


@dataclass(slots=True)
class Migration:
    """Our configuration, and what became of every setting that has no place in it."""

    text: str = ""
    left_out: list[tuple[str, str]] = field(default_factory=list)


def migrate(old: str) -> Migration:
    """Turn the text of a `prod.yaml` into ours. Raises ConfigError with every fault."""
    try:
        settings = yaml.safe_load(old)
    except yaml.YAMLError as error:
        raise ConfigError([Fault("not-yaml", f"this is not YAML: {error}")]) from error
    if not isinstance(settings, Mapping):
        raise ConfigError([Fault("bad-type", "this is not a configuration of Docket 1.0.3")])
    given = {str(name).upper(): value for name, value in settings.items()}
    faults: list[Fault] = []
    migration = Migration()
    sections: dict[str, Any] = {"bus": "amqp://guest:guest@127.0.0.1:5672/%2F"}
    spool = _section(given, faults, path="SPOOL_DIR", keep="EXPIRE_TIME")
    free = [_size(given.pop(name), name, faults) for name in ("EXPIRE_SPACE", "FREE_BYTES") if name in given]
    if free:
        spool["min_free"] = max(free)
    jobs = _section(given, faults, default_window="LONG_AGO", deadline="QUERY_TIMEOUT")
    if spool:
        sections["spool"] = spool
    sections["web"] = {"listen": ["unix:/run/docket/docket.socket"], "user_header": "Forwarded"}
    if jobs:
        sections["jobs"] = jobs
    sources = _sources(given.pop("STENOGRAPHER_INSTANCES", None), faults)
    if faults:
        raise ConfigError(faults)
    for name in given:
        why = _WHY_NOT.get(name) or next((why for prefix, why in _PREFIXES.items() if name.startswith(prefix)), "")
        migration.left_out.append((name, why or "the original has no such setting"))
    heading = "# Made from the configuration of Docket 1.0.3. Docket needs RabbitMQ: set `bus`; see docs/cluster.md.\n"
    migration.text = heading + yaml.safe_dump(sections, sort_keys=False, width=200) + sources_text(sources)
    return migration


def _section(given: dict[str, Any], faults: list[Fault], **names: str) -> dict[str, Any]:
    """Settings that have the same meaning and another name."""
    section: dict[str, Any] = {}
    for ours, theirs in names.items():
        if theirs not in given:
            continue
        value = given.pop(theirs)
        try:
            section[ours] = value.rstrip("/") if ours == "path" else f"{values.duration_s(_seconds(value))}s"
        except (ValueError, AttributeError) as error:
            faults.append(Fault("bad-value", f"{theirs}: {error}", theirs))
    return section


def _seconds(value: object) -> str:
    """A number is seconds, perhaps with a fraction."""
    return str(round(value)) if isinstance(value, int | float) else str(value)


def _size(value: object, name: str, faults: list[Fault]) -> int:
    try:
        return values.size_bytes(str(value))
    except ValueError as error:
        faults.append(Fault("bad-value", f"{name}: {error}", name))
        return 0


def _sources(instances: object, faults: list[Fault]) -> list[dict[str, str]]:
    if not isinstance(instances, list) or not instances:
        faults.append(Fault("missing", "STENOGRAPHER_INSTANCES is missing", "STENOGRAPHER_INSTANCES"))
        return []
    sources = []
    for number, instance in enumerate(instances):
        where = f"STENOGRAPHER_INSTANCES[{number}]"
        if not isinstance(instance, Mapping) or not {"host", "port", "sensor"} <= set(instance):
            faults.append(Fault("missing", f"{where} needs host, port and sensor", where))
            continue
        host, port = str(instance["host"]), instance["port"]
        source = {
            "name": _name(str(instance["sensor"]), str(port)),
            "kind": "stenographer",
            "url": f"https://{f'[{host}]' if ':' in host else host}:{port}",
        }
        for key in ("cert", "key", "ca"):
            if key in instance:
                source[key] = str(instance[key])
            else:
                faults.append(Fault("missing", f"{where} needs {key}", where))
        sources.append(source)
    return sources


def _name(sensor: str, port: str) -> str:
    """`sensor:interface`. The original has one word; `rock01-em1` and `rock01:em1` are both found in the field."""
    plain = re.sub(r"[^A-Za-z0-9._:-]+", "-", sensor).strip("-.:") or "sensor"
    first, separator, second = plain.rpartition(":") if ":" in plain else plain.rpartition("-")
    if not separator or not first.strip("-.:") or not second:
        return f"{plain.replace(':', '-')}:{port}"
    return f"{first.replace(':', '-')}:{second}"
