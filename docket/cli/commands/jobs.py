"""`docket jobs`, `job`, `cancel`, `retry`, `delete`: the record of what was asked."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docket.cli.commands.get import CODES, conclusion, watch
from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command, example
from docket.cli.ui.progress import Progress, saved, verdict_lines
from docket.cli.ui.terminal import Terminal, add_server_option, client_for
from docket.client.follow import follow
from docket.client.http_client import Client
from docket.client.save import save
from docket.domain.job import Job, State
from docket.domain.units import size_text
from docket.runtime.exit_codes import ExitCode

TAKEN_UP_S = 60.0
"""How long the collector may be away before `retry` says that nothing has come of it; a restart takes seconds."""
POLL_S = 0.5

STATES = tuple(state.value for state in State)


def add(commands: Any) -> None:
    _add_jobs(commands)
    _add_job(commands)
    _add_orders(commands)


def _add_jobs(commands: Any) -> None:
    parser = _parser(commands, "jobs", jobs, "list jobs, newest first", "docket jobs --state partial --limit 20")
    parser.add_argument("--state", choices=STATES, help="only jobs in this state")
    parser.add_argument("--owner", help="only jobs of this user")
    parser.add_argument("--source", metavar="S", help="only jobs that asked this source")
    parser.add_argument("--text", help="only jobs with this text in their query or note")
    parser.add_argument("--limit", metavar="N", type=int, default=20, help="at most so many (default: 20)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_job(commands: Any) -> None:
    parser = _parser(commands, "job", job, "show one job: verdicts, file, history", "docket job 0192f0c1-… --watch")
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--watch", action="store_true", help="show its sources live until it is final")
    parser.add_argument("--json", action="store_true", help="print JSON, with the events")


def _add_orders(commands: Any) -> None:
    parser = _parser(commands, "cancel", cancel, "stop a job's reading", "docket cancel 0192f0c1-…")
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--discard", action="store_true", help="throw away what arrived (default: keep it)")
    parser = _parser(commands, "retry", retry, "ask the sources that fell short once more", "docket retry 0192f0c1-…")
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--no-wait", action="store_true", help="give the order and leave, instead of watching")
    parser.add_argument("-w", "--write", metavar="FILE", type=Path, help="save the whole new capture here")
    parser = _parser(commands, "delete", delete, "remove a job's capture; its record stays", "docket delete 0192f0c1-…")
    parser.add_argument("id", metavar="ID")


def _parser(commands: Any, name: str, run: Callable[..., int], help_text: str, line: str) -> argparse.ArgumentParser:
    parser = add_command(commands, name, run, help=help_text, epilog=example(line))
    add_server_option(parser)
    return parser


def jobs(args: argparse.Namespace, terminal: Terminal) -> int:
    page = client_for(args, terminal).jobs(
        state=args.state, owner=args.owner, source=args.source, text=args.text, limit=args.limit
    )
    if args.json:
        terminal.say_json(page.jobs)
        return ExitCode.OK
    rows = [
        (
            one.id,
            one.state.value,
            text.instant(one.created_at),
            one.owner or "-",
            f"{one.packets:,}",
            size_text(one.bytes),
            one.query or "every packet",
        )
        for one in page.jobs
    ]
    terminal.say(text.table(("ID", "STATE", "ASKED", "OWNER", "PACKETS", "SIZE", "QUERY"), rows))
    if page.total > len(page.jobs):
        terminal.tell(f"{page.total:,} jobs in all; --limit shows more of them.")
    return ExitCode.OK


def job(args: argparse.Namespace, terminal: Terminal) -> int:
    """Show the job; with --watch the exit code is that of its end, as for `docket get`."""
    client = client_for(args, terminal)
    if args.watch:
        bars = Progress(terminal.err, live=terminal.err_is_live, colour=terminal.err_has_colour)
        final = asyncio.run(follow(client, client.job(args.id), bars.update))
        terminal.say(_described(final))
        return CODES.get(final.state, ExitCode.FAILED)
    if args.json:
        terminal.say_json(client.job_document(args.id))
    else:
        terminal.say(_described(client.job(args.id)))
    return ExitCode.OK


def cancel(args: argparse.Namespace, terminal: Terminal) -> int:
    client_for(args, terminal).cancel(args.id, keep=not args.discard)
    terminal.say(f"{args.id} is being cancelled.")
    return ExitCode.OK


def retry(args: argparse.Namespace, terminal: Terminal) -> int:
    """Order the retry, and watch it to its end as `docket get` does, with the same exit codes. Raises NotSaved."""
    client = client_for(args, terminal)
    before = client.job(args.id)
    ordered = client.retry(args.id)
    names = ", ".join(before.worth_retrying) or "its sources"
    terminal.say(text.safe(f"{before.id}: asking {names} once more."))
    if args.no_wait:
        terminal.tell(f"  watch it: docket job {before.id} --watch")
        return ExitCode.OK
    begun = _begun(client, ordered, before.revision)
    if begun is None:
        terminal.tell(f"The collector has not taken it up within {TAKEN_UP_S:.0f} s; the job is as it was.")
        return CODES.get(ordered.state, ExitCode.FAILED)
    final = asyncio.run(watch(client, begun, terminal))
    terminal.tell(conclusion(final))
    if args.write is not None and final.pcap is not None:
        terminal.say(saved(final, save(client, final, args.write)))
    return CODES.get(final.state, ExitCode.FAILED)


def _begun(client: Client, job: Job, revision: int) -> Job | None:
    """The job once its next revision has begun, or None if the order is not taken up."""
    give_up_s = time.monotonic() + TAKEN_UP_S
    while job.revision <= revision:
        if time.monotonic() > give_up_s:
            return None
        time.sleep(POLL_S)
        job = client.job(job.id)
    return job


def delete(args: argparse.Namespace, terminal: Terminal) -> int:
    client_for(args, terminal).delete(args.id)
    terminal.say(f"The capture of {args.id} is removed; its record stays.")
    return ExitCode.OK


def _described(shown: Job) -> list[str]:
    """All that a person wants to know of a job, a fact per line."""
    facts = [
        ("job", shown.id),
        ("state", shown.state.value + (f": {shown.reason}" if shown.reason else "")),
        ("query", shown.query or "every packet"),
        ("meaning", shown.explanation),
        ("window", text.window(shown.after, shown.before)),
        ("asked", text.instant(shown.created_at) + (f" by {shown.owner}" if shown.owner else "")),
        ("finished", text.instant(shown.finished_at)),
        ("packets", f"{shown.packets:,} ({size_text(shown.bytes)})"),
    ]
    if shown.note:
        facts.insert(6, ("note", shown.note))
    if shown.pcap is not None:
        facts += [("file", f"{shown.pcap.name} ({size_text(shown.pcap.size)})"), ("SHA-256", shown.pcap.sha256)]
    return [text.safe(f"{name:9} {value}") for name, value in facts] + ["", *verdict_lines(shown)]
