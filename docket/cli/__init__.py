"""The command line: one command, many faces, a module each. The entry point is `main`; nothing else imports this.

Each face adds its parser and names its function; the function gets the arguments and a `Terminal` and gives back
an exit code. Only the module of the command is imported: all of them take half a second.
Errors of ours become sentences and exit codes here, in one place.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from docket import __version__
from docket.cli.ui import text
from docket.cli.ui.terminal import Terminal
from docket.client.save import NotSaved
from docket.config.loader import find_config
from docket.errors import BusError, ConfigError, DocketError, ServerRefused, ServerUnreachable
from docket.runtime import logs
from docket.runtime.exit_codes import MEANINGS, ExitCode

log = logging.getLogger(__name__)

FACES: dict[str, tuple[str, ...]] = {
    "services": ("run", "web", "worker", "collector", "inspector", "indexer", "record", "alerts", "webhooks"),
    "get": ("get",),
    "check": ("check",),
    "jobs": ("jobs", "job", "cancel", "retry", "delete"),
    "packets": ("packets", "summary", "refine"),
    "verify": ("verify",),
    "export": ("export",),
    "status": ("status",),
    "topology_command": ("topology",),
    "config_command": ("config",),
    "setup": ("setup",),
    "source_command": ("source",),
    "token": ("token",),
    "extcap_command": ("extcap",),
    "mcp_command": ("mcp",),
    "install": ("install", "uninstall", "completion"),
}
"""The modules of `docket.cli.commands`, in the order of the help, and the commands of each."""

DESCRIPTION = "Ask every stenographer of a sensor at once and get one time-ordered PCAP."

EXAMPLES = """\
examples:
  docket run --demo                                  try it: two sample interfaces, no root, nothing to set up
  docket get 'port 53' --after 1h -w dns.pcap        in another terminal: ask, watch, save
  docket --config ./docket.yaml run                  everything in one process, with your own sources
  docket status                                      is all well?
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    words = sys.argv[1:] if argv is None else argv
    args = make_parser(_face_of(words)).parse_args(words)
    terminal = Terminal()
    logs.set_up(terminal.environ, verbose=args.verbose)
    try:
        code = int(args.run(args, terminal))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output has gone. Python flushes once more when it ends; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except DocketError as error:
        with contextlib.suppress(BrokenPipeError):
            _report(explain(error, args, terminal), terminal)
        return code_of(error)
    return code


def _report(lines: Sequence[str], terminal: Terminal) -> None:
    """To the person, or as errors to the journal, where that is what stderr is."""
    if not logs.to_journal(terminal.environ):
        terminal.tell(lines)
        return
    for line in lines:
        log.error("%s", line.strip())


def _face_of(words: Sequence[str]) -> str | None:
    """The module of the command that is named; None where that takes more than a look."""
    following = iter(words)
    for word in following:
        if word == "--config":
            next(following, None)
        elif word in ("-h", "--help"):
            return None
        elif not word.startswith("-"):
            return next((face for face, names in FACES.items() if word in names), None)
    return None


def make_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or one module of it. `--config` and `--verbose` may stand before or after the command."""
    parser = argparse.ArgumentParser(
        prog="docket",
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\nexit codes:\n{exit_code_lines()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"docket {__version__}")
    _add_common(parser, None, False)
    # The manual and completions are made of the whole of it.
    parser.set_defaults(whole=make_parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for face in FACES if only is None else (only,):
        importlib.import_module(f"docket.cli.commands.{face}").add(commands)
    for command in commands.choices.values():
        _add_common(command, argparse.SUPPRESS, argparse.SUPPRESS)
    return parser


def exit_code_lines() -> str:
    return "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())


def _add_common(parser: argparse.ArgumentParser, no_config: object, not_verbose: object) -> None:
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=no_config,
        help="the configuration file (default: DOCKET_CONF, else /etc/docket/docket.yaml)",
    )
    parser.add_argument("-v", "--verbose", action="store_true", default=not_verbose, help="log every step")


def code_of(error: DocketError) -> ExitCode:
    """The exit code that an error of ours ends a command with."""
    match error:
        case ConfigError():
            listening = all(fault.code == "cannot-listen" for fault in error.faults)
            return ExitCode.ADDRESS if listening else ExitCode.CONFIG
        case ServerRefused():
            return ExitCode.REFUSED
        case ServerUnreachable():
            return ExitCode.UNREACHABLE
        case BusError():
            return ExitCode.BUS
        case NotSaved():
            return ExitCode.NOT_SAVED
        case _:
            return ExitCode.CRASHED


def explain(error: DocketError, args: argparse.Namespace, terminal: Terminal) -> list[str]:
    """What a person reads about the error, with the next step where there is one."""
    if isinstance(error, ConfigError):
        path = find_config(args.config, terminal.environ)
        return [
            text.safe(f"{path}:{fault.position}: {fault.message}" if fault.position else fault.message)
            for fault in error.faults
        ]
    if isinstance(error, ServerRefused):
        return text.faults(error.faults)
    if isinstance(error, NotSaved):
        return [text.safe(f"Not saved: {error}")]
    lines = [text.safe(str(error))]
    if isinstance(error, ServerUnreachable):
        lines.append("  name the server with --server or DOCKET_SERVER, or start one: docket run --demo")
    return lines
