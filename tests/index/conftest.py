"""Small blocks and segments, so that small files have many of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from docket.index import segment_builder
from docket.index.index_files import IndexLayout
from docket.workers.sources.capture_files.reading import record_block


@pytest.fixture
def layout(tmp_path: Path) -> IndexLayout:
    """Of an index that is empty."""
    return IndexLayout(tmp_path / "index")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few packets, and several segments."""
    monkeypatch.setattr(segment_builder, "BLOCK_BYTES", 700)
    monkeypatch.setattr(segment_builder, "SEGMENT_BYTES", 20_000)
    monkeypatch.setattr(record_block, "BLOCK_BYTES", 4096)
