"""`GET api/v1/jobs/{id}/manifest`: the evidence to a result, as it lies beside it in the spool."""

from __future__ import annotations

from typing import ClassVar

from docket.spool.layout import read_manifest
from docket.spool.manifest import Manifest
from docket.web.handlers.download_handlers import disposition, no_result
from docket.web.handlers.job_handlers import job_id
from docket.web.http.base import Handler
from docket.web.http.route_spec import Operation, Operations


class ManifestHandler(Handler):
    """One job's manifest."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "The manifest of the result: question, verdicts, counts, SHA-256 of result and parts",
            gives={200: Manifest},
            refuses=(404, 409, 410, 503),
        )
    }

    async def get(self, text: str) -> None:
        job = await self.services.access.job(job_id(text), self.principal)
        if job.pcap is None:
            raise no_result(job)
        manifest = await self.services.files.run(read_manifest, self.services.spool.manifest(job.id))
        self.set_header("Content-Disposition", disposition(f"{job.pcap.name}.json"))
        self.write_json(manifest)

    head = get
