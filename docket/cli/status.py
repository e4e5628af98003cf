"""`docket status`: services, sources and spool at a glance; the exit code says whether all is well."""

from __future__ import annotations

import argparse
from typing import Any

from docket.bus.messages import SourceStatus
from docket.cli import text
from docket.cli.client import Health
from docket.cli.exit_codes import ExitCode
from docket.cli.terminal import Terminal, add_server_option, client_for
from docket.errors import ServerRefused


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "status",
        help="say whether all is well",
        description=f"Show server, sources and spool. Ends {ExitCode.NOT_WELL.value} if something is not well.",
        epilog="example:\n  docket status --json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_server_option(parser)


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    client = client_for(args, terminal)
    health = client.health()
    try:
        sources = client.sources()
    except ServerRefused:
        # Without the ledger there is no list; the health has said why.
        sources = ()
    well = health.status == "ok"
    if args.json:
        terminal.say_json({"well": well, "server": client.url, "health": health, "sources": sources})
    else:
        terminal.say([f"{text.safe(client.url)}  Docket {text.safe(health.version)}", ""])
        terminal.say([*_check_lines(health), "", *_source_lines(sources)])
        terminal.tell("\nAll is well." if well else f"\nNot all is well: {text.safe(health.status)}.")
    return ExitCode.OK if well else ExitCode.NOT_WELL


def _check_lines(health: Health) -> list[str]:
    """The server's checks; those of sources are left to the table of sources."""
    checks = [check for check in health.checks if not check.name.startswith("source ")]
    return text.table(
        ("SERVICE", "STATE", ""), [(one.name, "ok" if one.ok else "NOT OK", one.message) for one in checks]
    )


def _source_lines(sources: tuple[SourceStatus, ...]) -> list[str]:
    if not sources:
        return ["No source is known; is a `docket worker` running?"]
    rows = [
        (one.name, one.kind, one.state, text.instant(one.oldest), text.instant(one.readable_until), one.error or "")
        for one in sources
    ]
    return text.table(("SOURCE", "KIND", "STATE", "OLDEST PACKET", "READABLE UNTIL", "ERROR"), rows)
