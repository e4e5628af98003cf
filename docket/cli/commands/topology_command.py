"""`docket topology`: declare the bus, or print it for RabbitMQ to load."""

from __future__ import annotations

import argparse
import re
from typing import Any

import msgspec

from docket.bus.permissions import user_definitions, worker_of
from docket.bus.topology import definitions
from docket.cli.commands.config_command import without_password
from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.terminal import Terminal
from docket.config.loader import load_config
from docket.domain.units import counted
from docket.runtime.exit_codes import ExitCode

EXAMPLES = """\
examples:
  docket topology                                    declare exchanges, queues and bindings on the broker
  docket topology --stream                           and the stream of events, for tools that were away
  docket topology --print > definitions.json         the same for RabbitMQ's load_definitions
  docket topology --print --users --vhost docket     with one user per role and the least that each may do

Declaring again changes nothing. A queue or exchange that is there with other arguments is an error: delete it first.
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "topology",
        run,
        help="declare the bus, or print its definitions.json",
        description="Declare the bus on the broker of the configuration, or print it as RabbitMQ's definitions.json.",
        epilog=EXAMPLES,
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--declare", action="store_true", help="declare (the default)")
    action.add_argument("--print", action="store_true", help="print definitions.json instead; no broker is needed")
    parser.add_argument(
        "--stream", action="store_true", help="declare the stream of events as well (docket.stream, up to 1 GB)"
    )
    parser.add_argument("--users", action="store_true", help="with --print: users and their rights as well")
    parser.add_argument(
        "--sensor", metavar="NAME", help="with --users: let workers read the queues of this sensor only"
    )
    parser.add_argument("--vhost", metavar="NAME", default="/", help="the vhost to print for (default: /)")


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    config = load_config(args.config, terminal.environ, allow_memory=args.print)
    names = [source.name for source in config.sources]
    if args.print:
        whole = definitions(args.vhost, names)
        if args.users:
            whole |= user_definitions(
                args.vhost, *([re.escape(args.sensor), worker_of(args.sensor)] if args.sensor else [])
            )
        terminal.out.write(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n")
        return ExitCode.OK
    # The client libraries of the bus take longer to load than most commands to run.
    from docket.bus.factory import open_broker

    broker = open_broker(config.bus, config.bus_tls)
    try:
        broker.declare(names)
        if args.stream:
            broker.declare_stream()
    finally:
        broker.close()
    terminal.say(
        text.safe(f"The topology is declared on {without_password(config.bus)} for {counted(len(names), 'source')}.")
    )
    return ExitCode.OK
