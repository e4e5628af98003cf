"""`docket token`: a new token for a tool, and the line that lets it in."""

from __future__ import annotations

import argparse
from typing import Any

from docket.cli.ui.command_parser import add_command, example
from docket.cli.ui.terminal import Terminal
from docket.errors import ConfigError, Fault
from docket.runtime.exit_codes import ExitCode
from docket.web.auth.tokens import make_token


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "token",
        run,
        help="make a token for a tool",
        description="Make a token for a tool. The token is shown once; the file of `web.tokens` gets its hash.",
        epilog=example("docket token siem >> /etc/docket/tokens     the line goes to the file, the token to you"),
    )
    parser.add_argument("name", metavar="NAME", help="who the tool is, as owners and the audit trail show it")


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    try:
        token, line = make_token(args.name)
    except ValueError as error:
        raise ConfigError([Fault("bad-name", str(error))]) from error
    terminal.say(line)
    terminal.tell(
        [
            f"The token: {token}",
            "Use it as: curl -H 'Authorization: Bearer TOKEN' …; restart docket.service to let it in.",
        ]
    )
    return ExitCode.OK
