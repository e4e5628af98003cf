"""`docket mcp`: tools for assistants that speak the Model Context Protocol, on standard input or by HTTP."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from docket.cli.mcp.tools import AssistantTools
from docket.cli.mcp.transports import serve_http, serve_stdio
from docket.cli.ui.arguments import amount, seconds, tcp_address
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.terminal import Terminal, add_server_option, default_server
from docket.client import Docket
from docket.client.login import Login, find_login
from docket.errors import ConfigError, Fault
from docket.runtime.exit_codes import ExitCode

EXAMPLES = """\
examples:
  docket mcp --server http://127.0.0.1:8080/app/docket/
  DOCKET_TOKEN=TOKEN docket mcp --allow-ask
  docket mcp --listen 127.0.0.1:8765
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "mcp",
        run,
        help="serve tools to assistants (MCP)",
        description="Serve tools to an assistant, on standard input or by HTTP. Reads only, without `--allow-ask`.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--listen", metavar="ADDR", type=tcp_address, help="serve HTTP at host:port, path /mcp")
    parser.add_argument("--allow-ask", action="store_true", help="let the assistant ask sources and refine results")
    parser.add_argument(
        "--longest-window", metavar="D", type=seconds, default=6 * 3600, help="the widest window of a question (6h)"
    )
    parser.add_argument(
        "--most-packets", metavar="N", type=amount, default=1_000_000, help="the limit of each job (1000000)"
    )
    add_server_option(parser)


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Until its input ends, or a signal comes."""
    url, login = find_login(default_server(args, terminal), args.user, args.ca, terminal.environ)

    def make(token: str) -> AssistantTools:
        chosen = Login(ca=login.ca, token=token) if token else login
        docket = Docket(url, token=chosen.token, user=chosen.user, password=chosen.password, ca=chosen.ca)
        return AssistantTools(
            docket, may_ask=args.allow_ask, longest_window_s=args.longest_window, most_packets=args.most_packets
        )

    if args.listen is None:
        serve_stdio(make(""), sys.stdin.buffer, sys.stdout.buffer)
        return ExitCode.OK
    try:
        host, port = args.listen
        asyncio.run(serve_http(make, host, port, lambda address: terminal.tell(f"MCP at {address}")))
    except OSError as error:
        message = f"--listen: {error.strerror or error}"
        raise ConfigError([Fault("cannot-listen", message, "listen")]) from error
    return ExitCode.OK
