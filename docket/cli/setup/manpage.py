"""The manual page and the completions of shells, made from the command line itself. Pure."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping

from docket import __version__
from docket.runtime.exit_codes import MEANINGS

SHELLS = ("bash", "zsh", "fish")


def commands_of(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Every command with its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def manual(parser: argparse.ArgumentParser) -> str:
    """docket(1), in the language of man(7)."""
    lines = [
        f'.TH DOCKET 1 "" "docket {__version__}" "User Commands"',
        ".SH NAME",
        "docket \\- packets from every stenographer of a sensor at once",
        ".SH SYNOPSIS",
        ".B docket",
        "COMMAND [OPTION]...",
        ".SH DESCRIPTION",
        _escaped(parser.description or ""),
        *_options(parser),
        ".SH COMMANDS",
    ]
    for name, command in commands_of(parser).items():
        lines += [f".SS docket {_escaped(name)}", _escaped(command.description or "")]
        lines += [line for line in _options(command) if line]
        if command.epilog:
            lines += [".PP", ".nf", _escaped(command.epilog.rstrip()), ".fi"]
    lines.append(".SH EXIT STATUS")
    for code, meaning in MEANINGS.items():
        lines += [".TP", f".B {code.value}", _escaped(meaning)]
    lines += [
        ".SH FILES",
        ".TP",
        ".I /etc/docket/docket.yaml",
        "the configuration",
        ".TP",
        ".I /var/spool/docket",
        "results and ledger",
        ".SH ENVIRONMENT",
        ".TP",
        ".B DOCKET_CONF",
        "the configuration file",
        ".TP",
        ".B DOCKET_SERVER",
        "the address of the server",
    ]
    return "\n".join(lines) + "\n"


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion of one shell: commands, options, choices and files. `shell` is one of SHELLS."""
    import shtab  # by this command alone

    _complete_paths(parser, {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY})
    return f"{shtab.complete(parser, shell=shell)}\n"


def _complete_paths(parser: argparse.ArgumentParser, kinds: Mapping[str, object]) -> None:
    for action in parser._actions:
        if isinstance(action.metavar, str) and action.metavar in kinds:
            action.complete = kinds[action.metavar]  # type: ignore[attr-defined]
    for command in commands_of(parser).values():
        _complete_paths(command, kinds)


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        value = _value(action)
        if action.option_strings:
            shown = ", ".join(f"\\fB{_escaped(flag)}\\fR" for flag in action.option_strings)
            shown += f" \\fI{_escaped(value)}\\fR" if value else ""
        else:
            shown = f"\\fI{_escaped(value)}\\fR"
        yield from (".TP", shown, _escaped(str(action.help or "")))


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return "|".join(str(choice) for choice in action.choices)
    metavar = action.metavar if isinstance(action.metavar, str) else None
    return metavar or action.dest.upper()


def _escaped(text: str) -> str:
    """Text that means itself in man(7): no line may begin with a dot or a quote."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", escaped, flags=re.MULTILINE)
