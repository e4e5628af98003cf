"""A line of the log that is due for every one of thousands of connections, and written for few. For `docket.web`."""

from __future__ import annotations

import logging
import time

LOG_S = 10.0
"""Between two of these lines."""


class RareLine:
    """Counts what happens, and says it at most once in LOG_S."""

    def __init__(self, logger: logging.Logger, level: int, text: str) -> None:
        """`text` is a format for the log, whose last place is how often it happened so far."""
        self._logger = logger
        self._level = level
        self._text = text
        self._logged_s = -LOG_S
        self.count = 0

    def add(self, *arguments: object) -> None:
        """It happened once more; the arguments are those of the text."""
        self.count += 1
        now_s = time.monotonic()
        if now_s - self._logged_s >= LOG_S:
            self._logged_s = now_s
            self._logger.log(self._level, self._text, *arguments, self.count)
