"""A wall clock that a test can set, for processes that are started with this directory on PYTHONPATH.

The file that DOCKET_TEST_CLOCK names holds a number of seconds; the wall clock is that much off, from the moment on
at which it is written. Monotonic time is not touched, as on a machine whose clock is set.
"""

import os
import time
from collections.abc import Callable

_path = os.environ["DOCKET_TEST_CLOCK"]
_real_ns: Callable[[], int] = time.time_ns


def _offset_ns() -> int:
    with open(_path) as file:
        return int(file.read() or 0) * 1_000_000_000


def _time_ns() -> int:
    return _real_ns() + _offset_ns()


def _time() -> float:
    return _time_ns() / 1e9


time.time_ns = _time_ns
time.time = _time
