"""Packages, modules and functions stay small enough to find one's way by names alone."""

from __future__ import annotations

from tools import layout_figures as figures


def test_no_package_has_more_than_twenty_modules() -> None:
    """A folder can be read at a glance."""
    assert {package: size for package, size in figures.package_sizes().items() if size > 20} == {}


def test_no_two_modules_have_one_name() -> None:
    """A name leads to one module, but for a few that every package may have."""
    assert figures.common_names() == []


def test_modules_are_read_in_one_sitting() -> None:
    """Four hundred lines at most."""
    lengths = {str(path.relative_to(figures.ROOT)): path.read_text().count("\n") for path in figures.MODULES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_functions_are_short() -> None:
    """Seven lines in the middle, and nine in ten have twenty at most, docstrings included."""
    lines = figures.function_lines()
    assert (figures.median(lines) <= 7, figures.ninth_tenth(lines) <= 20) == (True, True)
