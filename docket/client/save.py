"""Saving a capture: under its final name only when it is whole. Nothing is overwritten that was not named."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from docket.client.http_client import Client
from docket.domain.job import Job
from docket.errors import DocketError

_ODD = re.compile(r"[^A-Za-z0-9._@:+=,-]+")
_LONGEST_NAME = 200


class NotSaved(DocketError):
    """The file could not be written, or what arrived is not what the server announced."""


def save(client: Client, job: Job, path: Path | None, *, pcapng: bool = False) -> Path:
    """Download the job's capture to `path`, else to its speaking name here; gives where it is. Raises NotSaved.

    A regular file appears whole or not at all. A pipe or a device, such as /dev/fd/63, is written to as it is.
    """
    if job.pcap is None:
        raise NotSaved("the job has no capture to save")
    name = f"{job.pcap.name.removesuffix('.pcap').removesuffix('.pcapng')}.pcapng" if pcapng else job.pcap.name
    target = path if path is not None else unused(Path(file_name(name)))
    try:
        if target.exists() and not target.is_file():
            with target.open("wb", buffering=0) as file:
                fetch(client, job, file.write, pcapng=pcapng)
        else:
            _save_whole(client, job, target, pcapng=pcapng)
    except OSError as error:
        raise NotSaved(f"{target} cannot be written: {error.strerror or error}") from error
    return target


def fetch(client: Client, job: Job, write: Callable[[bytes], object], *, pcapng: bool = False) -> None:
    """Download the finished capture; raises NotSaved if it is not what the job says it is."""
    if job.pcap is None:
        raise NotSaved("the job has no capture to save")
    if pcapng and job.pcap.format != "pcapng":
        # Made while it is sent: there is no digest to expect, only an end that must come.
        client.download(job.id, write, kind="pcapng")
        return
    sha256 = client.download(job.id, write)
    if sha256 != job.pcap.sha256:
        raise NotSaved(f"what arrived has the SHA-256 {sha256}, but the server announced {job.pcap.sha256}")


def _save_whole(client: Client, job: Job, target: Path, *, pcapng: bool) -> None:
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            fetch(client, job, file.write, pcapng=pcapng)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def file_name(announced: str) -> str:
    """The server's name for the file without anything that could lead elsewhere or look odd in a shell."""
    name = _ODD.sub("_", announced.rpartition("/")[2])[:_LONGEST_NAME].lstrip(".-")
    return name or "docket.packet.pcap"


def unused(path: Path) -> Path:
    """The path, or the first of `name-2.pcap`, `name-3.pcap`, … that is not there yet."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate
