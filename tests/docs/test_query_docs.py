"""The page about the query language says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docket.domain.query import query_fields
from docket.domain.query.canonical import MAX_DEPTH, MAX_TERMS, MAX_TEXT, parse, parse_fields
from docket.domain.query.planning import for_stenographer
from docket.domain.timewindow import US_PER_S, parse_time_us, read_time_us
from docket.errors import InvalidRequest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/query.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_term_of_the_table_has_the_canonical_text_beside_it() -> None:
    """The first column is read, the last is what comes out."""
    shown = [(code(row[0])[0], code(row[-1])[0]) for row in rows("Terms")]
    assert [parse(text).canonical for text, _ in shown] == [canonical for _, canonical in shown]
    assert len(shown) >= 12


def test_the_examples_of_precedence_are_true() -> None:
    """Each means the second column and not the third."""
    for row in rows("And, or, parentheses"):
        written, meant, other = (code(cell)[0].strip() for cell in row)
        assert parse(written).canonical == parse(meant).canonical == meant
        assert parse(written) != parse(other)


def test_what_cannot_be_asked_is_refused() -> None:
    """Words that stand in the first column as code are faults, and what is written instead is none."""
    for row in rows("What cannot be asked, and what to do instead"):
        for text in code(row[0]):
            with pytest.raises(InvalidRequest):
                parse(text)
        for text in code(row[-1]):
            assert text.startswith("--") or parse(text).terms > 0


def test_the_limits_are_those_of_the_code() -> None:
    """As numbers in one sentence."""
    assert f"Limits: {MAX_TERMS} terms, {MAX_TEXT:,} characters, groups nested {MAX_DEPTH} deep." in PAGE


def test_the_example_of_fields_means_what_is_written_below_it() -> None:
    """Two hosts and a port, all of which must hold."""
    example = {"host": ["10.1.2.3", "192.0.2.7"], "port": 443}
    assert '{"host": ["10.1.2.3", "192.0.2.7"], "port": 443}' in PAGE
    assert f"is `{parse_fields(example).canonical}`" in PAGE


def test_the_times_of_the_table_are_read() -> None:
    """Every form of a time or a duration."""
    for row in rows("The window"):
        assert parse_time_us(code(row[0])[0], 10**15) > 0


def test_the_times_of_other_programs_are_read() -> None:
    """One instant in all forms but that without seconds."""
    now_us = parse_time_us("2026-11-24T15:00:00Z", None)
    written = [text for row in rows("Times of other programs") for text in code(row[1])]
    assert {read_time_us(text, now_us) // US_PER_S * US_PER_S for text in written} == {
        parse_time_us("2026-11-24T14:02:33Z", None),
        parse_time_us("2026-11-24T14:02:00Z", None),
    }
    assert len(written) >= 10


def test_every_code_of_a_fault_is_described_and_no_other() -> None:
    """Those that stand in the code, and those made of the name of a term or a field."""
    files = [*(ROOT / "docket/domain/query").glob("*.py"), ROOT / "docket/domain/timewindow.py"]
    sources = "".join(path.read_text() for path in files)
    literal = set(re.findall(r'(?:[Ff]ault\(|return |return \[Fault\(|checked\()\s*"([a-z]+-[a-z-]+)"', sources))
    named = {f"bad-{name}" for name in query_fields.KINDS}
    assert {found for row in rows("Codes of the faults") for found in code(row[0])} == literal | named | {"bad-length"}


def test_what_people_paste_is_read_as_the_page_says() -> None:
    """The first column is read, the last is what comes out."""
    shown = [(code(row[0])[0], code(row[-1])[0]) for row in rows("What people paste")]
    assert [parse(text).canonical for text, _ in shown] == [canonical for _, canonical in shown]
    assert len(shown) >= 10


def test_stenographer_is_asked_what_the_page_says() -> None:
    """A cell without a query is everything that a store has, or nothing that remains to be filtered."""
    for row in rows("What a store is asked, and what is kept"):
        query, asked, kept = ((code(cell) or [""])[0] for cell in row)
        plan = for_stenographer(parse(query))
        assert plan.asked.canonical == asked
        assert (plan.kept.canonical if plan.kept else "") == kept
