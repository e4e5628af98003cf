"""A source whose program fails, for tests of what becomes of a job then."""

import threading
from contextlib import AbstractContextManager

from docket.domain.query.canonical import Query
from docket.domain.timewindow import Window
from docket.workers.sources.base import Coverage, Reading, Wording


class Defective:
    """A source with a fault in its program."""

    name = "rock01:em1"
    kind = "defective"
    look_inside = False

    def close(self) -> None:
        """Nothing is open."""

    def coverage(self, *, age_s: float = 0.0) -> Coverage:  # noqa: ARG002
        return Coverage(0, None)

    def slices(self, window: Window) -> list[Window]:
        return [window]

    def survey(self, query: Query, window: Window, stop: threading.Event) -> None:  # noqa: ARG002
        return None

    def wording(self, query: Query, window: Window) -> Wording:  # noqa: ARG002
        return Wording("")

    def read(
        self,
        query: Query,  # noqa: ARG002
        window: Window,  # noqa: ARG002
        *,
        most_bytes: int | None,  # noqa: ARG002
        most_packets: int | None,  # noqa: ARG002
        stop: threading.Event,  # noqa: ARG002
    ) -> AbstractContextManager[Reading]:
        raise ZeroDivisionError("a fault in the program")
