"""Figures of the indexer for Prometheus, by source."""

from __future__ import annotations

from prometheus_client import Gauge

from docket.index.state import IndexState

_BEHIND_BYTES = Gauge("docket_indexer_behind_bytes", "Bytes of captures that are still to be indexed.", ["source"])
_BEHIND_FILES = Gauge("docket_indexer_behind_files", "Capture files that are still to be indexed.", ["source"])
_INDEXED_BYTES = Gauge("docket_indexer_indexed_bytes", "Bytes of captures that are indexed.", ["source"])
_INDEX_BYTES = Gauge("docket_indexer_index_bytes", "Size of the index.", ["source"])
_STOPPED = Gauge("docket_indexer_stopped", "1 while an error keeps it from indexing.", ["source"])


def show(source: str, state: IndexState) -> None:
    """Set every figure of one source."""
    _BEHIND_BYTES.labels(source).set(state.behind_bytes)
    _BEHIND_FILES.labels(source).set(state.behind_files)
    _INDEXED_BYTES.labels(source).set(state.indexed_bytes)
    _INDEX_BYTES.labels(source).set(state.index_bytes)
    _STOPPED.labels(source).set(bool(state.error))
