"""`Docket`: ask, watch and fetch from a program without an event loop. For everybody, through `docket.client`."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docket.client.answers import QueryCheck
from docket.client.follow import states
from docket.client.http_client import Client
from docket.client.login import Login
from docket.client.question import new_question
from docket.client.save import save
from docket.domain.job import Job
from docket.domain.source import SourceStatus

if TYPE_CHECKING:
    from docket.workers.inspector.rpc_messages import PacketPage
    from docket.workers.inspector.tshark.summary import Summary


class Docket:
    """A Docket server. Raises ServerUnreachable where there is none, ServerRefused with every fault of a request.

    `url` is the base path's address, `http://127.0.0.1:8080/app/docket/`, or `unix:/run/docket/docket.socket`. `token`
    is one of `docket token`; `user` and `password` are for a proxy in front; `ca` a file of authorities for https.
    """

    def __init__(
        self, url: str, *, token: str = "", user: str = "", password: str = "", ca: str | Path | None = None
    ) -> None:
        self.client = Client(url, Login(user, password, None if ca is None else Path(ca), token))
        """Every route of the server."""

    def __enter__(self) -> Docket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def ask(self, query: str, **how: Any) -> Job:
        """Ask for packets; gives the job, which runs on. `how` as `docket.client.question.new_question` has it.

        An identical question that is running or still in the spool is the same job, unless `fresh` is true.
        """
        return self.client.ask(new_question(query, **how))[0]

    def check(self, query: str, **how: Any) -> QueryCheck:
        """What a question means and what the sources hold of its window; nothing is asked."""
        question = new_question(query, **how)
        return self.client.check({name: question[name] for name in CHECKED if name in question})

    def job(self, job: Job | str) -> Job:
        """The job as it is now."""
        return self.client.job(_id(job))

    def watch(self, job: Job | str) -> Iterator[Job]:
        """Every state of the job, as it comes, up to the final one. Leave the loop when you like."""
        with _watched(self.client, self.job(job)) as news:
            while (state := news.get()) is not None:
                if isinstance(state, BaseException):
                    raise state
                yield state

    def wait(self, job: Job | str, *, timeout_s: float | None = None) -> Job:
        """The job once it is final, or as it is after `timeout_s`."""
        latest, until_s = self.job(job), None if timeout_s is None else time.monotonic() + timeout_s
        with _watched(self.client, latest) as news, suppress(queue.Empty):
            while True:
                state = news.get(timeout=None if until_s is None else max(0.0, until_s - time.monotonic()))
                if state is None:
                    break
                if isinstance(state, BaseException):
                    raise state
                latest = state
        return latest

    def fetch(self, job: Job | str, path: str | os.PathLike[str] | None = None) -> Path:
        """Save the result to `path`, or under its own name here; gives where it is.

        The file appears whole and with the SHA-256 that the server announced, or not at all. Raises NotSaved.
        """
        return save(self.client, self.job(job), None if path is None else Path(path))

    def cancel(self, job: Job | str, *, keep: bool = True) -> Job:
        """Stop reading; what arrived stays, unless `keep` is false."""
        return self.client.cancel(_id(job), keep=keep)

    def retry(self, job: Job | str) -> Job:
        """Ask the sources that fell short once more."""
        return self.client.retry(_id(job))

    def sources(self) -> tuple[SourceStatus, ...]:
        """Every source, and what it holds."""
        return self.client.sources()

    def packets(self, job: Job | str, display_filter: str = "", *, offset: int = 0, limit: int = 100) -> PacketPage:
        """A page of the packets of a finished job."""
        return self.client.packets(_id(job), display_filter, offset, limit)

    def summary(self, job: Job | str) -> Summary:
        """What is in a finished job, or what is known of it by now."""
        return self.client.summary(_id(job))


CHECKED = ("query", "after", "before", "sources")
"""The fields of a question that a check takes."""


@contextmanager
def _watched(client: Client, job: Job) -> Iterator[queue.SimpleQueue[Job | BaseException | None]]:
    """The states of a job as they come, from a thread with a loop of its own; None ends them."""
    news: queue.SimpleQueue[Job | BaseException | None] = queue.SimpleQueue()
    started: Future[Callable[[], object]] = Future()

    async def pump() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        started.set_result(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            async for state in states(client, job):
                news.put(state)
        except Exception as error:  # noqa: BLE001 - it is raised where the states are read
            news.put(error)
        finally:
            news.put(None)

    thread = threading.Thread(target=_run, args=(pump(),), name="docket-watch", daemon=True)
    thread.start()
    try:
        yield news
    finally:
        with suppress(RuntimeError):  # its loop has ended by itself
            started.result()()
        thread.join()


def _run(pump: Coroutine[None, None, None]) -> None:
    with suppress(asyncio.CancelledError):
        asyncio.run(pump)


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id
