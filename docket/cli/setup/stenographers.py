"""The stenographers of a machine, found in their own configurations, as entries of ours. Files in, text out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from docket.domain.request import SOURCE_NAME

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_TOP_KEY = re.compile(r"^[A-Za-z_\"']")


@dataclass(frozen=True, slots=True)
class Found:
    """One stenographer."""

    config: Path
    interface: str
    host: str
    port: int
    certs: Path

    def is_same(self, other: Found) -> bool:
        """Whether both are for one stenographer: the same port at another address is another one."""
        return self.interface == other.interface or (self.host, self.port) == (other.host, other.port)

    def what_is_same(self, other: Found) -> str:
        if self.interface == other.interface:
            return f"interface, {self.interface}"
        return f"address, {self.host}:{self.port}"

    def source(self, sensor: str) -> dict[str, str]:
        """Its entry in `sources`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return {
            "name": f"{sensor}:{self.interface}",
            "kind": "stenographer",
            "url": f"https://{host}:{self.port}",
            "cert": str(self.certs / "client_cert.pem"),
            "key": str(self.certs / "client_key.pem"),
            "ca": str(self.certs / "ca_cert.pem"),
        }


@dataclass(slots=True)
class Findings:
    """What a directory of stenographer's describes."""

    found: list[Found] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """A sentence for each configuration that is not taken, though nothing is wrong with it."""


def find(directory: Path, certificates: Path | None = None) -> Findings:
    """Every stenographer that `config.<interface>` or `config` in the directory describes, and what is wrong.

    `certificates`: where they are, if that is not where the configurations say, as with one that runs in a container.
    A plain `config` for an interface that has a file of its own, or for the same address, is the same one again.
    """
    findings = Findings()
    named = sorted(path for path in directory.glob("config.*") if path.is_file())
    for path in [*named, directory / "config"]:
        if not path.is_file():
            continue
        try:
            one = _read(path, certificates)
        except (OSError, ValueError) as error:
            findings.faults.append(f"{path}: {error}")
            continue
        same = next((known for known in findings.found if one.is_same(known)), None)
        if same is None:
            findings.found.append(one)
        elif path.name == "config":
            findings.left_out.append(f"{path} is left out: {same.config} is for the same {one.what_is_same(same)}")
        else:
            findings.faults.append(f"{path}: {same.config} is for the same {one.what_is_same(same)}")
    return findings


def _read(path: Path, certificates: Path | None) -> Found:
    """Raises ValueError, OSError."""
    try:
        settings = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON: {error}") from error
    if not isinstance(settings, Mapping):
        raise ValueError("this is not stenographer's configuration")
    port, certs, host = settings.get("Port"), settings.get("CertPath"), settings.get("Host", "")
    if not isinstance(port, int) or not isinstance(certs, str) or not isinstance(host, str):
        raise ValueError("Port, CertPath or Host is missing")
    suffix = path.suffix.removeprefix(".") if path.name != "config" else ""
    interface = str(settings.get("Interface") or suffix or "config")
    return Found(path, interface, _EVERYWHERE.get(host, host), port, certificates or Path(certs))


def sensor_name(hostname: str) -> str:
    """The first part of the machine's name, if it can be the first part of a source's name, else `sensor`."""
    first = hostname.partition(".")[0]
    return first if SOURCE_NAME.fullmatch(f"{first}:x") else "sensor"


def sources_text(sources: list[dict[str, Any]]) -> str:
    """The section `sources` as it stands in the file."""
    return yaml.safe_dump({"sources": sources}, sort_keys=False, width=200)


def with_section(text: str, key: str, section: str) -> str:
    """The file's text with one of its top sections replaced, or added at the end; all else stays as it is."""
    kept: list[str] = []
    inside = False
    placed = False
    for line in text.splitlines(keepends=True):
        if re.match(rf"{key}\s*:", line):
            inside = placed = True
            kept.append(section)
        elif inside and (_TOP_KEY.match(line) or line.startswith(("---", "..."))):
            inside = False
        if not inside:
            kept.append(line)
    if not placed:
        kept.append(("" if not text or text.endswith("\n") else "\n") + section)
    return "".join(kept)
