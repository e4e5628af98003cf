"""`docket check`: what a question means, what the sources hold of it and how much it would bring, without asking it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.terminal import Terminal, add_server_option, client_for
from docket.domain.api import CheckAnswer
from docket.runtime.exit_codes import ExitCode

EXAMPLES = """\
examples:
  docket check 'host 10.1.2.3 and port 443' --after 15m
  docket check 'net 10.0.0.0/8' --after 2026-11-24T14:00:00Z --before 2026-11-24T15:00:00Z --source rock01:em1

Nothing is read for it but what the index of a capture directory leaves open. Ends 0 for a question without faults, 2
for one that would be refused.
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "check",
        run,
        help="say what a question means and how much it would bring, without asking it",
        description="Say what a question means, what each source holds of its window, and how much it would bring.",
        epilog=EXAMPLES,
    )
    parser.add_argument("query", metavar="QUERY", nargs="?", default="", help="the filter (default: every packet)")
    parser.add_argument("--after", metavar="T", help="begin of the window, as for `docket get`")
    parser.add_argument("--before", metavar="T", help="its end")
    parser.add_argument("--source", metavar="S", action="append", help="only this source; may be repeated")
    parser.add_argument("--json", action="store_true", help="print the server's answer")
    add_server_option(parser)


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    question = {"query": args.query, "after": args.after, "before": args.before, "sources": args.source}
    found = client_for(args, terminal).check({name: value for name, value in question.items() if value is not None})
    if args.json:
        terminal.say_json(found)
    else:
        terminal.say([text.safe(line) for line in _lines(found)])
    return ExitCode.OK if found.ok else ExitCode.USAGE


def _lines(found: CheckAnswer) -> Iterator[str]:
    for fault in found.errors:
        where = f" at character {fault.position + 1}" if fault.position is not None else ""
        yield f"fault: {fault.message}{where}"
    if found.canonical is not None:
        yield f"query:    {found.canonical or 'every packet'}"
    if found.window is not None:
        yield f"window:   {found.window.sentence}"
    if found.estimate is not None:
        yield f"estimate: {found.estimate.sentence}"
    yield from (f"hint:     {hint}" for hint in found.hints)
    surveys = {one.source: one.sentence for one in found.surveys}
    for one in found.coverage:
        more = f"; {surveys[one.source]}" if one.source in surveys else ""
        yield f"{one.source}: {one.sentence}{more}"
