"""How the text of each kind of setting is read. Pure functions: text in, value out, ValueError with a sentence."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from docket.domain.bus_nodes import split_nodes
from docket.domain.query.canonical import parse
from docket.domain.request import LONGEST_DEADLINE_S, SOURCE_NAME
from docket.domain.timewindow import US_PER_S, parse_duration_us
from docket.errors import InvalidRequest

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?b?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
"""Sizes are decimal, as disks are sold and as stenographer's own limits are counted."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""A header's name (RFC 9110, section 5.6.2)."""

_LONGEST_SOCKET_PATH = 107
"""Linux has no room for more in a socket's address."""

UNIX = "unix:"
MEMORY_BUS = "memory://"


class TcpAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def text(raw: str) -> str:
    """Any text on one line that is not empty."""
    if not raw.strip() or not raw.isprintable():
        raise ValueError("it must be a text on one line, and not empty")
    return raw


def path(raw: str) -> Path:
    """A path; the reader of the file makes it absolute."""
    return Path(text(raw))


def size_bytes(raw: str) -> int:
    """`50GB`, `500MB`, `1.5TB`, or a number of bytes."""
    match = _SIZE.fullmatch(raw.strip())
    if match is None:
        raise ValueError(f"{raw!r} is not a size; write it like 50GB, 500MB or 1000000")
    return int(float(match[1]) * _UNITS[match[2].lower().rstrip("b")])


def duration_s(raw: str) -> int:
    """`48h`, `120s`, `2d12h`, or a number of seconds; whole seconds."""
    if re.fullmatch(r"[0-9]+", raw):
        return int(raw)
    duration_us = parse_duration_us(raw)
    if duration_us % US_PER_S:
        raise ValueError(f"{raw!r} is not a whole number of seconds")
    return duration_us // US_PER_S


def deadline_s(raw: str) -> int:
    """A duration that a job may stay open."""
    seconds = duration_s(raw)
    if not 1 <= seconds <= LONGEST_DEADLINE_S:
        raise ValueError(f"it must be from 1 s to {LONGEST_DEADLINE_S // 3600} h")
    return seconds


def count(raw: str) -> int:
    """A whole number of at least 1."""
    if not re.fullmatch(r"[0-9]{1,6}", raw) or int(raw) < 1:
        raise ValueError(f"{raw!r} is not a whole number from 1 on")
    return int(raw)


def flag(raw: str) -> bool:
    """`true` or `false`."""
    if raw.lower() not in ("true", "false"):
        raise ValueError(f"{raw!r} is not true or false")
    return raw.lower() == "true"


KINDS_OF_VALUES = ("address", "port", "name", "hash")
PLACE = "{value}"


def kind_of_value(raw: str) -> str:
    """What an action is for."""
    if raw not in KINDS_OF_VALUES:
        raise ValueError(f"it must be of {', '.join(KINDS_OF_VALUES)}")
    return raw


def query_text(raw: str) -> str:
    """A query as people write it; empty for every packet."""
    try:
        parse(raw)
    except InvalidRequest as error:
        raise ValueError(error.faults[0].message) from error
    return raw


def duration_text(raw: str) -> str:
    """A duration, as it is written."""
    if parse_duration_us(raw) <= 0:
        raise ValueError("it must be longer than nothing")
    return raw


def web_url(raw: str) -> str:
    """An address that a browser may be sent to: `http` or `https`, nothing that runs in the page."""
    parts = urlsplit(text(raw))
    if parts.scheme not in ("http", "https") or not parts.netloc or re.search(r"[\s\"'<>]", raw):
        raise ValueError("it must be an http:// or https:// address")
    return raw


def action_url(raw: str) -> str:
    """Such an address with the place of the value in it, behind the name of the host."""
    web_url(raw)
    if PLACE in urlsplit(raw).netloc or PLACE not in raw:
        raise ValueError(f"it must have {PLACE} in its path, query or fragment")
    return raw


def sendfile(raw: str) -> str:
    """The proxy that sends files of the spool itself, or none."""
    if raw not in ("none", "lighttpd", "nginx"):
        raise ValueError(f"{raw!r} is not lighttpd, nginx or none")
    return raw


def index_use(raw: str) -> str:
    """Whether capture files are indexed."""
    if raw not in ("auto", "off"):
        raise ValueError(f"{raw!r} is not auto or off")
    return raw


def source_name(raw: str) -> str:
    """`sensor:interface`."""
    if not SOURCE_NAME.fullmatch(raw):
        raise ValueError(f"{raw!r} is not a name like rock01:em1 (letters, digits, . _ - and one colon)")
    return raw


def header_name(raw: str) -> str:
    """The name of an HTTP header."""
    if not _TOKEN.fullmatch(raw):
        raise ValueError(f"{raw!r} is not the name of a header")
    return raw


def network(raw: str) -> str:
    """An address or a net, v4 or v6."""
    try:
        return str(ipaddress.ip_network(raw, strict=False))
    except ValueError as error:
        raise ValueError(f"{raw!r} is not an address or a net: {error}") from error


def base_path(raw: str) -> str:
    """The path below which everything is served; it gets its slashes if they are missing."""
    if not re.fullmatch(r"[A-Za-z0-9._~/-]{0,200}", raw) or "//" in raw or ".." in raw:
        raise ValueError(f"{raw!r} is not a path like /app/docket/")
    return f"/{raw.strip('/')}/" if raw.strip("/") else "/"


def bus_url(raw: str) -> str:
    """`amqp://`, `amqps://` or `memory://`."""
    first, others = split_nodes(raw)
    parts = urlsplit(first)
    if parts.scheme == "memory" and not parts.netloc and parts.path in ("", "/"):
        return MEMORY_BUS
    if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise ValueError("it must be like amqp://user:password@host:5672/vhost, amqps://…, or memory://")
    for node in (parts.netloc, *others):
        _check_port(node)
    return raw


def https_url(raw: str) -> str:
    """The address of a stenographer."""
    parts = urlsplit(raw)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{raw!r} is not an address like https://127.0.0.1:1234")
    _check_port(parts.netloc)
    return raw.rstrip("/")


def listen(raw: str) -> str:
    """`host:port`, `[v6]:port` or `unix:/path`."""
    listen_address(raw)
    return raw


def listen_address(raw: str) -> TcpAddress | Path:
    """An address to listen on, taken apart; a path is a unix socket. Raises ValueError."""
    if raw.startswith(UNIX):
        socket_path = raw.removeprefix(UNIX)
        if not socket_path.startswith("/") or len(socket_path.encode()) > _LONGEST_SOCKET_PATH:
            raise ValueError(f"{raw!r}: a socket needs an absolute path of at most {_LONGEST_SOCKET_PATH} bytes")
        return Path(socket_path)
    host, _, port = raw.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not bare or (":" in bare and bare == host) or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"{raw!r} is not an address like 127.0.0.1:8080, [::1]:8080 or unix:/run/docket/docket.socket")
    return TcpAddress(bare, int(port))


def _check_port(netloc: str) -> None:
    """Raises ValueError, in our words, for a port that is none."""
    port = netloc.rpartition("@")[2].rpartition("]")[2].rpartition(":")[2]
    if ":" in netloc.rpartition("@")[2].rpartition("]")[2] and not (port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is not a port")
