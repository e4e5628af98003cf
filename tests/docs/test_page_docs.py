"""The documentation of the page: its pictures are there, shown and small, and its keys are all told."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "docs/img").glob("*.png"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LARGEST_BYTES = 250_000
ALL_BYTES = 2_000_000


def test_every_page_of_the_application_is_pictured() -> None:
    """Light and dark, wide and narrow."""
    looks = {f"{theme}-{width}" for theme in ("light", "dark") for width in ("wide", "narrow")}
    found: dict[str, set[str]] = {}
    for picture in PICTURES:
        name, theme, width = picture.stem.rsplit("-", 2)
        found.setdefault(name, set()).add(f"{theme}-{width}")
    assert found == dict.fromkeys(("ask-and-jobs", "job-complete", "job-partial", "job-running", "sources"), looks)


def test_pictures_are_small() -> None:
    """Each and all together: they are carried along by every clone."""
    sizes = {picture.name: picture.stat().st_size for picture in PICTURES}
    assert {name for name, size in sizes.items() if size > LARGEST_BYTES} == set()
    assert sum(sizes.values()) < ALL_BYTES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pictures_that_a_page_shows_are_there(page: Path) -> None:
    """No page has a broken picture."""
    shown = re.findall(r"(?:src|srcset)=\"([^\"]+\.png)\"|\]\(([^)]+\.png)\)", page.read_text())
    assert [name for pair in shown for name in pair if name and not (page.parent / name).is_file()] == []


def test_readme_shows_the_page() -> None:
    """Whoever comes by sees what it looks like."""
    assert "docs/img/ask-and-jobs-light-wide.png" in (ROOT / "README.md").read_text()


def test_page_tells_every_key() -> None:
    """The keys that the page's own help lists, and no other."""
    script = (ROOT / "docket/web/static/parts/shortcuts.js").read_text()
    told = [
        re.split(r" or | (?=[↑])| (?=k$)", key) for key in re.findall(r'^  \["(.+?)", "', script, flags=re.MULTILINE)
    ]
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "docs/page.md").read_text(), flags=re.MULTILINE)
    documented = [re.findall(r"`([^`]+)`", row) for row in rows]
    assert sorted(documented) == sorted(told)
