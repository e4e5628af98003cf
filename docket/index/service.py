"""The service `docket indexer`: the indexers of all sources, one after the other, at the lowest priority."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence

from docket.index.indexer import SourceIndexer

log = logging.getLogger(__name__)

IDLE_S = 2.0
"""Between two looks when there is nothing to do."""
_LOWEST = 19


class Indexer:
    """Needs no bus: it reads capture directories and writes the index."""

    def __init__(self, sources: Sequence[SourceIndexer], idle_s: float = IDLE_S) -> None:
        self._sources = sources
        self._idle_s = idle_s

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        _step_back()
        while not stop.is_set():
            worked = [source.step(stop) for source in self._sources]
            if not any(worked):
                stop.wait(self._idle_s)


def _step_back() -> None:
    """Let this thread have what no other one needs. In the service of its own the unit does it for all threads."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
    except OSError as error:
        log.debug("the priority of the indexer cannot be lowered: %s", error)
