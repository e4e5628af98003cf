"""Asks a file system that may hang: a network share that is away stops each call that touches it, for good.

The call goes on in a thread of its own. As long as one hangs no other one is begun, so that threads do not pile up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone
from typing import TypeVar

T = TypeVar("T")

HUNG_S = 20.0
"""Without any progress. A slow disk gives a name or a file's first bytes much sooner."""


class Hung(OSError):
    """The file system does not answer."""


class WatchedCalls:
    """Several threads may use it."""

    def __init__(self, progress: Callable[[], int], hung_s: float = HUNG_S) -> None:
        """`progress` gives a number that grows as long as calls get on."""
        self._progress = progress
        self._hung_s = hung_s
        self._hanging: Future[object] | None = None

    def run(self, work: Callable[[], T]) -> T:
        """What `work` gives. Raises what it raises, and Hung."""
        hanging = self._hanging
        if hanging is not None and not hanging.done():
            raise Hung(0, self._text)
        future: Future[T] = Future()
        # A daemon: a process whose file system hangs must still be able to end.
        threading.Thread(target=_carry_out, args=(work, future), name="listing", daemon=True).start()
        while True:
            before = self._progress()
            try:
                return future.result(self._hung_s)
            except NotDone:
                if future.done() or self._progress() != before:
                    continue
                self._hanging = future  # type: ignore[assignment]
                raise Hung(0, self._text) from None

    @property
    def _text(self) -> str:
        return f"its file system has not answered for {self._hung_s:g} s"


def _carry_out(work: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
        future.set_exception(error)
