"""`docket config check`, `docket config show`, and `docket config migrate` for the original's configuration."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path
from typing import Any

from docket.cli.broker_login import refuse_guest
from docket.cli.setup.migrate import migrate
from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.terminal import Terminal
from docket.config.loader import check_text, find_config, load_config
from docket.errors import ConfigError, Fault
from docket.runtime.exit_codes import ExitCode

EXAMPLES = """\
examples:
  docket --config ./docket.yaml config check
  docket config show
  docket config migrate /etc/docket/prod.yaml > docket.yaml

`check` also looks whether certificates, keys and capture directories are there, so run it as the user that the
services run as. `migrate` turns the configuration of Docket 1.0.3 into one of today, on standard output, and says
what it could not carry over.
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "config",
        run,
        help="check the configuration file, show what is in force, or take over the original's",
        description="Check the configuration file, show what is in force, or take over that of Docket 1.0.3.",
        epilog=EXAMPLES,
    )
    parser.add_argument("action", choices=("check", "show", "migrate"))
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="with migrate: the original's prod.yaml")


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    if args.action == "migrate":
        return _migrate(args.file or Path("/etc/docket/prod.yaml"), terminal)
    checking = args.action == "check"
    config = load_config(args.config, terminal.environ, check_files=checking)
    path = find_config(args.config, terminal.environ)
    if checking:
        refuse_guest(config, path)
        count = len(config.sources)
        terminal.say(text.safe(f"{path} is good: {count} source{'' if count == 1 else 's'}."))
    else:
        shown = dataclasses.asdict(config) | {"bus": without_password(config.bus)}
        terminal.say_json(_plain(shown))
    return ExitCode.OK


def _migrate(path: Path, terminal: Terminal) -> int:
    try:
        old = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Fault("no-config", f"{path} cannot be read: {error}")]) from error
    migration = migrate(old)
    check_text(migration.text, path)
    terminal.out.write(migration.text)
    if migration.left_out:
        terminal.tell("Not carried over:")
        terminal.tell(text.safe(f"  {name}: {why}") for name, why in migration.left_out)
    return ExitCode.OK


def without_password(url: str) -> str:
    """The address as it may be shown."""
    scheme, sign, rest = url.partition("://")
    authority = re.match(r"[^/?#]*", rest)
    login, at, _ = (authority[0] if authority else "").rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}{sign}{user}:***{rest[len(login) :]}" if at and colon else url


def _plain(value: Any) -> Any:
    """The same with paths as texts."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
