"""The figures as text: on the terminal, and between the marks in docs/performance.md."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.figure import HEADINGS, Report, Series, number, spread
from bench.plot import plot

_BEGIN, _END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"
_BEGIN_CAPTURES = "<!-- figures: written by `python -m bench needle` -->"
_BEGIN_SCALE = "<!-- figures: written by `python -m bench scale` -->"


def shown(report: Report) -> str:
    """For the terminal: a block per figure."""
    lines = []
    for figure in report.figures:
        what, *cells = figure.row()
        lines.append(what)
        lines += [f"    {heading:<13} {cell}" for heading, cell in zip(HEADINGS[1:], cells, strict=True) if cell]
    for series in report.series:
        points = ", ".join(f"{x:g}: {number(y)}" for x, y in series.points)
        lines += [f"{series.what}, {series.unit} by {series.x}", f"    {points}"]
    return "\n".join(lines)


def rewrite(docs: Path, reports: Sequence[Report]) -> None:
    """Put the figures and their date into the page, and the plot beside it."""
    series = [one for report in reports for one in report.series]
    (docs / "performance.svg").write_text(plot(series))
    _put(docs / "performance.md", _BEGIN, _markdown(reports, series))


def rewrite_captures(docs: Path, report: Report) -> None:
    """Put the figures of capture directories into the page of their index."""
    _put(docs / "index.md", _BEGIN_CAPTURES, _markdown([report], []))


def rewrite_scale(docs: Path, report: Report) -> None:
    """Put the figures of many sensors into the page on running Docket large: they have no references and bars."""
    rows = [(figure.what, spread(figure.values, figure.unit)) for figure in report.figures]
    text = "\n\n".join((_measured(), _table(("what", "measured"), rows)))
    _put(docs / "scale.md", _BEGIN_SCALE, text)


def _put(page: Path, begin: str, figures: str) -> None:
    text, found = re.subn(
        f"{re.escape(begin)}.*{re.escape(_END)}",
        lambda _: f"{begin}\n\n{figures}\n\n{_END}",
        page.read_text(),
        flags=re.DOTALL,
    )
    if found != 1:
        raise RuntimeError(f"{page} has no place for the figures")
    page.write_text(text)


def _markdown(reports: Sequence[Report], series: Sequence[Series]) -> str:
    rows = [figure.row() for report in reports for figure in report.figures]
    blocks = [_measured(), _table(HEADINGS, rows)]
    if series:
        blocks.append("![cost as the work grows](performance.svg)")
    for one in series:
        points = [(f"{x:,g}", number(y)) for x, y in one.points]
        blocks.append(f"{one.what}:\n\n{_table((one.x, one.unit), points)}")
    return "\n\n".join(blocks)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _measured() -> str:
    return f"Measured {datetime.now(UTC):%Y-%m-%d} on {_machine()}."


def _machine() -> str:
    processor = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    memory_gib = int(memory[1]) / 2**20 if memory else 0
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} processors ({processor[1] if processor else platform.machine()}), {memory_gib:.0f} GiB, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}; load {load:.1f} at the end"
    )
