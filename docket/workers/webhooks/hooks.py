"""Who is sent which events, and with which secret: the hooks, from a file of their own."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import stat
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from docket.config.values import duration_s
from docket.domain.decoding import prepare
from docket.domain.event import EventMessage
from docket.domain.job import CLOSING, EventName
from docket.errors import ConfigError, Fault

ALL_OWNERS = "*"
SECRET_PREFIX = "whsec_"
FEWEST_SECRET_BYTES, MOST_SECRET_BYTES = 24, 64
"""As the specification of Standard Webhooks has it."""
_UNSENT = (EventName.PROGRESS, EventName.SOURCE_STATS, EventName.INSPECTED)
"""Without a number in the ledger, several in a second."""


class Hook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receiver of events."""

    name: str
    url: str
    """`https://…`; `http://…` for an address of this machine alone."""
    secret: str
    """File with secrets, a line each; each of them signs, so that a new one may be brought in beside the old one."""
    events: tuple[str, ...] = tuple(name.value for name in CLOSING.values())
    owners: tuple[str, ...] = ()
    """Only jobs of these; needed where `web.own_jobs_only` is set, `*` for all."""
    tags: tuple[str, ...] = ()
    """Only jobs with one of these."""
    ca: str | None = None
    """File of the authority that the receiver's certificate is of, instead of those of the system."""
    networks: tuple[str, ...] = ()
    """Addresses that are not public and that may be sent to all the same."""
    authorization: str | None = None
    """File with the text of an `Authorization` header."""
    timeout: str = "15s"
    """For one attempt, from the first byte to the answer."""

    @property
    def timeout_s(self) -> int:
        return duration_s(self.timeout)

    def takes(self, message: EventMessage) -> bool:
        """Whether the event is for it."""
        if message.event.value not in self.events:
            return False
        owner = message.job.owner if message.job is not None else ""
        tags = message.job.tags if message.job is not None else ()
        of_owner = not self.owners or ALL_OWNERS in self.owners or message.source is not None or owner in self.owners
        return of_owner and (not self.tags or any(tag in self.tags for tag in tags))


class WebhooksConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hooks: tuple[Hook, ...]
    state: str = "/var/lib/docket-webhooks/deliveries.sqlite"


def decode_hooks(path: Path) -> WebhooksConfig:
    """As written, not checked. Raises OSError, msgspec's errors."""
    return msgspec.yaml.decode(path.read_bytes(), type=WebhooksConfig)


def read_hooks(path: Path, *, own_jobs_only: bool) -> WebhooksConfig:
    """Raises ConfigError with every fault."""
    try:
        config = decode_hooks(path)
    except OSError as error:
        raise ConfigError([Fault("no-hooks", f"{path} cannot be read: {error.strerror}", "hooks")]) from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError([Fault("bad-hooks", f"{path}: {error}", "hooks")]) from error
    names = [hook.name for hook in config.hooks]
    sentences = [
        f"{name}: there are two hooks of this name" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    sentences += [f"{hook.name}: {fault}" for hook in config.hooks for fault in _faults(hook, own_jobs_only)]
    if sentences:
        raise ConfigError([Fault("bad-hooks", f"{path}: {sentence}", "hooks") for sentence in sentences])
    return config


def secrets_of(hook: Hook) -> list[bytes]:
    """The keys that sign. Raises OSError, and ValueError with a sentence."""
    path = Path(hook.secret)
    if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ValueError(f"{path} can be read by everybody: chmod o= {path}")
    lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} holds no secret")
    return [_key(line, path) for line in lines]


def authorization_of(hook: Hook) -> str | None:
    """The text of the header. Raises OSError, and ValueError with a sentence."""
    if hook.authorization is None:
        return None
    text = Path(hook.authorization).read_text().strip()
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"{hook.authorization} is no text of one line")
    return text


def _key(line: str, path: Path) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{path}: a secret is {SECRET_PREFIX} and bytes in base64") from error
    if not FEWEST_SECRET_BYTES <= len(key) <= MOST_SECRET_BYTES:
        raise ValueError(f"{path}: a secret has {FEWEST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes, not {len(key)}")
    return key


def _faults(hook: Hook, own_jobs_only: bool) -> list[str]:
    known = [name.value for name in EventName if name not in _UNSENT]
    found = [f"there is no event {name}; there are {', '.join(known)}" for name in hook.events if name not in known]
    if own_jobs_only and not hook.owners:
        found.append(f"web.own_jobs_only is set, so name the `owners` whose jobs it may see ('{ALL_OWNERS}': all)")
    for check in (_check_url, _check_values, secrets_of, authorization_of):
        try:
            check(hook)
        except OSError as error:
            found.append(f"{error.filename} cannot be read: {error.strerror}")
        except ValueError as error:
            found.append(str(error))
    return found


def _check_url(hook: Hook) -> None:
    parts = urlsplit(hook.url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError("url must be like https://host/path, without a login")
    if not (hook.url.isascii() and hook.url.isprintable()) or " " in hook.url:
        raise ValueError("url must be of printable ASCII characters without spaces")
    if parts.port == 0:
        raise ValueError("url names port 0")


def _check_values(hook: Hook) -> None:
    for net in hook.networks:
        ipaddress.ip_network(net, strict=False)
    if not 1 <= hook.timeout_s <= 300:
        raise ValueError("timeout must be from 1s to 5m")
    if hook.ca is not None:
        Path(hook.ca).read_bytes()


prepare(WebhooksConfig)
