"""`docket export`: a result with its evidence in one zip, which openssl and sha256sum alone can check."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import msgspec

from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command, example
from docket.cli.ui.terminal import Terminal, add_server_option, client_for
from docket.client.http_client import Client
from docket.client.save import NotSaved, fetch
from docket.domain.job import Job
from docket.errors import ServerRefused
from docket.runtime.exit_codes import ExitCode

CAPTURE, MANIFEST, SIGNATURE, KEY = "job.pcap", "job.json", "job.json.sig", "signing-key.pem"
SOURCES = "job.pcap.sources"
"""The capture has this name whichever of the two formats it is in, as in the spool."""
AUDIT, SUMS, PAGE = "audit.jsonl", "SHA256SUMS", "README.txt"

README = """\
Packets of Docket's job {id}
{explanation}
From {after} to {before}, asked by {owner}.

  job.pcap          the capture{pcapng}
  job.json          the manifest: who asked what and when, what each source answered, SHA-256 of the capture
  job.json.sig      the signature of the manifest: Ed25519, 64 bytes{unsigned}
  signing-key.pem   the public key that belongs to it
{sources}  audit.jsonl       what happened to the job, one event per line
  SHA256SUMS        SHA-256 of these files

How to check it, with openssl 3 and sha256sum alone:

1. The files are whole:
     sha256sum -c SHA256SUMS
2. The manifest is what the server signed ("Signature Verified Successfully"):
     openssl pkeyutl -verify -pubin -inkey signing-key.pem -rawin -in job.json -sigfile job.json.sig
   This proves something only with a key that you trust: compare signing-key.pem with the one that the
   server's operator gives you by another way. SHA-256 of the key in this archive: {key_sha256}
3. The capture is the one of the manifest:
     sha256sum job.pcap
   is the value of "sha256" under "result" in job.json:
     {sha256}

With Docket installed: docket verify --key signing-key.pem job.pcap
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "export",
        run,
        help="save a result with its evidence as one zip",
        description="Save capture, manifest, signature and audit lines in a zip that openssl and sha256sum can check.",
        epilog=example("docket export 0192f0c1-… -o case.zip"),
    )
    parser.add_argument("id", metavar="JOB", help="the job's id")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="the zip, such as case.zip")
    add_server_option(parser)


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    client = client_for(args, terminal)
    job = client.job(args.id)
    if job.pcap is None:
        raise NotSaved("the job has no capture to export")
    part = args.output.with_name(f"{args.output.name}.part")
    try:
        with tempfile.TemporaryFile() as capture:
            fetch(client, job, capture.write)
            capture.seek(0)
            _write(part, capture, _evidence(client, job), job)
        part.replace(args.output)
    except OSError as error:
        raise NotSaved(f"{args.output} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    terminal.tell(text.safe(f"Saved {args.output}; {PAGE} in it says how to check it."))
    return ExitCode.OK


def _evidence(client: Client, job: Job) -> dict[str, bytes]:
    """The small files, by name; without signature and key where the server does not sign."""
    files = {MANIFEST: client.manifest_bytes(job.id)}
    try:
        files |= {SIGNATURE: client.signature(job.id), KEY: client.signing_key()}
    except ServerRefused:
        files.pop(SIGNATURE, None)
    if len(job.sources) > 1 or job.parent is not None:
        with contextlib.suppress(ServerRefused):  # one source, or a result of an earlier version
            files[SOURCES] = client.packet_sources(job.id)
    events = client.job_document(job.id).get("events", [])
    files[AUDIT] = b"".join(json.dumps(msgspec.to_builtins(event)).encode() + b"\n" for event in events)
    return files


def _write(path: Path, capture: Any, files: dict[str, bytes], job: Job) -> None:
    assert job.pcap is not None
    sums = {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}
    page = README.format(
        id=job.id,
        explanation=job.explanation,
        after=job.after,
        before=job.before,
        owner=job.owner or "an unnamed user",
        unsigned="" if SIGNATURE in files else " (not in this archive: the server does not sign)",
        pcapng=" (pcapng: its packets are of several link types)" if job.pcap.format == "pcapng" else "",
        sources="  job.pcap.sources  the source of every packet: see packet_sources in job.json\n"
        if SOURCES in files
        else "",
        key_sha256=sums.get(KEY, "none"),
        sha256=job.pcap.sha256,
    ).encode()
    sums |= {CAPTURE: job.pcap.sha256, PAGE: hashlib.sha256(page).hexdigest()}
    lines = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        with archive.open(CAPTURE, "w", force_zip64=True) as target:
            while block := capture.read(1 << 20):
                target.write(block)
        for name, body in (files | {PAGE: page, SUMS: lines.encode()}).items():
            archive.writestr(name, body)
