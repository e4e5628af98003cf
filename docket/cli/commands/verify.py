"""`docket verify`: does a result hold what its manifest says?"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.terminal import Terminal, add_server_option, client_for
from docket.client.http_client import Client
from docket.domain.units import packets_text
from docket.errors import ServerRefused, SpoolError
from docket.runtime.exit_codes import ExitCode
from docket.spool.layout import MANIFEST_NAME, read_evidence, read_manifest
from docket.spool.manifest import Manifest
from docket.spool.signatures import Signed, sha256_of, signed_beside
from docket.spool.verification import Verification, verify_directory, verify_file

EXAMPLES = """\
examples:
  docket verify /var/spool/docket/jobs/0192f0c1-…     a job in the spool, with the parts that are kept
  docket verify /var/spool/docket                     every job in the spool
  docket verify dns.pcap                              a download; the server is asked for its manifest
  docket verify dns.pcap --manifest dns.pcap.json     a download with its manifest, without any server
  docket verify case.zip                              what `docket export` saved
  docket verify --key signing-key.pem dns.pcap        the same, and who vouches for the manifest (dns.pcap.json.sig)

The manifest of FILE is --manifest, else FILE.json or job.json beside it, else the server's: that of the job named
with --job, or of the newest job whose result has the same SHA-256. Without --key the signature is held against the key
that the manifest names: that finds every change but one by someone who signs with another key, or who takes out both
signature and key; name the key to find these as well. Ends 0 only if all is as the manifests say.
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "verify",
        verify,
        help="hold a capture against its manifest",
        description="Check SHA-256, packets, order and window of a result against its manifest.",
        epilog=EXAMPLES,
    )
    add_server_option(parser)
    parser.add_argument(
        "paths", metavar="DIR|FILE", nargs="+", type=Path, help="a job's directory, a capture, or an export"
    )
    parser.add_argument("--manifest", metavar="FILE", type=Path, help="the manifest, for a single capture")
    parser.add_argument("--job", metavar="ID", help="ask the server for this job's manifest, for a single capture")
    parser.add_argument(
        "--key",
        metavar="FILE",
        type=Path,
        help="the public key, from GET api/v1/signing-key: the manifest must be signed with it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def verify(args: argparse.Namespace, terminal: Terminal) -> int:
    if len(args.paths) > 1 and (args.manifest or args.job):
        terminal.tell("--manifest and --job are for one capture at a time")
        return ExitCode.USAGE
    found: list[Verification] = []
    well = True
    for path in args.paths:
        try:
            for verification in _verifications(path, args, terminal):
                found.append(verification)
                well = well and verification.ok
                if not args.json:
                    terminal.say(_lines(verification))
        except SpoolError as error:
            well = False
            terminal.tell(text.safe(str(error)))
    if args.json:
        terminal.say_json(
            [
                {
                    "ok": one.ok,
                    "path": one.path,
                    "job": one.manifest.job,
                    "revision": one.manifest.revision,
                    "state": one.manifest.state,
                    "checks": one.checks,
                }
                for one in found
            ]
        )
    return ExitCode.OK if well else ExitCode.NOT_VERIFIED


def _verifications(path: Path, args: argparse.Namespace, terminal: Terminal) -> Iterator[Verification]:
    """Raises SpoolError for what cannot be verified at all."""
    key = read_evidence(args.key) if args.key else None
    if path.is_dir():
        jobs = path / "jobs"
        if not jobs.is_dir():
            yield verify_directory(path, key)
            return
        for manifest in sorted(jobs.glob(f"*/{MANIFEST_NAME}")):
            yield verify_directory(manifest.parent, key)
    elif zipfile.is_zipfile(path):
        yield _verify_export(path, key)
    elif path.name == MANIFEST_NAME:
        yield verify_directory(path.parent, key)
    elif not path.is_file():
        raise SpoolError(f"there is no {path}")
    else:
        yield verify_file(path, *_manifest_of(path, args, terminal, key))


def _verify_export(path: Path, key: bytes | None) -> Verification:
    """What `docket export` saved."""
    try:
        with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(path) as archive:
            archive.extractall(place)
            found = verify_directory(Path(place), key)
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise SpoolError(f"{path} cannot be unpacked: {error}") from error
    return msgspec.structs.replace(found, path=str(path))


def _manifest_of(
    capture: Path, args: argparse.Namespace, terminal: Terminal, key: bytes | None
) -> tuple[Manifest, Signed | None]:
    if args.manifest:
        return read_manifest(args.manifest), signed_beside(args.manifest, key)
    if not args.job:
        for beside in (capture.with_name(f"{capture.name}.json"), capture.with_name(MANIFEST_NAME)):
            if beside.is_file():
                return read_manifest(beside), signed_beside(beside, key)
    client = client_for(args, terminal)
    job_id = args.job
    if not job_id:
        digest = sha256_of(capture)
        same = client.jobs(sha256=digest, limit=1).jobs
        if not same:
            raise SpoolError(
                f"{capture}: no result at {client.url} has its SHA-256, {digest}; if you know the job, say --job ID"
            )
        job_id = same[0].id
    return client.manifest(job_id), _signed_at(client, job_id, key)


def _signed_at(client: Client, job_id: str, key: bytes | None) -> Signed:
    try:
        signature = client.signature(job_id)
    except ServerRefused:
        signature = None
    return Signed(client.manifest_bytes(job_id), signature, key)


def _lines(verification: Verification) -> list[str]:
    manifest, question = verification.manifest, verification.manifest.question
    lines = [
        text.safe(f"{verification.path}: job {manifest.job}, revision {manifest.revision}, {manifest.state}"),
        text.safe(f"  {question.query or 'every packet'}, {text.window(question.after, question.before)}"),
        text.safe(f"  asked by {question.owner or 'no user'}, {text.instant(question.requested_at)}"),
    ]
    lines += [text.safe(f"  {'ok   ' if check.ok else 'WRONG'}  {check.what}") for check in verification.checks]
    lines += [
        text.safe(f"  {source.name}: {source.verdict}, {packets_text(source.packets)}. {source.sentence}")
        for source in manifest.sources
    ]
    lines.append("  verified" if verification.ok else "  NOT what the manifest says")
    return lines
