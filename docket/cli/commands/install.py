"""`docket install` and `docket uninstall`: units, user, directories, manual, completions. Also `docket completion`."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docket.cli.setup.copied_program import LIBRARIES, copy, is_copy, needs_copy, program_text
from docket.cli.setup.installation import Item, Step, Verb, carry_out, items, own_program, plan, plan_removal
from docket.cli.setup.manpage import SHELLS, completion, manual
from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command, example
from docket.cli.ui.terminal import Terminal
from docket.errors import ConfigError, Fault
from docket.runtime.exit_codes import ExitCode
from docket.runtime.service_units import stale_workers

INSTALL_EXAMPLES = """\
examples:
  docket install --dry-run            show what would be written where
  docket install                      as root: units, the user docket, directories, manual, completions
  docket install --root ./tree        the same files below another root, for a package

Calling it again changes nothing that is as it should be. A configuration that is there is never touched.
"""

UNINSTALL_EXAMPLES = """\
examples:
  docket uninstall --dry-run
  docket uninstall                    results, ledger, a changed configuration and the user stay
"""

UNITS = (
    *("docket.target", "docket.service", "docket.socket", "docket-collector.service"),
    *("docket-inspector.service", "docket-indexer.service", "docket-alerts.service"),
    "docket-webhooks.service",
)
"""All but the instances of workers and recorders."""

_COMPLETIONS = {
    "bash": Path("usr/share/bash-completion/completions/docket"),
    "zsh": Path("usr/share/zsh/vendor-completions/_docket"),
    "fish": Path("usr/share/fish/vendor_completions.d/docket.fish"),
}


def add(commands: Any) -> None:
    for name, work, help_text, epilog in (
        ("install", install, "put units, user, directories and manual on this machine", INSTALL_EXAMPLES),
        ("uninstall", uninstall, "take them away again", UNINSTALL_EXAMPLES),
    ):
        parser = add_command(
            commands,
            name,
            work,
            help=help_text,
            epilog=epilog,
        )
        parser.add_argument("--root", metavar="DIR", type=Path, default=Path("/"), help="install below this directory")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser = add_command(
        commands,
        "completion",
        show_completion,
        help="print the completion for a shell",
        description="Print the completion for a shell.",
        epilog=example("docket completion bash > ~/.local/share/bash-completion/completions/docket"),
    )
    parser.add_argument("shell", choices=SHELLS)


def show_completion(args: argparse.Namespace, terminal: Terminal) -> int:
    terminal.out.write(completion(args.whole(), args.shell))
    return ExitCode.OK


def install(args: argparse.Namespace, terminal: Terminal) -> int:
    root: Path = args.root
    on_this_machine = root == Path("/")
    steps = _carry_out(args, terminal, plan(root, _wanted(args.whole(), _program(root))))
    if on_this_machine:
        _copy_if_closed(args, terminal)
        # The user and its directories are made by the files that systemd reads for just that.
        _call(args, terminal, ["systemd-sysusers", "/usr/lib/sysusers.d/docket.conf"])
        _call(args, terminal, ["systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/docket.conf"])
        _call(args, terminal, ["chown", "root:docket", "/etc/docket/docket.yaml"])
        _reload(args, terminal, steps)
    terminal.tell(
        [
            "",
            "Next: docket setup --start",
            "It finds the sources, writes /etc/docket/docket.yaml and starts the services.",
        ]
    )
    return ExitCode.OK


def uninstall(args: argparse.Namespace, terminal: Terminal) -> int:
    if args.root == Path("/") and _has_systemd():
        # Each by its name: systemctl does not wait for the services that a target takes with it.
        _call(args, terminal, ["systemctl", "stop", *UNITS, "docket-*.service"])
        _call(args, terminal, ["systemctl", "disable", *UNITS, *stale_workers(())])
    steps = _carry_out(args, terminal, plan_removal(args.root, _wanted(args.whole(), _program(args.root))))
    if args.root == Path("/"):
        _remove_copy(args, terminal)
        _reload(args, terminal, steps)
        _call(args, terminal, ["rmdir", "--ignore-fail-on-non-empty", "/run/docket"])
    terminal.tell("\nResults in /var/spool/docket, a changed configuration and the user docket stay.")
    return ExitCode.OK


def _program(root: Path) -> str | None:
    """The text of /usr/bin/docket; None where the package has brought it, or will. Raises ConfigError."""
    if root != Path("/"):
        return None
    program = own_program()
    if program is None:
        return program_text() if is_copy() else None
    return program_text() if needs_copy(program) else f'#!/bin/sh\nexec {program} "$@"\n'


def _copy_if_closed(args: argparse.Namespace, terminal: Terminal) -> None:
    """Services cannot read homes: what lies in one is copied to where they can."""
    program = own_program()
    if program is None or not needs_copy(program):
        return
    terminal.say(f"copy    /{LIBRARIES}")
    if not args.dry_run:
        try:
            copy(args.root)
        except OSError as error:
            raise ConfigError([Fault("cannot-write", f"{error.filename}: {error.strerror}; are you root?")]) from error


def _remove_copy(args: argparse.Namespace, terminal: Terminal) -> None:
    if (args.root / LIBRARIES).is_dir():
        terminal.say(f"remove  /{LIBRARIES}")
        if not args.dry_run:
            shutil.rmtree(args.root / LIBRARIES, ignore_errors=True)


def _wanted(parser: argparse.ArgumentParser, program: str | None) -> list[Item]:
    completions = [(path, completion(parser, shell)) for shell, path in _COMPLETIONS.items()]
    try:
        return items(manual(parser), completions, program)
    except OSError as error:
        raise ConfigError([Fault("no-files", str(error))]) from error


def _carry_out(args: argparse.Namespace, terminal: Terminal, steps: list[Step]) -> list[Step]:
    for step in steps:
        terminal.say(text.safe(f"{step.verb.value:<7} {args.root / step.item.path}"))
    if not args.dry_run:
        try:
            carry_out(args.root, steps)
        except OSError as error:
            raise ConfigError([Fault("cannot-write", f"{error.filename}: {error.strerror}; are you root?")]) from error
    return [step for step in steps if step.verb in (Verb.MAKE, Verb.CHANGE, Verb.REMOVE)]


def _reload(args: argparse.Namespace, terminal: Terminal, changed: Sequence[Step]) -> None:
    if changed and _has_systemd():
        _call(args, terminal, ["systemctl", "daemon-reload"])


def _has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def _call(args: argparse.Namespace, terminal: Terminal, command: list[str]) -> None:
    """Run a program of the system; one that fails is reported, and does not stop the rest."""
    terminal.say(f"run     {' '.join(command)}")
    if args.dry_run:
        return
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        terminal.tell(f"  {command[0]} is not on this machine")
        return
    if done.returncode != 0:
        terminal.tell([f"  {text.safe(line)}" for line in done.stderr.splitlines()[-3:]])
