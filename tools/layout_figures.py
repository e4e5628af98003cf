"""How large Docket's packages, modules and functions are: `python -m tools.layout_figures`. A test holds the bounds."""

from __future__ import annotations

import ast
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1] / "docket"
MODULES = sorted(ROOT.rglob("*.py"))
OFTEN = {"__init__", "__main__", "base", "service", "messages"}
"""Names that several packages may use; others lead to one place."""


def package_sizes() -> Counter[str]:
    """How many modules each package has."""
    return Counter(str(path.parent.relative_to(ROOT.parent)) for path in MODULES if path.stem != "__init__")


def package_lines() -> Counter[str]:
    """How many lines each package has, with blank lines and docstrings, without the packages below it."""
    lines: Counter[str] = Counter()
    for path in MODULES:
        lines[str(path.parent.relative_to(ROOT.parent))] += path.read_text().count("\n")
    return lines


def common_names() -> list[str]:
    """Names that more than one module has, and may not."""
    names = Counter(path.stem for path in MODULES if path.stem not in OFTEN)
    return [name for name, times in names.items() if times > 1]


def function_lines() -> list[int]:
    """How long each function is, the shortest first; its docstring counts."""
    trees = (ast.parse(path.read_text()) for path in MODULES)
    nodes = (node for tree in trees for node in ast.walk(tree))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return sorted((node.end_lineno or node.lineno) - node.lineno + 1 for node in functions)


def median(lines: list[int]) -> float:
    """Of sorted lengths."""
    return statistics.median(lines)


def ninth_tenth(lines: list[int]) -> int:
    """The length that nine in ten functions have at most."""
    return lines[len(lines) * 9 // 10]


def report() -> Iterator[str]:
    sizes, lines, functions = package_sizes(), package_lines(), function_lines()
    yield f"{'package':<52}{'modules':>8}{'lines':>8}"
    yield from (f"{package:<52}{sizes[package]:>8}{lines[package]:>8}" for package in sorted(lines) if lines[package])
    yield f"{'all':<52}{sizes.total():>8}{lines.total():>8}"
    yield f"largest package: {max(sizes.values())} modules; names of more than one module: {common_names() or 'none'}"
    shape = f"median {median(functions):g} lines, nine in ten at most {ninth_tenth(functions)}, longest {functions[-1]}"
    yield f"{len(functions)} functions: {shape}"


if __name__ == "__main__":
    print("\n".join(report()))
