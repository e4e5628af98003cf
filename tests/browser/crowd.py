"""A thousand sources and ten thousand jobs in front of one browser: messages as a server sends them, made up here."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from playwright.sync_api import Page, Route, WebSocketRoute

SENSORS = 250
INTERFACES = 4
JOBS = 10_000
PER_PAGE = 50
IN_SNAPSHOT = 1_200

_WATCH_TASKS = """
globalThis.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });
"""


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Crowd:
    """What a server with so many sources and jobs says to one browser."""

    sensors: int = SENSORS
    interfaces: int = INTERFACES
    jobs: int = JOBS
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    seq: int = 100_000
    _socket: WebSocketRoute | None = None

    def play_for(self, page: Page) -> None:
        """Answer this browser from now on; to be called before the page is opened."""
        page.add_init_script(_WATCH_TASKS)
        page.route_web_socket("**/api/v1/events*", self._connected)
        page.route("**/api/v1/jobs?*", self._list)
        page.route("**/api/v1/query/check", self._check)

    @property
    def names(self) -> list[str]:
        return [f"rock{sensor:03}:em{port}" for sensor in range(self.sensors) for port in range(1, self.interfaces + 1)]

    def send_source(self, number: int) -> None:
        """The news of one source."""
        name = self.names[number % len(self.names)]
        self._send({"type": "event", "event": "source.stats", "source": self.source(name, number)})

    def send_progress(self, number: int) -> None:
        """The progress of one job."""
        job = self.job(number % IN_SNAPSHOT, state="running", progress=(number % 97) / 97)
        self._send({"type": "event", "event": "job.progress", "job": job})

    def send_new_job(self, number: int) -> None:
        self.seq += 1
        job = self.job(self.jobs + number, state="queued")
        self._send({"type": "event", "event": "job.requested", "seq": self.seq, "job": job})

    def longest_task_ms(self, page: Page) -> float:
        """Of all tasks of the page since it was last asked."""
        longest: float = page.evaluate("Math.max(0, ...longTasks.splice(0))")
        return longest

    def source(self, name: str, tick: int = 0) -> dict[str, Any]:
        number = self.names.index(name)
        return {
            "name": name,
            "kind": "stenographer",
            "state": "offline" if number % 97 == 13 else "online",
            "oldest": _text(self.now - timedelta(hours=20 + number % 30)),
            "readable_until": _text(self.now - timedelta(seconds=90)),
            "last_seen": _text(self.now + timedelta(milliseconds=tick)),
            "error": "connection refused" if number % 97 == 13 else None,
            "stats": {f"counter_{one}": tick * one for one in range(12)},
        }

    def job(self, number: int, state: str = "completed", progress: float = 1.0) -> dict[str, Any]:
        asked = self.now - timedelta(minutes=self.jobs - number)
        names = [self.names[(number * 3 + one) % len(self.names)] for one in range(4)]
        verdict = "complete" if state == "completed" else None
        return {
            "id": str(UUID(int=0x1234_0000_0000 + number, version=4)),
            "state": state,
            "query": f"host 10.{number % 200}.2.3 and port 443",
            "asked": "",
            "explanation": "packets from or to the address",
            "after": _text(asked - timedelta(minutes=15)),
            "before": _text(asked),
            "owner": f"analyst{number % 40}",
            "note": "",
            "created_at": _text(asked),
            "finished_at": _text(asked + timedelta(seconds=9)) if state == "completed" else None,
            "deadline": _text(asked + timedelta(minutes=20)),
            "packets": number,
            "bytes": number * 900,
            "revision": 1,
            "pcap": None,
            "reason": "",
            "parent": None,
            "sources": [
                {
                    "name": name,
                    "verdict": verdict,
                    "sentence": "",
                    "packets": number // 4,
                    "bytes": number * 225,
                    "trimmed": 0,
                    "first": None,
                    "last": None,
                    "progress": progress,
                    "attempt": 1,
                    "sent": "",
                }
                for name in names
            ],
        }

    def _snapshot(self) -> dict[str, Any]:
        newest = range(self.jobs - 1, self.jobs - 1 - min(IN_SNAPSHOT, self.jobs), -1)
        return {
            "type": "snapshot",
            "seq": self.seq,
            "time": _text(self.now),
            "user": "mira",
            "jobs": [self.job(number) for number in newest],
            "sources": [self.source(name) for name in self.names],
        }

    def _connected(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        self._send(self._snapshot())

    def _send(self, message: dict[str, Any]) -> None:
        assert self._socket is not None, "the page has opened its socket"
        self._socket.send(json.dumps(message))

    def _list(self, route: Route) -> None:
        jobs = list(self._newest())
        route.fulfill(json={"jobs": jobs, "total": self.jobs, "cursor": "more", "next": None})

    def _newest(self) -> Iterator[dict[str, Any]]:
        return (self.job(number) for number in range(self.jobs - 1, self.jobs - 1 - PER_PAGE, -1))

    def _check(self, route: Route) -> None:
        coverage = [
            {"source": name, "state": "full", "from": None, "until": None, "sentence": f"{name} has the whole window"}
            for name in self.names
        ]
        answer = {"ok": True, "query": "", "explanation": "every packet", "coverage": coverage, "estimate": None}
        route.fulfill(json=answer)
