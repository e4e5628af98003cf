"""Hears of jobs over Docket's WebSocket, with the moment at which each word came. No polling disturbs the figures."""

import asyncio
import queue
import threading
import time
import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec
from tornado.websocket import websocket_connect

from tests.services.sensor import FINAL, Sensor
from tests.services.waiting import wait_until

_LONGEST_JOB_S = 600.0


@dataclass(frozen=True, slots=True)
class Done:
    """A job that has ended."""

    job: dict[str, Any]
    took_s: float
    """From the question to the word that it is done."""
    heard_s: float
    """That moment, by `time.perf_counter`."""


class Watch:
    """One WebSocket of one Docket, in a thread of its own."""

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._heard: queue.SimpleQueue[tuple[float, dict[str, Any]] | None] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._listen(),), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._heard.get(timeout=30.0)  # the snapshot
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._connection.close)
        self._thread.join(20.0)

    def run(self, query: str, window: tuple[str, str], **fields: Any) -> Done:
        """Ask, wait for the end, and insist on `completed`."""
        job_id = str(uuid.uuid4())
        began_s = time.perf_counter()
        self._sensor.ask(query, *window, id=job_id, fresh=True, **fields)
        return self.wait({job_id: began_s})[job_id]

    def wait(self, began_s: dict[str, float]) -> dict[str, Done]:
        """Wait until these jobs are done; each with the moment at which it was asked."""
        done: dict[str, Done] = {}
        while len(done) < len(began_s):
            heard = self._heard.get(timeout=_LONGEST_JOB_S)
            if heard is None:
                raise RuntimeError(f"the socket was closed: {self._connection.close_code}\n{self._sensor.logs()}")
            heard_s, message = heard
            job = message.get("job") or {}
            if job.get("id") in began_s and job["state"] in FINAL and job["id"] not in done:
                if job["state"] != "completed":
                    raise RuntimeError(f"job {job['id']} is {job['state']}: {job['sources']}\n{self._sensor.logs()}")
                done[job["id"]] = Done(job, heard_s - began_s[job["id"]], heard_s)
        return done

    def forget(self, job: dict[str, Any]) -> None:
        """Have the result of a job removed, and wait until the disk has its room back: no later figure pays for it."""
        response = self._sensor.http.delete(f"{self._sensor.url}api/v1/jobs/{job['id']}", timeout=30)
        response.raise_for_status()
        trash, gone = self._sensor.spool / "trash", self._sensor.spool / "jobs" / job["id"]
        wait_until(lambda: not gone.exists() and not any(trash.glob("*")), "the result to be gone", timeout_s=60.0)

    async def _listen(self) -> None:
        address = self._sensor.url.replace("http", "ws", 1) + "api/v1/events"
        self._connection = await websocket_connect(address)
        while (message := await self._connection.read_message()) is not None:
            self._heard.put((time.perf_counter(), msgspec.json.decode(message)))
        self._heard.put(None)
