"""`docket install` and `docket uninstall`: units, user, directories, manual, completions. Also `docket completion`."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from docket.cli.setup.installation import Item, Step, Verb, carry_out, items, own_program, plan, plan_removal
from docket.cli.setup.manpage import SHELLS, completion, manual
from docket.cli.ui import text
from docket.cli.ui.terminal import Terminal
from docket.errors import ConfigError, Fault
from docket.runtime.exit_codes import ExitCode

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

Parser = Callable[[], argparse.ArgumentParser]

_COMPLETIONS = {
    "bash": Path("usr/share/bash-completion/completions/docket"),
    "zsh": Path("usr/share/zsh/vendor-completions/_docket"),
    "fish": Path("usr/share/fish/vendor_completions.d/docket.fish"),
}


def add(commands: Any, whole: Parser) -> None:
    """`whole` makes the whole command line, of which manual and completions are made."""
    for name, work, help_text, epilog in (
        ("install", install, "put units, user, directories and manual on this machine", INSTALL_EXAMPLES),
        ("uninstall", uninstall, "take them away again", UNINSTALL_EXAMPLES),
    ):
        parser = commands.add_parser(
            name,
            help=help_text,
            description=f"{help_text[0].upper()}{help_text[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=work, whole=whole)
        parser.add_argument("--root", metavar="DIR", type=Path, default=Path("/"), help="install below this directory")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser = commands.add_parser(
        "completion",
        help="print the completion for a shell",
        description="Print the completion for a shell.",
        epilog="example:\n  docket completion bash > ~/.local/share/bash-completion/completions/docket\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=show_completion, whole=whole)
    parser.add_argument("shell", choices=SHELLS)


def show_completion(args: argparse.Namespace, terminal: Terminal) -> int:
    terminal.out.write(completion(args.whole(), args.shell))
    return ExitCode.OK


def install(args: argparse.Namespace, terminal: Terminal) -> int:
    root: Path = args.root
    on_this_machine = root == Path("/")
    steps = _carry_out(args, terminal, plan(root, _wanted(args.whole(), own_program() if on_this_machine else None)))
    if on_this_machine:
        # The user and its directories are made by the files that systemd reads for just that.
        _call(args, terminal, ["systemd-sysusers", "/usr/lib/sysusers.d/docket.conf"])
        _call(args, terminal, ["systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/docket.conf"])
        _call(args, terminal, ["chown", "root:docket", "/etc/docket/docket.yaml"])
        _reload(args, terminal, steps)
    terminal.tell(
        [
            "",
            "Next: docket setup, docket config check, and",
            "  systemctl enable --now docket.socket docket.target docket-worker@INTERFACE",
        ]
    )
    return ExitCode.OK


def uninstall(args: argparse.Namespace, terminal: Terminal) -> int:
    if args.root == Path("/") and _has_systemd():
        _call(args, terminal, ["systemctl", "disable", "--now", "docket.target", "docket.service", "docket.socket"])
    program = own_program() if args.root == Path("/") else None
    steps = _carry_out(args, terminal, plan_removal(args.root, _wanted(args.whole(), program)))
    if args.root == Path("/"):
        _reload(args, terminal, steps)
    terminal.tell("\nResults in /var/spool/docket, a changed configuration and the user docket stay.")
    return ExitCode.OK


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
    """Run a program of the system; one that fails is told, and does not stop the rest."""
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
