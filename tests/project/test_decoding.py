"""Several threads may decode the first message of a kind at the same time."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tools.layout_figures import MODULES, ROOT

DECODES = {"msgspec.json.decode", "msgspec.msgpack.decode", "msgspec.yaml.decode"}

MANY_THREADS = """
import sys, threading
import msgspec
from docket.spool.ledger_reader import Job

def decode():
    begin.wait()
    for _ in range(50):
        try:
            msgspec.json.decode(b'{"id": "x", "state": "queued"}', type=Job)
        except msgspec.ValidationError:
            pass

sys.setswitchinterval(1e-6)
begin = threading.Barrier(16)
threads = [threading.Thread(target=decode) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def kinds_decoded(tree: ast.AST) -> Iterator[str]:
    """The names of the types that a module has msgspec read something as."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        given = [word.value for word in node.keywords if word.arg == "type"] if function in DECODES else []
        given += node.args[1:2] if function == "msgspec.convert" else []
        yield from (one.id for one in given if isinstance(one, ast.Name) and one.id.strip("_")[0].isupper())


def kinds_prepared(tree: ast.AST) -> set[str]:
    """The names of the types that a module has msgspec look at when it is imported."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "prepare")
    return {ast.unparse(kind) for call in calls for kind in call.args}


def test_every_type_is_prepared_where_it_is_decoded() -> None:
    """msgspec describes a type to itself at its first use, and a second thread must not meet it half done."""
    missing = {}
    for path in MODULES:
        tree = ast.parse(path.read_text())
        if left_out := set(kinds_decoded(tree)) - kinds_prepared(tree):
            missing[str(path.relative_to(ROOT))] = left_out
    assert missing == {}


@pytest.mark.parametrize("_again", range(5))
def test_threads_that_begin_together_decode(_again: int) -> None:
    """Without the preparation about one such process in four ends with a segmentation fault."""
    done = subprocess.run([sys.executable, "-c", MANY_THREADS], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
