"""How a client logs in: a token, or user and password for the proxy in front; and whom TLS trusts.

A token comes from `DOCKET_TOKEN`. A password comes from `DOCKET_PASSWORD`, from `~/.netrc`, from the address itself, or
from a prompt. Neither is ever part of anything that is printed.
"""

from __future__ import annotations

import getpass
import netrc
import ssl
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from docket.errors import ConfigError, Fault

PASSWORD_VARIABLE = "DOCKET_PASSWORD"
CA_VARIABLE = "DOCKET_CA"
TOKEN_VARIABLE = "DOCKET_TOKEN"


@dataclass(frozen=True, slots=True)
class Login:
    """How to get in."""

    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    """Authorities to trust in place of the system's, as PEM."""
    token: str = field(default="", repr=False)
    """Of a tool, as `docket token` makes it; it takes the place of user and password."""

    @property
    def authorization(self) -> str | None:
        """The header for the server's token check (RFC 6750), or for the proxy's password check (RFC 7617)."""
        if self.token:
            return f"Bearer {self.token}"
        if not self.user:
            return None
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    @property
    def trusted(self) -> str | bool:
        """The file or directory of authorities, as `requests` wants it: the system's own rather than a library's."""
        if self.ca is not None:
            return str(self.ca)
        found = ssl.get_default_verify_paths()
        return found.cafile or found.capath or True

    def tls(self) -> ssl.SSLContext:
        """The same for the WebSocket. Raises ConfigError."""
        return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))


def split(url: str) -> tuple[str, str, str]:
    """The address without its user and password, and these two."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, "", ""
    login, at, host = parts.netloc.rpartition("@")
    if not at or parts.scheme not in ("http", "https"):
        return url, "", ""
    user, _, password = login.partition(":")
    return urlunsplit(parts._replace(netloc=host)), unquote(user), unquote(password)


def find_login(
    url: str,
    user: str | None,
    ca: Path | None,
    environ: Mapping[str, str],
    prompt: Callable[[str], str] | None = None,
) -> tuple[str, Login]:
    """The address as it may be shown, and the login for it. Asks at the terminal last. Raises ConfigError."""
    plain, url_user, url_password = split(url)
    ca = _readable(ca or (Path(environ[CA_VARIABLE]) if environ.get(CA_VARIABLE) else None))
    name = user or url_user
    if not name and environ.get(TOKEN_VARIABLE):
        return plain, Login(ca=ca, token=environ[TOKEN_VARIABLE])
    if name and url_password and name == url_user:
        return plain, Login(name, url_password, ca)
    if not plain.startswith(("http://", "https://")):
        return plain, Login(ca=ca)
    if name and environ.get(PASSWORD_VARIABLE):
        return plain, Login(name, environ[PASSWORD_VARIABLE], ca)
    known = _netrc(urlsplit(plain).hostname or "", name, environ)
    if known is not None:
        return plain, Login(*known, ca)
    if not name:
        return plain, Login(ca=ca)
    return plain, Login(name, _asked(name, plain, prompt), ca)


def _readable(ca: Path | None) -> Path | None:
    try:
        if ca is not None:
            ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no certificate is in it"
        raise ConfigError([Fault("bad-ca", f"--ca: {ca} cannot be read: {reason}", "ca")]) from error
    return ca


def _netrc(host: str, user: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """User and password for the host, of that user if one is named."""
    path = Path(environ.get("NETRC") or Path(environ.get("HOME", "/nonexistent")) / ".netrc")
    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    if found is None or (user and found[0] != user) or not found[2]:
        return None
    return found[0], found[2]


def _asked(user: str, url: str, prompt: Callable[[str], str] | None) -> str:
    if prompt is None:
        if not sys.stdin.isatty():
            message = f"no password for {user}: set {PASSWORD_VARIABLE}, or write it into ~/.netrc"
            raise ConfigError([Fault("no-password", message, "user")])
        prompt = getpass.getpass
    return prompt(f"Password of {user} at {url}: ")
