"""`docket source list` and `docket source forget`: the sources that questions go to, and one that is gone for good."""

from __future__ import annotations

import argparse
from typing import Any

from docket.bus.topology import source_queue
from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.terminal import Terminal, add_server_option, client_for
from docket.errors import ConfigError, Fault
from docket.runtime.exit_codes import ExitCode

EXAMPLES = """\
examples:
  docket source list
  docket source forget rock09:em1       a sensor that was taken down; later jobs do not ask it

A source is known from the first announcement of its worker on, and every question without sources is asked of it. One
that is online, or in the server's configuration, is not forgotten. If its worker comes back, the source is known again.
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "source",
        run,
        help="list the sources, or forget one that is gone for good",
        description="List the sources, or forget one that is gone for good, so that it is not asked any more.",
        epilog=EXAMPLES,
    )
    parser.add_argument("action", choices=("list", "forget"))
    parser.add_argument("name", metavar="NAME", nargs="?", help="with forget: the source, such as rock09:em1")
    add_server_option(parser)


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    client = client_for(args, terminal)
    if args.action == "list":
        terminal.say(text.safe(f"{one.name:<24} {one.state:<8} {one.error or ''}".rstrip()) for one in client.sources())
        return ExitCode.OK
    if not args.name:
        raise ConfigError([Fault("missing", "docket source forget NAME: which source?", "name")])
    client.forget_source(args.name)
    terminal.tell(
        [
            text.safe(f"{args.name} is forgotten; later jobs do not ask it."),
            text.safe(f"  its queue, on the broker: rabbitmqctl -p VHOST delete_queue {source_queue(args.name)}"),
        ]
    )
    return ExitCode.OK
