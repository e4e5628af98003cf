"""How the packets of one job's result are dissected, where that differs from tshark's own choice. Beside the result.

Keys of a TLS key log decrypt what others captured: their file is for its owner alone, goes with the job, and is never
given out again.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec

from docket.domain.decoding import prepare
from docket.errors import Fault, InvalidRequest
from docket.runtime.whole_file import replace_file
from docket.spool.file_io import spool_error

MOST_RULES = 20
LONGEST_KEY_LOG = 200_000
KEY_LOG_MODE = 0o600

_RULE = re.compile(r"[a-z][a-z0-9_.]{1,40}==[0-9a-z.:_-]{1,60}(,|:)[a-z][a-z0-9_.-]{0,40}", re.ASCII)
_KEY = re.compile(r"[A-Z][A-Z0-9_]{1,40} [0-9A-Fa-f]{2,256} [0-9A-Fa-f]{2,256}|RSA [0-9A-Fa-f]{16} [0-9A-Fa-f]{96}")


class DissectorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Of one job, for everybody who looks at it."""

    decode_as: tuple[str, ...] = ()
    """As after tshark's `-d`: `tcp.port==8443,tls`."""
    keys: int = 0
    """Lines of the key log."""
    keys_sha256: str = ""

    @property
    def name(self) -> str:
        """Tells one setting from another; empty for tshark's own choice."""
        if self == DissectorSettings():
            return ""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]


def check_decode_as(rules: object, field: str = "decode_as") -> tuple[str, ...]:
    """Raises InvalidRequest."""
    if not isinstance(rules, list | tuple) or len(rules) > MOST_RULES:
        raise InvalidRequest([Fault("bad-field", f"{field} is a list of {MOST_RULES} rules at most", field)])
    for rule in rules:
        if not isinstance(rule, str) or not _RULE.fullmatch(rule):
            message = f"{str(rule)[:80]!r} is no rule such as tcp.port==8443,tls"
            raise InvalidRequest([Fault("bad-decode-as", message, field)])
    return tuple(dict.fromkeys(rules))


def check_key_log(text: object, field: str = "key_log") -> tuple[str, ...]:
    """The keys in a key log as NSS and OpenSSL write it (SSLKEYLOGFILE). Raises InvalidRequest."""
    if not isinstance(text, str) or len(text) > LONGEST_KEY_LOG:
        raise InvalidRequest(
            [Fault("bad-field", f"{field} is a text of {LONGEST_KEY_LOG:,} characters at most", field)]
        )
    lines = [line.strip() for line in text.splitlines()]
    keys = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#") and not _KEY.fullmatch(line):
            raise InvalidRequest([Fault("bad-key-log", f"line {number} is no line of a TLS key log", field)])
    return keys


def settings_path(directory: Path) -> Path:
    return directory / "dissection.json"


def key_log_path(directory: Path) -> Path:
    return directory / "dissection.keys"


def read_settings(directory: Path) -> DissectorSettings:
    """Of the job in this directory; tshark's own choice where nothing is kept, or what is kept is not understood."""
    try:
        return msgspec.json.decode(settings_path(directory).read_bytes(), type=DissectorSettings)
    except (OSError, msgspec.DecodeError):
        return DissectorSettings()


def write_settings(directory: Path, decode_as: tuple[str, ...], keys: tuple[str, ...] | None) -> DissectorSettings:
    """Keep them; without `keys` those that are there stay. Raises SpoolError."""
    before = read_settings(directory)
    count, digest = before.keys, before.keys_sha256
    try:
        if keys is not None:
            text = "".join(f"{key}\n" for key in keys).encode()
            count, digest = len(keys), hashlib.sha256(text).hexdigest() if keys else ""
            _replace_keys(key_log_path(directory), text)
        settings = DissectorSettings(decode_as=decode_as, keys=count, keys_sha256=digest)
        replace_file(settings_path(directory), [msgspec.json.encode(settings)], mode=KEY_LOG_MODE)
    except OSError as error:
        raise spool_error(error, directory) from error
    return settings


def _replace_keys(path: Path, text: bytes) -> None:
    if text:
        replace_file(path, [text], mode=KEY_LOG_MODE)
    else:
        path.unlink(missing_ok=True)


prepare(DissectorSettings)
