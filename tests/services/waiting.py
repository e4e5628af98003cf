"""Wait on a condition, never on the clock. For every test and fixture."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 10.0, step_s: float = 0.02) -> T:
    """Ask the condition again and again and give its first true answer.

    Raises TimeoutError, naming what was awaited and the last answer, after timeout_s seconds. The condition is
    always asked at least twice: at once and when the time is up.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        late = time.monotonic() >= deadline
        answer = condition()
        if answer:
            return answer
        if late:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}; the last answer was {answer!r}")
        time.sleep(step_s)
