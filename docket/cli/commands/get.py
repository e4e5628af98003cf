"""`docket get`: ask, watch, save."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from docket.cli.client.live_output import Stream
from docket.cli.ui import text
from docket.cli.ui.arguments import amount, seconds
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.progress import BROKEN_OFF, Progress, saved, verdict_lines
from docket.cli.ui.terminal import Terminal, add_server_option, client_for
from docket.client.follow import follow
from docket.client.http_client import Client
from docket.client.question import new_question
from docket.client.save import fetch, save
from docket.domain.job import Job, State
from docket.domain.units import packets_text
from docket.errors import ServerRefused
from docket.runtime.exit_codes import ExitCode

CODES = {
    State.COMPLETED: ExitCode.OK,
    State.PARTIAL: ExitCode.PARTIAL,
    State.CANCELLED: ExitCode.CANCELLED,
}
"""What a final state means for the shell; every other one is a failure."""

EXAMPLES = """\
examples:
  docket get 'port 53' --after 1h -w dns.pcap
  docket get 'host 10.1.2.3 and port 443' --after 2026-11-24T14:02:00Z --before 2026-11-24T14:10:00Z
  docket get 'net 10.0.0.0/8 and icmp' --after 15m --source rock01:em1 --source rock01:em2
  docket get 'host 2001:db8::1' --after 5m -w - | wireshark -k -i -
  docket get 'port 53' --after 1h --pcapng -w dns.pcapng

Without --after and --before the window is the server's default (the last 24 hours). The command ends 0 only for a
complete answer, 3 for a partial one; `docket --help` lists all exit codes.
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "get",
        run,
        help="ask for packets, watch each source, save the capture",
        description="Ask every source for the packets of a query in a window, watch, and save one capture.",
        epilog=EXAMPLES,
    )
    parser.add_argument("query", metavar="QUERY", help="the packets: 'host 10.1.2.3 and port 443'; '' for all of them")
    parser.add_argument("--after", metavar="T", help="begin: RFC 3339 time, date, or duration before now (15m, 3h30m)")
    parser.add_argument("--before", metavar="T", help="end, exclusive; written like --after (default: now)")
    parser.add_argument("--source", metavar="S", action="append", help="ask only this source; may be repeated")
    parser.add_argument(
        "-w",
        "--write",
        metavar="FILE",
        help="save here, replacing a file of that name; - for standard output, as it grows",
    )
    parser.add_argument(
        "--pcapng", action="store_true", help="save as pcapng: Wireshark shows the source of every packet"
    )
    parser.add_argument("--limit-packets", metavar="N", type=amount, help="stop after this many packets")
    parser.add_argument("--limit-bytes", metavar="N", type=amount, help="stop after this many bytes (also 500MB)")
    parser.add_argument("--deadline", metavar="D", type=seconds, help="close the job by then with what is there (20m)")
    parser.add_argument(
        "--no-wait", action="store_true", help="do not wait for packets that are not on disk yet; they count as missing"
    )
    parser.add_argument("--fresh", action="store_true", help="ask again even if the same question was just answered")
    parser.add_argument(
        "--force", action="store_true", help="ask even if the estimate is far above what a job may bring"
    )
    parser.add_argument("--note", metavar="TEXT", help="a word for the record, such as a ticket number")
    add_server_option(parser)


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Ask, follow the job to its end and save what came."""
    client = client_for(args, terminal)
    try:
        job, is_new = client.ask(question(args))
    except ServerRefused as error:
        terminal.tell(text.faults(error.faults, args.query))
        return ExitCode.REFUSED
    terminal.tell(_introduction(client, job, is_new))
    live = args.write == "-" and not args.pcapng
    stream = Stream(Client(client.url), job.id, sys.stdout.buffer) if live else None
    job = asyncio.run(watch(client, job, terminal, stream))
    return _conclude(client, job, args, terminal, stream)


def question(args: argparse.Namespace) -> dict[str, Any]:
    """The body of the request; what was not said is left to the server."""
    return new_question(
        args.query,
        after=args.after,
        before=args.before,
        sources=args.source,
        deadline_s=args.deadline,
        note=args.note,
        limit_packets=args.limit_packets,
        limit_bytes=args.limit_bytes,
        wait_for_flush=not args.no_wait,
        fresh=args.fresh,
        force=args.force,
    )


def _introduction(client: Client, job: Job, is_new: bool) -> list[str]:
    lines = [text.safe(job.explanation), f"  {text.window(job.after, job.before)}"]
    if not is_new:
        asked = "is running already" if not job.is_final else f"was answered at {text.instant(job.finished_at)}"
        lines.append(f"The same question {asked}; this is its job (--fresh asks again).")
    return [*lines, f"  {client.page_url(job.id)}"]


async def watch(client: Client, job: Job, terminal: Terminal, stream: Stream | None = None) -> Job:
    """Show the sources until the job is final; Ctrl-C cancels it, a second one leaves at once."""
    bars = Progress(terminal.err, live=terminal.err_is_live, colour=terminal.err_has_colour)
    loop = asyncio.get_running_loop()
    cancelling: list[asyncio.Future[Job]] = []

    def interrupt() -> None:
        if cancelling:
            os._exit(ExitCode.INTERRUPTED)
        bars.interject("Cancelling; Ctrl-C again leaves without waiting.")
        cancelling.append(loop.run_in_executor(None, Client(client.url).cancel, job.id))

    loop.add_signal_handler(signal.SIGINT, interrupt)
    if stream is not None:
        stream.start(on_broken=lambda: loop.call_soon_threadsafe(interrupt))
    try:
        return await follow(client, job, bars.update)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _conclude(client: Client, job: Job, args: argparse.Namespace, terminal: Terminal, stream: Stream | None) -> int:
    """The verdicts, the file, the exit code. Raises NotSaved."""
    terminal.tell(conclusion(job))
    code = CODES.get(job.state, ExitCode.FAILED)
    if stream is not None:
        stream.finish(job)
    elif job.pcap is not None and (job.state is not State.CANCELLED or _wanted(job, terminal)):
        _save(client, job, args, terminal)
    if any(answer.verdict in BROKEN_OFF for answer in job.sources) and job.state is not State.CANCELLED:
        terminal.tell(f"  ask the sources that fell short again: docket retry {job.id}")
    return code


def _save(client: Client, job: Job, args: argparse.Namespace, terminal: Terminal) -> None:
    """Raises NotSaved."""
    assert job.pcap is not None
    if args.write == "-":
        fetch(client, job, sys.stdout.buffer.write, pcapng=True)
        sys.stdout.buffer.flush()
        return
    path = save(client, job, Path(args.write) if args.write else None, pcapng=args.pcapng)
    terminal.say(saved(job, path))
    if not args.pcapng or job.pcap.format == "pcapng":
        terminal.tell(f"  SHA-256 {job.pcap.sha256}, checked")
    elif len(job.sources) > 1:
        terminal.tell("  each packet names its source: frame.interface_name in Wireshark")


def conclusion(job: Job) -> list[str]:
    """What has become of a final job, and of each source."""
    full, asked = len(job.sources) - len(job.fell_short), len(job.sources)
    line = f"{job.state.value.capitalize()}: {packets_text(job.packets)}; {full} of {asked} sources answered in full."
    headline = text.safe(f"{line} {job.reason}" if job.reason not in ("", job.state.value) else line)
    return [headline, *verdict_lines(job)]


def _wanted(job: Job, terminal: Terminal) -> bool:
    """Whether the packets that came before the cancel shall be saved; asked only where a user can answer."""
    if not (sys.stdin.isatty() and terminal.err_is_live and job.packets):
        return False
    terminal.err.write(f"Save the {packets_text(job.packets)} that arrived? [y/N] ")
    terminal.err.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
