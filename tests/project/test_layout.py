"""Packages, modules and functions stay small enough to find one's way by names alone."""

from __future__ import annotations

import ast
import statistics
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2] / "docket"
MODULES = sorted(ROOT.rglob("*.py"))
OFTEN = {"__init__", "__main__", "base", "service", "messages"}
"""Names that several packages may use; others lead to one place."""


def function_lines() -> list[int]:
    """How long each function of Docket is."""
    trees = (ast.parse(path.read_text()) for path in MODULES)
    nodes = (node for tree in trees for node in ast.walk(tree))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return sorted((node.end_lineno or node.lineno) - node.lineno + 1 for node in functions)


def test_no_package_has_more_than_twenty_modules() -> None:
    """A folder can be read at a glance."""
    sizes = Counter(path.parent.relative_to(ROOT) for path in MODULES if path.stem != "__init__")
    assert {str(package): size for package, size in sizes.items() if size > 20} == {}


def test_no_two_modules_have_one_name() -> None:
    """A name leads to one module, but for a few that every package may have."""
    names = Counter(path.stem for path in MODULES if path.stem not in OFTEN)
    assert [name for name, times in names.items() if times > 1] == []


def test_modules_are_read_in_one_sitting() -> None:
    """Four hundred lines at most."""
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_functions_are_short() -> None:
    """Seven lines in the middle, and nine in ten have twenty at most, docstrings included."""
    lines = function_lines()
    assert statistics.median(lines) <= 7
    assert lines[len(lines) * 9 // 10] <= 20
