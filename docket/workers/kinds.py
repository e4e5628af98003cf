"""Which class reads which kind of source. The one place that knows all kinds; the worker knows only `Source`."""

from __future__ import annotations

from docket.config import SourceConfig, StenographerConfig
from docket.workers.capture_files import CaptureFilesSource
from docket.workers.source import Source
from docket.workers.stenographer import StenographerSource


def open_source(config: SourceConfig) -> Source:
    """The source that a configuration describes. Asks nobody yet."""
    if isinstance(config, StenographerConfig):
        return StenographerSource(config)
    return CaptureFilesSource(config)
