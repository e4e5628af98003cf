"""The files of a machine that lies below some directory, by the paths that they have on it. For `setup` only.

Whatever cannot be read is taken for not being there.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

NO_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What the reader raises; also of dates and numbers that are none, and of what is nested too deeply."""


class Machine:
    """`root` is where its file system begins; / for this one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def text(self, path: str | Path) -> str:
        """Empty if it cannot be read."""
        try:
            return self.below(Path(path)).read_text(errors="replace")
        except (OSError, ValueError):  # a path with a zero byte
            return ""

    def glob(self, *patterns: str) -> list[Path]:
        """The paths that match, below the root."""
        found: list[Path] = []
        for pattern in patterns:
            try:
                found += [Path("/") / path.relative_to(self.root) for path in sorted(self.root.glob(pattern))]
            except OSError:
                continue
        return found

    def is_directory(self, path: Path) -> bool:
        try:
            return self.below(path).is_dir()
        except OSError:
            return False

    def target(self, path: Path) -> str:
        """Where a link leads to; empty if it is none."""
        try:
            return os.readlink(self.below(path))
        except OSError:
            return ""

    def resolved(self, path: Path) -> Path:
        """Without the links in it."""
        return self.below(path).resolve()

    def below(self, path: Path) -> Path:
        return self.root / str(path).lstrip("/")


def words_of(line: str) -> list[str]:
    """The words of a command line, as a shell sees them; none if quotes do not match."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def yaml_of(text: str) -> Any:
    """None for what is no YAML."""
    try:
        return yaml.safe_load(text)
    except NO_YAML:
        return None


def shell_settings(text: str) -> dict[str, str]:
    """The `key=value` lines of a file of shell variables, as environment files have them; comments left out."""
    found = {}
    for key, value in re.findall(r"^\s*(?:export\s+)?(\w+)\s*=[ \t]*(.*)$", text, flags=re.MULTILINE):
        words = words_of(value)
        found[key] = words[0] if words else ""
    return found
