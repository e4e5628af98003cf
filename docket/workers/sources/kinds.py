"""Which class reads which kind of source. The one place that knows all kinds; the worker knows only `Source`."""

from __future__ import annotations

from docket.config.model import SourceConfig, StenographerConfig
from docket.workers.sources.base import Source
from docket.workers.sources.capture_files.block_selector import BlockSelector
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from docket.workers.sources.stenographer.store import StenographerSource


def open_source(config: SourceConfig, selector: BlockSelector | None = None) -> Source:
    """The source that a configuration describes, with the index of its files if there is one. Asks no store yet."""
    if isinstance(config, StenographerConfig):
        return StenographerSource(config)
    return CaptureFilesSource(config, selector=selector)
