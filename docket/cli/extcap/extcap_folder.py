"""Where Wireshark looks for capture interfaces, and the small program that it finds there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from docket.cli.extcap.dialog import INTERFACE
from docket.errors import ConfigError, Fault

FOLDER_VARIABLE = "WIRESHARK_EXTCAP_DIR"
"""Wireshark's own: it looks there and nowhere else."""
_FOLDER = re.compile(r"^(?:Personal |Global )?Extcap path:\s+(\S.*)$", flags=re.MULTILINE | re.IGNORECASE)


def install(environ: Mapping[str, str], folder: Path | None) -> Path:
    """Write the program into `folder`, else into the first of Wireshark's that can be written. Raises ConfigError."""
    folders = [folder] if folder is not None else _folders(environ)
    for candidate in folders:
        try:
            return _write(candidate)
        except OSError:
            continue
    tried = ", ".join(map(str, folders)) or "none: neither wireshark nor tshark is installed"
    message = f"no folder for Wireshark's capture interfaces can be written ({tried}); name one: --install FOLDER"
    raise ConfigError([Fault("no-extcap-folder", message, "install")])


def _folders(environ: Mapping[str, str]) -> list[Path]:
    """The user's own folder first, where this Wireshark has one."""
    if environ.get(FOLDER_VARIABLE):
        return [Path(environ[FOLDER_VARIABLE])]
    for name in ("wireshark", "tshark"):
        program = shutil.which(name, path=environ.get("PATH"))
        if program is None:
            continue
        listed = subprocess.run([program, "-G", "folders"], capture_output=True, text=True, check=False, timeout=30)
        personal = sorted(_FOLDER.finditer(listed.stdout), key=lambda found: not found[0].startswith("Personal"))
        if personal:
            return [Path(found[1]) for found in personal]
    return []


def _write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / INTERFACE
    path.write_text(f'#!/bin/sh\n# Written by `docket extcap --install`.\nexec {_command()} extcap "$@"\n')
    path.chmod(0o755)
    return path


def _command() -> str:
    started = Path(sys.argv[0])
    if started.name == "docket" and started.is_file():
        return shlex.quote(str(started.resolve()))
    return f"{shlex.quote(sys.executable)} -m docket"
