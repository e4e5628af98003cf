"""Docket copied to where services may read it, for `docket install` from a checkout or venv in a home directory.

The units have ProtectHome=yes, and homes are closed to the user docket: what lies there cannot be started by systemd.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import docket
from docket.cli.setup.installation import shipped_directory
from docket.errors import ConfigError, Fault

LIBRARIES = Path("usr/local/lib/docket")
_CLOSED = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ProtectHome=yes hides."""


def is_closed(path: Path) -> bool:
    """Whether services cannot read the path."""
    return any(place.is_relative_to(top) for place in (path.absolute(), path.resolve()) for top in _CLOSED)


def needs_copy(program: str) -> bool:
    """Whether what the units would start, or the code behind it, is closed to them."""
    return is_closed(Path(program.split()[0])) or is_closed(Path(docket.__file__)) or is_closed(Path(sys.executable))


def is_copy() -> bool:
    """Whether this Docket is the copy itself."""
    return Path(docket.__file__).is_relative_to(Path("/", LIBRARIES))


def program_text() -> str:
    """The program that runs the copy, for a Python that services may read. Raises ConfigError where there is none."""
    return f"""\
#!{_python()} -I
import sys

sys.path.insert(0, "/{LIBRARIES}")

from docket.cli import main

sys.exit(main())
"""


def copy(root: Path) -> None:
    """Put Docket and the libraries that it needs below LIBRARIES, in place of what is there. Raises OSError."""
    target = root / LIBRARIES
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(docket.__file__).parent, fresh / "docket", ignore=ignored)
    shutil.copytree(shipped_directory(), fresh / "share/docket/deploy", ignore=ignored)
    for library in _libraries():
        for file in library.files or ():
            source = Path(str(file.locate()))
            # Packagers leave tests out of a library, and its list as it was.
            if ".." not in file.parts and file.suffix != ".pyc" and source.is_file():
                place = fresh / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
    for path in (fresh, *fresh.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def _python() -> str:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for directory in (Path(sys.base_prefix, "bin"), Path("/usr/bin"), Path("/usr/local/bin")):
        candidate = directory / version
        if candidate.is_file() and not is_closed(candidate):
            return str(candidate)
    message = f"services cannot read {sys.base_prefix}, and there is no /usr/bin/{version}: make the package (make deb)"
    raise ConfigError([Fault("no-python", message)])


def _libraries() -> Iterator[Distribution]:
    """What Docket needs, and what that needs, each once."""
    wanted, seen = ["docket"], {"docket"}
    while wanted:
        name = wanted.pop()
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another Python or system
        if name != "docket":
            yield found
        for line in found.requires or ():
            needed = re.split(r"[^A-Za-z0-9._-]", line)[0].lower()
            if "extra ==" not in line and needed not in seen:
                seen.add(needed)
                wanted.append(needed)
