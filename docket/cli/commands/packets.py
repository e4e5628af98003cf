"""`docket packets`, `summary`, `refine`: looking into a finished job, and taking a part of it.

Everything shown here comes from packets: a stranger's text, which must not steer the terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from docket.cli.commands.get import CODES
from docket.cli.ui import text
from docket.cli.ui.arguments import amount, sender
from docket.cli.ui.command_parser import add_command, example
from docket.cli.ui.progress import Progress, saved
from docket.cli.ui.terminal import Terminal, add_server_option, client_for
from docket.client.follow import follow
from docket.client.save import save
from docket.domain.units import packets_text, size_text
from docket.runtime.exit_codes import ExitCode
from docket.workers.inspector.row_filters.protocol_filters import Protocol
from docket.workers.inspector.rpc_messages import MOST_ROWS, PacketPage
from docket.workers.inspector.tshark.summary import Summary

T = TypeVar("T")

POLL_S = 0.5
LONGEST_LIST = 40
BAR_WIDTH = 60
USUAL_MS = 50
"""Within which two taps see one packet."""

REFINE_EXAMPLES = """\
examples:
  docket refine 0192f0c1-… --filter 'http.response.code >= 400' -w errors.pcap
  docket refine 0192f0c1-… --query 'host 10.1.2.3 and port 443' --from 10.1.2.3
  docket refine 0192f0c1-… --after 2026-11-24T14:02:10Z --before 2026-11-24T14:02:20Z
  docket refine 0192f0c1-… --drop-duplicates 50 --snaplen 96 --note 'for the vendor'
"""


def add(commands: Any) -> None:
    parser = _parser(commands, "packets", packets, "list a job's packets", "docket packets 0192f0c1-… --filter dns")
    parser.add_argument("--filter", metavar="F", default="", help="a display filter, as in Wireshark")
    parser.add_argument(
        "--source", metavar="S", action="append", help="only what this source recorded; may be repeated"
    )
    parser.add_argument("--offset", metavar="N", type=int, default=0, help="rows to skip (default: 0)")
    parser.add_argument("--limit", metavar="N", type=amount, default=100, help="at most so many rows (default: 100)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser = _parser(commands, "summary", summary, "say what is in a job's packets", "docket summary 0192f0c1-…")
    parser.add_argument("--json", action="store_true", help="print JSON")
    _add_refine(commands)


def _add_refine(commands: Any) -> None:
    parser = _parser(commands, "refine", refine, "make a new job of a part of another's packets", "")
    parser.epilog = REFINE_EXAMPLES
    parser.add_argument("--query", metavar="Q", default="", help="in Docket's words, such as 'host 10.1.2.3'")
    parser.add_argument("--filter", metavar="F", default="", help="a display filter, as in Wireshark")
    parser.add_argument("--bpf", metavar="F", default="", help="a packet filter, as in tcpdump")
    parser.add_argument("--after", metavar="T", help="beginning of the window (default: the job's own)")
    parser.add_argument("--before", metavar="T", help="end of the window")
    parser.add_argument(
        "--from", metavar="ADDR", dest="sender", type=sender, help="only what ADDR or ADDR,PORT sent (443, https)"
    )
    parser.add_argument(
        "--source", metavar="S", action="append", help="only what this source recorded; may be repeated"
    )
    parser.add_argument(
        "--drop-duplicates", metavar="MS", type=amount, nargs="?", const=USUAL_MS, default=0,
        help="equal packets, and those that a second tap saw, within MS ms (50)",
    )  # fmt: skip
    parser.add_argument(
        "--drop-tap-duplicates", metavar="MS", type=amount, nargs="?", const=USUAL_MS, default=0,
        help="only those that a second tap saw: what one source recorded twice stays",
    )  # fmt: skip
    parser.add_argument("--snaplen", metavar="N", type=amount, default=0, help="at most N bytes of each packet")
    parser.add_argument("--note", default="", help="kept with the new job")
    parser.add_argument("-w", "--write", metavar="FILE", type=Path, help="save the new job's capture")


def _parser(commands: Any, name: str, run: Callable[..., int], help_text: str, line: str) -> argparse.ArgumentParser:
    parser = add_command(commands, name, run, help=help_text, epilog=example(line))
    add_server_option(parser)
    parser.add_argument("id", metavar="ID")
    return parser


def packets(args: argparse.Namespace, terminal: Terminal) -> int:
    """Rows as tshark prints them: number, time since the first packet, addresses, protocol, length, info.

    Where several sources were asked, the one that recorded the packet stands in front of the addresses.
    """
    client = client_for(args, terminal)
    offset, end = args.offset, args.offset + args.limit
    with_source = not args.json and len(client.job(args.id).sources) > 1
    while True:
        ask = partial(client.packets, args.id, args.filter, offset, min(end - offset, MOST_ROWS), args.source or ())
        page = _settled(ask, _is_enough)
        if args.json:
            terminal.say_json(page)
        else:
            terminal.say([_row_line(row, with_source=with_source) for row in page.rows])
        offset += len(page.rows)
        if len(page.rows) < page.limit or offset == end:
            break
    if page.note:
        terminal.tell(text.safe(page.note))
    if page.total > offset and not args.json:
        terminal.tell(f"{page.total:,} rows in all; --offset {offset} shows the next ones.")
    return ExitCode.OK


def _is_enough(page: PacketPage) -> bool:
    return page.state != "working" or len(page.rows) == page.limit


def _row_line(row: Any, *, with_source: bool) -> str:
    recorded = f"{row.capture_source:<12} " if with_source else ""
    line = (
        f"{row.number:>6} {row.relative_s:>12.6f} {recorded}{row.source:>15} → {row.destination:<15} "
        f"{row.protocol:<8} {row.length:>5} {row.info}"
    )
    return text.safe(line)


def summary(args: argparse.Namespace, terminal: Terminal) -> int:
    client = client_for(args, terminal)
    found = _settled(lambda: client.summary(args.id), lambda one: one.state != "working")
    if args.json:
        terminal.say_json(found)
        return ExitCode.OK
    terminal.say(_described(found))
    return ExitCode.OK


def refine(args: argparse.Namespace, terminal: Terminal) -> int:
    """Ends as `docket get` does: 0 only if the new job is complete. Raises NotSaved."""
    client = client_for(args, terminal)
    order: dict[str, Any] = {
        "query": args.query,
        "filter": args.filter,
        "bpf": args.bpf,
        "after": args.after,
        "before": args.before,
        "drop_duplicates_ms": args.drop_duplicates,
        "drop_tap_duplicates_ms": args.drop_tap_duplicates,
        "snaplen": args.snaplen,
        "sources": args.source or [],
        "note": args.note,
    }
    if args.sender:
        order["sender"] = args.sender
    job = client.refine(args.id, order)
    bars = Progress(terminal.err, live=terminal.err_is_live, colour=terminal.err_has_colour)
    final = asyncio.run(follow(client, job, bars.update))
    terminal.say(text.safe(f"{final.id}: {final.state.value}, {packets_text(final.packets)}"))
    terminal.tell([text.safe(f"  {answer.sentence}") for answer in final.sources])
    if args.write is None or final.pcap is None:
        terminal.tell(f"  {client.page_url(final.id)}")
    else:
        terminal.say(saved(final, save(client, final, args.write)))
    return CODES.get(final.state, ExitCode.FAILED)


def _settled(ask: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """Ask until there is enough of an answer."""
    while not enough(answer := ask()):
        time.sleep(POLL_S)
    return answer


def _described(found: Summary) -> list[str]:
    """All of a summary that fits on a page."""
    first, last = text.instant(found.first), text.instant(found.last)
    lines = [
        f"{packets_text(found.packets)}, {size_text(found.bytes)}, {found.duration_s:,.3f} s: {first} to {last}",
        found.covers.sentence,
    ]
    lines += [found.note] if found.note else []
    lines += _plot(found)
    lines += _section("sources", [(one.name, packets_text(one.packets), size_text(one.bytes)) for one in found.sources])
    lines += ["", "protocols", *_protocol_lines(found.protocols, 1)[:LONGEST_LIST]] if found.protocols else []
    lines += _section(
        f"conversations ({found.conversation_count:,})",
        [
            (
                f"{_end(one.a)} ↔ {_end(one.b)}",
                one.protocol,
                f"{size_text(one.a.bytes)} →",
                f"← {size_text(one.b.bytes)}",
                one.stream,
            )
            for one in found.conversations[:20]
        ],
    )
    for title, names in (("names asked (DNS)", found.dns), ("servers (TLS)", found.tls), ("hosts (HTTP)", found.http)):
        lines += _section(title, [(one.name, f"{one.count:,}") for one in names[:15]])
    lines += _section(
        "worth a look",
        [(one.severity, f"{one.count:,}", f"{one.protocol}: {one.message}") for one in found.findings[:20]],
    )
    return [text.safe(line) for line in lines]


def _plot(found: Summary) -> list[str]:
    """Packets over time as a line of blocks."""
    if found.timeline is None or not found.packets:
        return []
    packets = found.timeline.packets
    step = -(-len(packets) // BAR_WIDTH)
    sums = [sum(packets[place : place + step]) for place in range(0, len(packets), step)]
    marks = " ▁▂▃▄▅▆▇█"
    most = max(sums)
    return ["", "".join(marks[-(-value * (len(marks) - 1) // most)] for value in sums)]


def _protocol_lines(protocols: tuple[Protocol, ...], depth: int) -> list[str]:
    lines = []
    for one in protocols:
        name = f"{'  ' * depth}{one.name}"
        lines.append(f"{name:<30} {one.packets:>10,} {size_text(one.bytes):>10}")
        lines += _protocol_lines(one.children, depth + 1)
    return lines


def _section(title: str, rows: list[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    header = tuple("" for _ in rows[0])
    return ["", title, *(f"  {line}" for line in text.table(header, rows)[1:])]


def _end(end: Any) -> str:
    return end.address if end.port is None else f"{end.address} {end.port}"
