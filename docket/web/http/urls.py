"""The addresses that the web app hands out, and jobs as it shows them. Pure."""

from __future__ import annotations

import msgspec

from docket.domain.job import Job


class Urls:
    """Everything below the base path, as seen from outside: with the prefix, whether a proxy strips it or not."""

    def __init__(self, base_path: str) -> None:
        self.base = "/" + base_path.strip("/") + "/" if base_path.strip("/") else "/"

        self.jobs = f"{self.base}api/v1/jobs"

    def job(self, job_id: str) -> str:
        return f"{self.jobs}/{job_id}"

    def pcap(self, job_id: str) -> str:
        return f"{self.jobs}/{job_id}/pcap"

    def shown(self, job: Job) -> Job:
        """The job with the address of its result."""
        if job.pcap is None:
            return job
        return msgspec.structs.replace(job, pcap=msgspec.structs.replace(job.pcap, url=self.pcap(job.id)))
