"""Starting a command takes little: only what it needs is imported."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from docket.cli import FACES, main, make_parser
from docket.cli.setup.manpage import commands_of


@pytest.mark.parametrize("face", FACES)
def test_each_module_has_the_commands_that_the_command_line_looks_for(face: str) -> None:
    """And the whole command line has all of them, in the order of the help."""
    assert tuple(commands_of(make_parser(face))) == FACES[face]
    assert [name for names in FACES.values() for name in names] == list(commands_of(make_parser()))


@pytest.mark.parametrize("words", [["--help"], ["--help", "get"], ["-v", "-h", "jobs"]])
def test_the_help_of_the_whole_has_all_commands(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the name of one follows, which is not read any more."""
    with pytest.raises(SystemExit):
        main(words)
    said = capsys.readouterr().out
    assert all(f"\n    {name} " in said for names in FACES.values() for name in names)


@pytest.mark.parametrize("words", [["get", "--help"], ["--config", "get", "cancel", "--help"], ["-v", "jobs", "-h"]])
def test_asking_imports_neither_services_nor_the_inspector(words: list[str]) -> None:
    """numpy, cryptography and the brokers' libraries take longer to import than a small question takes."""
    program = f"import sys; from docket.cli import main; main({words!r})"
    watched = f"import atexit, sys; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); {program}"
    done = subprocess.run([sys.executable, "-c", watched], capture_output=True, text=True)
    assert done.returncode == 0
    for module in ("numpy", "cryptography", "kombu", "pika", "docket.web", "docket.workers"):
        assert f"'{module}'" not in done.stderr, module


@pytest.mark.parametrize("words", [["gett"], ["--nonsense", "get"], ["get", "--nonsense", "status"], []])
def test_a_wrong_command_is_answered_with_all_of_them(words: list[str]) -> None:
    """As without that care: the usage, and for a word that is none, which there are."""
    done = subprocess.run([sys.executable, "-m", "docket", *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage: docket" in done.stderr
    assert (re.search("choose from .*verify", done.stderr) is not None) == (words == ["gett"])
