"""`docket extcap`: Docket as a capture interface of Wireshark. Wireshark calls it; a person installs it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docket.cli.commands.get import CODES, conclusion
from docket.cli.extcap import dialog, extcap_folder
from docket.cli.extcap.capture import Capture
from docket.cli.ui import text
from docket.cli.ui.arguments import amount, seconds
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.terminal import Terminal, default_server
from docket.client.http_client import Client
from docket.client.login import Login, find_login
from docket.client.question import new_question
from docket.domain.job import State
from docket.domain.source import SourceStatus
from docket.errors import DocketError, ServerRefused
from docket.runtime.exit_codes import ExitCode

EXAMPLES = """\
examples:
  docket extcap --install
  tshark -i docket -f 'port 53' -w dns.pcapng
  tshark -i docket -o extcap.docket.server:http://127.0.0.1:8080/app/docket/ -f 'host 10.1.2.3'
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "extcap",
        run,
        help="be a capture interface of Wireshark",
        description="Wireshark and tshark call this to capture from Docket; --install lets them find it.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--install",
        metavar="FOLDER",
        nargs="?",
        const="",
        help="let Wireshark find it: write a small program into its folder of capture interfaces, or into FOLDER",
    )
    called = parser.add_argument_group("what Wireshark says")
    called.add_argument("--extcap-interfaces", action="store_true", help="name the interface")
    called.add_argument("--extcap-interface", metavar="NAME", help="the interface that is meant")
    called.add_argument("--extcap-version", metavar="N", help="the version of Wireshark")
    called.add_argument("--extcap-dlts", action="store_true", help="name its link types")
    called.add_argument("--extcap-config", action="store_true", help="describe its dialog")
    called.add_argument("--extcap-reload-option", metavar="NAME", help="only the values of this option")
    called.add_argument("--extcap-capture-filter", metavar="FILTER", help="a query; without --capture it is checked")
    called.add_argument("--extcap-cleanup-postkill", action="store_true", help="ignored")
    called.add_argument("--capture", action="store_true", help="capture")
    called.add_argument("--fifo", metavar="FILE", type=Path, help="where the packets go")
    _add_question(parser.add_argument_group("the dialog's options"))


def _add_question(group: Any) -> None:
    group.add_argument("--server", metavar="URL", help="the Docket server; default: as for every command")
    group.add_argument("--token", metavar="TEXT", default="", help="a tool's token; default: DOCKET_TOKEN")
    group.add_argument("--user", metavar="NAME", default="", help="the user at the proxy in front")
    group.add_argument("--password", metavar="TEXT", default="", help="of this user")
    group.add_argument("--ca", metavar="FILE", type=Path, help="trust these authorities for https")
    group.add_argument("--query", metavar="QUERY", default="", help="the packets")
    group.add_argument("--after", metavar="T", default="15m", help="begin of the window (default: 15m)")
    group.add_argument("--before", metavar="T", default="", help="its end, exclusive (default: now)")
    group.add_argument("--source", metavar="S", action="append", help="ask only these sources, separated by commas")
    group.add_argument("--check", metavar="TEXT", help="ignored: it only shows what the query means")
    group.add_argument("--limit-packets", metavar="N", type=int, default=0, help="stop after so many")
    group.add_argument("--limit-bytes", metavar="N", type=_size, help="stop after so many: 500MB")
    group.add_argument("--deadline", metavar="D", type=_patience, help="give up after this long: 20m")
    group.add_argument("--no-wait", action="store_true", help="do not wait for packets that are not on disk yet")


def _size(raw: str) -> int | None:
    return amount(raw) if raw else None


def _patience(raw: str) -> int | None:
    return seconds(raw) if raw else None


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    """Do what Wireshark asks for; one thing at a time."""
    if args.install is not None:
        path = extcap_folder.install(terminal.environ, Path(args.install) if args.install else None)
        terminal.say(f"Wireshark finds the interface docket through {path}.")
        return ExitCode.OK
    if args.capture:
        return _capture(args, terminal)
    if args.extcap_interfaces:
        terminal.say(dialog.interfaces())
    elif args.extcap_dlts:
        terminal.say(dialog.link_types())
    elif args.extcap_config:
        terminal.say(_config(args, terminal))
    elif args.extcap_capture_filter is not None:
        terminal.say(_faults(args, terminal))
    else:
        terminal.tell("Wireshark calls this; `docket extcap --install` lets it.")
        return ExitCode.USAGE
    return ExitCode.OK


def _config(args: argparse.Namespace, terminal: Terminal) -> Iterable[str]:
    if args.extcap_reload_option == "check":
        return _checked(args, terminal)
    if args.extcap_reload_option == "source":
        return dialog.source_values(_sources(_client(args, terminal)))
    server = args.server or default_server(args, terminal)
    return dialog.options(server, _sources(_client(args, terminal)))


def _checked(args: argparse.Namespace, terminal: Terminal) -> Iterable[str]:
    try:
        return dialog.check_values(_client(args, terminal).check(_to_check(args)))
    except DocketError as error:
        return [dialog.note(str(error))]


def _faults(args: argparse.Namespace, terminal: Terminal) -> str:
    """What is wrong with a capture filter; Wireshark takes any output for a fault, so no server is no output."""
    try:
        return text.safe(dialog.fault_text(_client(args, terminal).check(_to_check(args))))
    except DocketError:
        return ""


def _to_check(args: argparse.Namespace) -> dict[str, Any]:
    asked = {"query": _query(args), "after": args.after, "before": args.before, "sources": _named(args)}
    return {name: value for name, value in asked.items() if value or name == "query"}


def _sources(client: Client) -> tuple[SourceStatus, ...]:
    """None where there is no server yet: the dialog must open all the same."""
    try:
        return client.sources()
    except DocketError:
        return ()


def _capture(args: argparse.Namespace, terminal: Terminal) -> int:
    if args.fifo is None:
        terminal.tell("--capture needs --fifo")
        return ExitCode.USAGE
    question = new_question(
        _query(args),
        after=args.after or None,
        before=args.before or None,
        sources=_named(args),
        limit_packets=args.limit_packets,
        limit_bytes=args.limit_bytes,
        deadline_s=args.deadline,
        wait_for_flush=not args.no_wait,
        note="Wireshark",
    )
    try:
        job = asyncio.run(Capture(_client(args, terminal), question, args.fifo).run())
    except ServerRefused as error:
        terminal.tell(text.faults(error.faults, _query(args)))
        return ExitCode.REFUSED
    if job is None:
        return ExitCode.OK
    if job.state is not State.COMPLETED:
        # Wireshark shows what stands here when the capture ends.
        terminal.tell(conclusion(job))
    return CODES.get(job.state, ExitCode.FAILED)


def _query(args: argparse.Namespace) -> str:
    """The dialog's query and the capture filter: both must hold."""
    parts = [part for part in (args.query, args.extcap_capture_filter) if part and part.strip()]
    return " and ".join(f"({part})" for part in parts) if len(parts) > 1 else "".join(parts)


def _named(args: argparse.Namespace) -> list[str]:
    return [name for given in args.source or () for name in given.split(",") if name]


def _client(args: argparse.Namespace, terminal: Terminal) -> Client:
    server = args.server or default_server(args, terminal)
    if args.token or args.password:
        return Client(server, Login(args.user, args.password, args.ca, args.token))
    # No prompt: Wireshark has no terminal.
    url, login = find_login(server, args.user or None, args.ca, terminal.environ)
    return Client(url, login)
