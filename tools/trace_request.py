"""Which modules one request crosses, and how often it is parsed and checked: `python -m tools.trace_request`.

Runs the demo in this process, lets it come to rest, asks one question over HTTP, downloads the result, and counts the
modules of Docket in which a function was called in between, in all threads.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import docket
from docket.cli import main
from docket.client.http_client import Client
from docket.client.question import new_question

ROOT = Path(docket.__file__).parent
BEATS = {
    ("docket.workers.collector.source_registry", "on_event"),
    ("docket.workers.collector.space", "health"),
}
"""What happens every ten seconds at rest: a source's heartbeat comes, and the collector looks at the spool."""
BEATS_S = 60.0
REST_S = 3.0
"""After that, for what follows from it."""
INDEXING = {"docket.packet.decode", "docket.index.group"}
"""What runs without a question only while the index of the demo's captures is written: a question crosses it too."""
MOST_RESTS = 5
"""Looks at the program without a question, at most, until one finds nothing of INDEXING."""
COUNTED = {
    ("docket.domain.query.grammar", "read"): "the query's text was parsed",
    ("docket.domain.request", "check_request"): "the request was checked",
}


class Trace:
    """Calls of Docket's functions while it is on."""

    def __init__(self) -> None:
        self.is_on = False
        self.modules: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.functions: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if not self.is_on or event != "call":
            return
        name = frame.f_globals.get("__name__", "")
        if name.startswith("docket."):
            self.modules[name] += 1
            self.functions.add((name, frame.f_code.co_name))
            what = COUNTED.get((name, frame.f_code.co_name))
            if what:
                self.calls[what] += 1

    def forget(self) -> None:
        """Begin to count again."""
        self.modules.clear()
        self.calls.clear()
        self.functions.clear()

    @contextmanager
    def recording(self) -> Iterator[None]:
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False


def ask(url: str, trace: Trace, idle: Trace) -> None:
    """One question, to its last byte; what runs without a question is counted in `idle`."""
    client = Client(url)
    for _ in range(MOST_RESTS):
        rest(idle)
        if INDEXING.isdisjoint(idle.modules):
            break
    else:
        raise RuntimeError("the index was still being written")
    with trace.recording():
        job, _ = client.ask(new_question("port 53", after="1h"))
        while not job.is_final:
            time.sleep(0.05)
            job = client.job(job.id)
        client.download(job.id, len)


def rest(idle: Trace) -> None:
    """Count what runs without a question, for as long as it takes until everything that repeats has run."""
    idle.forget()
    until_s = time.monotonic() + BEATS_S
    with idle.recording():
        while not BEATS.issubset(idle.functions) and time.monotonic() < until_s:
            time.sleep(0.1)
        time.sleep(REST_S)


class _Output:
    """Takes the command's output and finds the address in it."""

    def __init__(self) -> None:
        self.url = ""
        self.is_ready = threading.Event()

    def write(self, text: str) -> int:
        _, found, url = text.partition("Docket is ready: ")
        if found:
            self.url = url.strip()
            self.is_ready.set()
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def run() -> tuple[Trace, Trace]:
    """The trace of one question, and that of as long a rest."""
    trace, idle, output = Trace(), Trace(), _Output()

    def both(frame: FrameType, event: str, argument: Any) -> None:
        trace(frame, event, argument)
        idle(frame, event, argument)

    def asker() -> None:
        output.is_ready.wait(60)
        try:
            ask(output.url, trace, idle)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.setprofile(both)
    thread = threading.Thread(target=asker)
    thread.start()
    sys.setprofile(both)
    try:
        with tempfile.TemporaryDirectory() as spool, redirect_stdout(output):
            main(["run", "--demo", "--spool", spool, "--listen", "127.0.0.1:0"])
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        thread.join()
    return trace, idle


def report(trace: Trace, idle: Trace) -> Iterator[str]:
    own = [name for name in sorted(trace.modules) if name not in idle.modules]
    yield f"{len(trace.modules)} modules were crossed; {len(own)} of them run for a request only:"
    yield from (f"  {name}" for name in own)
    yield "and those that run at rest as well:"
    yield from (f"  {name}" for name in sorted(set(trace.modules) & set(idle.modules)))
    for what, count in sorted(trace.calls.items()):
        yield f"{what} {count} times"


if __name__ == "__main__":
    print("\n".join(report(*run())))
