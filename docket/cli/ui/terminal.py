"""What a command has to talk with: its environment, its outputs, and the options that all clients share."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import msgspec

from docket.cli.client.discovery import running_server
from docket.client.http_client import Client
from docket.client.login import find_login
from docket.config.loader import VARIABLE, load_config
from docket.config.model import Config
from docket.config.values import UNIX, TcpAddress, listen_address
from docket.errors import ConfigError, Fault

DEFAULT_SOCKET = Path("/run/docket/docket.socket")
"""Where the socket unit lets the server listen."""

FALLBACK_URL = "http://127.0.0.1:8080/app/docket/"
SERVER_VARIABLE = "DOCKET_SERVER"


@dataclass(frozen=True, slots=True)
class Terminal:
    """The outside of a command. Results go to `out`, everything on the way to `err`."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def say(self, lines: str | Iterable[str]) -> None:
        """Result lines."""
        _write(self.out, lines)

    def tell(self, lines: str | Iterable[str]) -> None:
        """Lines beside the result: progress, reasons, hints."""
        _write(self.err, lines)

    def say_json(self, value: Any) -> None:
        """A result for programs: indented JSON, pure ASCII, so that nothing in it can steer a terminal."""
        # The standard library's encoder, unlike msgspec's, can write everything beyond ASCII as escapes.
        self.say(json.dumps(msgspec.to_builtins(value), indent=2))

    @property
    def err_is_live(self) -> bool:
        """Whether lines on `err` can be drawn again."""
        return self.err.isatty() and self.environ.get("TERM", "dumb") != "dumb"

    @property
    def out_has_colour(self) -> bool:
        return self.out.isatty() and self.environ.get("TERM", "dumb") != "dumb" and not self.environ.get("NO_COLOR")

    @property
    def err_has_colour(self) -> bool:
        return self.err_is_live and not self.environ.get("NO_COLOR")


def add_server_option(parser: argparse.ArgumentParser) -> None:
    """`--server URL`, `--user` and `--ca`, for the commands that talk to a server."""
    parser.add_argument(
        "--server",
        metavar="URL",
        help="the Docket server, such as http://127.0.0.1:8080/app/docket/ or unix:/run/docket/docket.socket "
        "(default: where the file of --config listens, if one is named, else DOCKET_SERVER, else the running "
        "`docket run`, else where the usual configuration listens)",
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="the user at the proxy in front; the password comes from DOCKET_PASSWORD, ~/.netrc, or a prompt",
    )
    parser.add_argument(
        "--ca",
        metavar="FILE",
        type=Path,
        help="trust these authorities for https in place of the system's (default: DOCKET_CA)",
    )


def client_for(args: argparse.Namespace, terminal: Terminal) -> Client:
    """The client of the server that was named, or of the one that can be found.

    What was named on this command line is never overruled by a variable, nor by a file about what happens to run.
    """
    url, login = find_login(default_server(args, terminal), args.user, args.ca, terminal.environ)
    return Client(url, login)


def default_server(args: argparse.Namespace, terminal: Terminal) -> str:
    """The address of the server that was named, or of the one that can be found."""
    if args.server:
        return str(args.server)
    if args.config is not None:
        return _configured_server(args, terminal) or _listens_nowhere(args.config)
    return (
        terminal.environ.get(SERVER_VARIABLE)
        or (None if terminal.environ.get(VARIABLE) else running_server(terminal.environ))
        or _configured_server(args, terminal)
        or (_listens_nowhere(terminal.environ[VARIABLE]) if terminal.environ.get(VARIABLE) else None)
        or usual_socket()
        or FALLBACK_URL
    )


def _configured_server(args: argparse.Namespace, terminal: Terminal) -> str | None:
    """The first TCP address that the configuration listens on, else its unix socket, if this user may read the file."""
    try:
        config = load_config(args.config, terminal.environ)
    except ConfigError:
        if args.config is not None or terminal.environ.get(VARIABLE):
            raise
        return None
    addresses = servers_of(config)
    return min(addresses, key=lambda address: address.startswith(UNIX), default=None)


def servers_of(config: Config) -> list[str]:
    """Where a client on this machine finds the web app of a configuration."""
    addresses = [listen_address(listening) for listening in config.web.listen]
    return [
        f"http://{reachable(address)}{config.web.base_path}" if isinstance(address, TcpAddress) else listening
        for address, listening in zip(addresses, config.web.listen, strict=True)
    ]


def _listens_nowhere(path: Path | str) -> str:
    """Another server that happens to run is not asked instead."""
    raise ConfigError([Fault("no-server", f"{path}: web.listen names no address; name the server with --server")])


def usual_socket(path: Path = DEFAULT_SOCKET) -> str | None:
    """The usual socket, where it is there and this user may connect to it."""
    return f"{UNIX}{path}" if os.access(path, os.W_OK) and path.is_socket() else None


def reachable(address: TcpAddress) -> TcpAddress:
    """Where a client finds a server that listens on all addresses."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return TcpAddress(everywhere.get(address.host, address.host), address.port)


def _write(out: TextIO, lines: str | Iterable[str]) -> None:
    text = lines if isinstance(lines, str) else "\n".join(lines)
    if text:
        out.write(f"{text}\n")
        out.flush()
