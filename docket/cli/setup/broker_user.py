"""A user of Docket's own on the RabbitMQ of this machine, with a random password, instead of `guest`.

For `docket setup`. All is done by rabbitmqctl, as root. One user for all services, with all rights in one vhost: they
declare and move queues by themselves. One user for each service, with the least rights, is `deploy/rabbitmq/users`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from docket.bus import topology
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.guest import NAME as GUEST
from docket.bus.rabbitmq.guest import guest_enters, is_local, uses_guest
from docket.errors import BusError
from docket.runtime.programs import find_program

USER = "docket"
VHOST = "docket"
PASSWORD_BYTES = 24
COMMAND_TIMEOUT_S = 60.0


def wants_own_user(url: str, tls: Mapping[str, str]) -> bool:
    """Whether the address is `guest` on this machine's own broker. Raises ConfigError."""
    return url.startswith("amqp") and is_local(url, tls) and uses_guest(url, tls)


def make(url: str) -> str:
    """Make the user, or give it another password, and give its address. Raises BusError."""
    if os.geteuid() != 0:
        raise BusError("only root may make a user on RabbitMQ")
    vhost = _vhost_in_use(url)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    with tempfile.TemporaryDirectory() as directory:
        # A file, because the arguments of a program stand in the list of processes. It holds only the hash.
        file = Path(directory, "definitions.json")
        file.write_text(json.dumps(_definitions(vhost, password)))
        for path, mode in ((file.parent, 0o755), (file, 0o644)):
            path.chmod(mode)
        _rabbitmqctl("import_definitions", str(file))
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"{USER}:{password}@{host}", f"/{quote(vhost, safe='')}", "", ""))


def remove_guest(url: str, tls: Mapping[str, str]) -> bool:
    """Remove `guest` where its known password works; whether it did. Raises BusError, ConfigError."""
    if not (url.startswith("amqp") and is_local(url, tls) and not uses_guest(url, tls) and guest_enters(url, tls)):
        return False
    _rabbitmqctl("delete_user", GUEST)
    return True


def _vhost_in_use(url: str) -> str:
    """The vhost of the address if Docket's exchanges are there already, so that what waits in it is not lost."""
    named = parse_address(url, {}).vhost
    if named == VHOST:
        return VHOST
    vhosts = _rabbitmqctl("list_vhosts", "--no-table-headers").split()
    if named not in vhosts:
        return VHOST
    exchanges = _rabbitmqctl("list_exchanges", "--no-table-headers", "-p", named, "name").split()
    return named if topology.JOBS in exchanges else VHOST


def _definitions(vhost: str, password: str) -> dict[str, object]:
    everything = dict.fromkeys(("configure", "write", "read"), ".*")
    user = {
        "name": USER,
        "password_hash": _hashed(password),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
    }
    return {
        "vhosts": [{"name": vhost}],
        "users": [user],
        "permissions": [{"user": USER, "vhost": vhost, **everything}],
    }


def _hashed(password: str) -> str:
    """RabbitMQ's own form: four bytes of salt, and the SHA-256 of salt and password."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _rabbitmqctl(*arguments: str) -> str:
    """What it wrote. Raises BusError."""
    program = find_program("rabbitmqctl")
    if program is None:
        raise BusError("rabbitmqctl is not on this machine")
    command = [program, "-q", *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BusError(f"rabbitmqctl {arguments[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it failed"]
        raise BusError(f"rabbitmqctl {arguments[0]}: {lines[0]}")
    return done.stdout
