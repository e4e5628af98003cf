"""A running Docket as a tool sees it, to prepare jobs and to compare with what the page shows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.services.waiting import wait_until

FINAL = ("completed", "partial", "failed", "cancelled", "expired")


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


@dataclass
class Server:
    """`url` is the base address, with a slash at its end."""

    url: str
    http: requests.Session = field(default_factory=_session)

    def ask(self, query: str = "", after: str = "1h", **fields: Any) -> dict[str, Any]:
        """Ask; the new job."""
        response = self.http.post(
            self.url + "api/v1/jobs", json={"query": query, "after": after, "fresh": True, **fields}, timeout=20
        )
        assert response.status_code == 201, response.text
        job: dict[str, Any] = response.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        response = self.http.get(self.url + f"api/v1/jobs/{job_id}", timeout=20)
        assert response.status_code == 200, response.text
        job: dict[str, Any] = response.json()
        return job

    def jobs(self) -> list[dict[str, Any]]:
        """The newest jobs, the newest first."""
        jobs: list[dict[str, Any]] = self.http.get(self.url + "api/v1/jobs", timeout=20).json()["jobs"]
        return jobs

    def wait(self, job_id: str, states: Iterable[str] = FINAL) -> dict[str, Any]:
        """The job, once it is in one of the states."""
        wanted = tuple(states)

        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["state"] in wanted else None

        job = wait_until(reached, f"job {job_id} to be {' or '.join(wanted)}", timeout_s=40.0)
        assert job is not None
        return job

    def finished(self, query: str = "", after: str = "1h", **fields: Any) -> dict[str, Any]:
        """Ask and wait for the end."""
        return self.wait(self.ask(query, after, **fields)["id"])

    def cancel(self, job_id: str) -> None:
        assert self.http.post(self.url + f"api/v1/jobs/{job_id}/cancel", timeout=20).ok

    def delete(self, job_id: str) -> None:
        assert self.http.delete(self.url + f"api/v1/jobs/{job_id}", timeout=20).ok

    def pcap(self, job_id: str) -> bytes:
        response = self.http.get(self.url + f"api/v1/jobs/{job_id}/pcap", timeout=60)
        assert response.status_code == 200, response.text
        return response.content
