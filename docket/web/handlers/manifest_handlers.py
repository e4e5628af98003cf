"""The evidence to a result, as it lies beside it in the spool: manifest, signature, and the key that checks it."""

from __future__ import annotations

from typing import ClassVar

from docket.spool.layout import read_evidence
from docket.spool.manifest import Manifest
from docket.spool.signing import public_path
from docket.web.handlers.base import Handler
from docket.web.handlers.download_handlers import disposition, finished_job
from docket.web.http.api_errors import api_error
from docket.web.http.route_spec import Operation, Operations

SIGNATURE_TYPE = "application/octet-stream"
KEY_TYPE = "application/x-pem-file"


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
        job, pcap = await finished_job(self, text)
        # As it lies there: the signature is over these bytes.
        body = await self.services.files.run(read_evidence, self.services.spool.manifest(job.id))
        self.set_header("Content-Disposition", disposition(f"{pcap.name}.json"))
        self.write_raw_json(body)

    head = get


class SignatureHandler(Handler):
    """The signature of one job's manifest."""

    operations: ClassVar[Operations] = {
        "GET": Operation(
            "The signature of the manifest: Ed25519, 64 bytes, over the bytes of the manifest",
            gives={200: SIGNATURE_TYPE},
            refuses=(404, 409, 410, 503),
        )
    }

    async def get(self, text: str) -> None:
        job, pcap = await finished_job(self, text)
        path = self.services.spool.signature(job.id)
        if not path.exists():
            raise api_error(404, "not-signed", "this result was not signed", "id")
        body = await self.services.files.run(read_evidence, path)
        self.set_header("Content-Type", SIGNATURE_TYPE)
        self.set_header("Content-Disposition", disposition(f"{pcap.name}.json.sig"))
        self.finish(body)

    head = get


class SigningKeyHandler(Handler):
    """The public half of the key that manifests are signed with."""

    operations: ClassVar[Operations] = {
        "GET": Operation("The public key of the signatures, Ed25519, as PEM", gives={200: KEY_TYPE}, refuses=(404, 503))
    }

    async def get(self) -> None:
        path = public_path(self.services.config.spool.key_path)
        if not path.exists():
            raise api_error(404, "no-key", "results are not signed here", "key")
        body = await self.services.files.run(read_evidence, path)
        self.set_header("Content-Type", KEY_TYPE)
        self.finish(body)

    head = get
