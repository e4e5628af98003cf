"""The original Docket's interface as its clients see it: requests with curl, and the shapes of its manual."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from docket.packet.pcap import FILE_HEADER_BYTES, parse_file_header
from tests.cli.running_server import RunningServer
from tests.services import needs
from tests.services.waiting import wait_until


class Answer(NamedTuple):
    """What curl got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Original:
    """A running demo, addressed as the original was."""

    def __init__(self, server: RunningServer) -> None:
        self.base = server.url
        self.root = server.url.removesuffix("app/docket/")
        now = datetime.now(UTC)
        hour_ago, long_ago = now - timedelta(minutes=50), now - timedelta(hours=3)
        self.names = {
            "base": self.base,
            "root": self.root,
            "t1": hour_ago.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "t2": (hour_ago + timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "plus": (hour_ago + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
            "old": long_ago.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "day": now.strftime("%Y-%m-%d"),
        }

    def curl(self, *arguments: str) -> Answer:
        """One call of the real curl."""
        command = [needs.program("curl", "curl"), "-sS", "-D", "/dev/stderr", "--max-time", "30"]
        words = [argument.format(**self.names) for argument in arguments]
        done = subprocess.run([*command, *words], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        status, *lines = done.stderr.decode().strip().splitlines()
        pairs = (line.partition(":") for line in lines)
        return Answer(int(status.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, done.stdout)

    def finished(self, *arguments: str) -> str:
        """Ask with curl, wait for the end; the job's id."""
        job_id = str(self.curl(*arguments).json["id"])

        def state() -> bool:
            told = self.curl(f"{self.base}api/status/{job_id}/").json[job_id]["state"]
            return told in ("Completed", "Failed", "Error")

        wait_until(state, f"job {job_id} to end", timeout_s=30)
        return job_id


def is_created(answer: Answer) -> None:
    """`{"id", "state", "query", "url", "time"}`"""
    assert answer.status == 200, answer.body
    told = answer.json
    assert set(told) == {"id", "state", "query", "url", "time"}
    assert told["state"] in ("Created", "Requesting", "Merging", "Completed")
    assert told["url"] == f"/results/{told['id']}/merged.pcap"


def asks(query: str) -> Callable[[Answer], None]:
    """The created job asks exactly this."""

    def check(answer: Answer) -> None:
        is_created(answer)
        words = [part for part in answer.json["query"].split(" and ") if not part.startswith(("after ", "before "))]
        assert " and ".join(words) == query

    return check


def window(length_s: float) -> Callable[[Answer], None]:
    """The created job's window is so long."""

    def check(answer: Answer) -> None:
        is_created(answer)
        parts = dict(part.split(" ", 1) for part in answer.json["query"].split(" and ")[-2:])
        ends = [datetime.fromisoformat(parts[edge]) for edge in ("after", "before")]
        assert (ends[1] - ends[0]).total_seconds() == pytest.approx(length_s, abs=2)

    return check


def leads_to_page(answer: Answer) -> None:
    """302 to the job's page, with the job in the body."""
    assert answer.status == 302, answer.body
    assert set(answer.json) == {"id", "state", "query", "url", "time"}
    assert answer.headers["location"] == f"/app/docket/jobs/{answer.json['id']}"


def refuses(status: int, *words: str) -> Callable[[Answer], None]:
    """An error in the one shape that says what is wrong."""

    def check(answer: Answer) -> None:
        assert answer.status == status, answer.body
        assert [word for word in words if word not in answer.body.decode()] == []
        assert {"error", "errors"} == set(answer.json)

    return check


def is_status(*ids: str) -> Callable[[Answer], None]:
    """`{id: {state, requests, events, successes}}`"""

    def check(answer: Answer) -> None:
        assert answer.status == 200
        if ids:
            assert len(answer.json) == len(ids)
        for told in answer.json.values():
            assert set(told) == {"state", "requests", "events", "successes"}
            for event in [*told["events"], *told["successes"]]:
                assert {"datetime", "name", "msg", "state"} <= set(event)
            for request in told["requests"].values():
                assert {"datetime", "name", "msg", "state", "value"} == set(request)

    return check


def is_ids(count: int | None = None) -> Callable[[Answer], None]:
    def check(answer: Answer) -> None:
        assert answer.status == 200
        assert all(len(one) >= 32 for one in answer.json)
        assert len(answer.json) == count if count is not None else len(answer.json) >= 2

    return check


def is_urls(answer: Answer) -> None:
    assert answer.status == 200
    assert answer.json
    assert all(url == f"/results/{job}/merged.pcap" for job, url in answer.json.items())


def is_stats(*sensors: str) -> Callable[[Answer], None]:
    """`{sensor: {counter: int, oldest_timestamp}, docket: {…}}`"""

    def check(answer: Answer) -> None:
        assert answer.status == 200
        assert set(answer.json) == {*sensors, "docket"}
        assert all("oldest_timestamp" in answer.json[sensor] for sensor in sensors)
        assert "Free space" in answer.json["docket"]

    return check


def is_jobs(answer: Answer) -> None:
    assert answer.status == 200
    assert len(answer.json) >= 2
    assert all(set(told) == {"id", "state", "query", "url", "time"} for told in answer.json)


def is_pcap(answer: Answer) -> None:
    assert answer.status == 200, answer.body[:200]
    parse_file_header(answer.body[:FILE_HEADER_BYTES])
    assert len(answer.body) > FILE_HEADER_BYTES


def cleans_nothing(answer: Answer) -> None:
    assert answer.status == 200
    assert answer.json["cleaned"] == []
    assert "explanation" in answer.json
