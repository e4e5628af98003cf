"""The parser of one command: its name, what it does, and examples as they are typed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_command(
    commands: Any, name: str, run: Callable[..., int], *, help: str, description: str = "", epilog: str = ""
) -> argparse.ArgumentParser:
    """Add it to the others; `description` says more than `help`, and `epilog` keeps its lines as they are."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=description or f"{help[0].upper()}{help[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def example(line: str) -> str:
    """The end of a command's help, with one example."""
    return f"example:\n  {line}\n"
