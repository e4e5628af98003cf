"""Tokens of tools: a file with a name and the SHA-256 of a token per line. The token itself is nowhere on the server.

    # name   sha256
    siem     3f0a…

A token is 32 random bytes, so a plain hash of it cannot be guessed back.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from docket.domain.request import LONGEST_OWNER
from docket.errors import ConfigError, Fault

_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._@-]*)\s+(?P<digest>[0-9a-f]{64})", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}", re.ASCII)
"""RFC 6750, section 2.1."""


def read_tokens(path: Path) -> Mapping[str, str]:
    """Digest to name. Raises ConfigError with every line that is none."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError([Fault("no-tokens", f"web.tokens: {path} cannot be read: {reason}", "web.tokens")]) from error
    names: dict[str, str] = {}
    faults: list[Fault] = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = _LINE.fullmatch(text)
        if found is None or len(found["name"]) > LONGEST_OWNER:
            message = f"web.tokens: line {number} of {path} is not a name and a SHA-256"
            faults.append(Fault("bad-token-line", message, "web.tokens"))
        else:
            names[found["digest"]] = found["name"]
    if faults:
        raise ConfigError(faults)
    return names


def make_token(name: str) -> tuple[str, str]:
    """A new token, and the line that lets it in. Raises ValueError for what is no name."""
    token = secrets.token_urlsafe(32)
    line = f"{name} {digest(token)}"
    if _LINE.fullmatch(line) is None or len(name) > LONGEST_OWNER:
        raise ValueError(f"{name!r} is not a name: letters, digits, . _ @ - are")
    return token, line


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(header: str) -> str | None:
    """The token in an `Authorization` header; None where it is of another scheme, empty where it is malformed."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = rest.strip()
    return token if _TOKEN.fullmatch(token) else ""
