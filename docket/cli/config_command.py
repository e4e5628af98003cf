"""`docket config check` and `docket config show`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from docket.cli import text
from docket.cli.exit_codes import ExitCode
from docket.cli.terminal import Terminal
from docket.config_file import find_config, load_config

EXAMPLES = """\
examples:
  docket --config ./docket.yaml config check
  docket config show

`check` also looks whether certificates, keys and capture directories are there, so run it as the user that the
services run as.
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "config",
        help="check the configuration file, or show what is in force",
        description="Check the configuration file, or show what is in force, defaults included.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("action", choices=("check", "show"))


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    checking = args.action == "check"
    config = load_config(args.config, terminal.environ, check_files=checking)
    path = find_config(args.config, terminal.environ)
    if checking:
        count = len(config.sources)
        terminal.say(text.safe(f"{path} is good: {count} source{'' if count == 1 else 's'}."))
    else:
        shown = dataclasses.asdict(config) | {"bus": without_password(config.bus)}
        terminal.say_json(_plain(shown))
    return ExitCode.OK


def without_password(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}:***@{host}")) if at and colon else url


def _plain(value: Any) -> Any:
    """The same with paths as texts."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
