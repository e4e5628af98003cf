"""Files that were transferred in a capture: taken out by tshark, counted, hashed and kept. For the inspector.

tshark writes them into an empty directory, the only one that it may write to, each bounded in size. Their names come
from the wire and are used for nothing but to be shown.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import msgspec

from docket.domain.decoding import prepare
from docket.errors import DissectionError
from docket.spool.file_io import write_whole
from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.tshark_programs import has_field, tshark

PROTOCOLS = ("http", "smb", "imf", "ftp-data", "tftp")
"""As tshark calls them; `imf` is a message of SMTP."""
MOST_OBJECTS = 2_000
MOST_FILE_BYTES = 64_000_000
MOST_BYTES = 256_000_000
WALL_S = 300.0
MEMORY_BYTES = 1_500_000_000
LONGEST_NAME = 200

_ANSWERED = "http.response_for.uri"
"""Of a response, before tshark 4.4; from then on a response has `http.request.full_uri`, as the request has."""
_FIELDS = ("frame.number", "frame.protocols", "http.host", "http.request.full_uri", "http.content_type", "imf.subject",
           "smb2.filename", "tftp.source_file")  # fmt: skip
_CARRIERS = "http.file_data or imf or tftp.source_file"
_NUMBERED = re.compile(r"\((\d+)\)(?=\.[^.]*$|$)")
_HOSTED = re.compile(r"^[a-z]+://([^/]+)")


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    """One file. Its name and type are a stranger's text."""

    number: int
    """From 1 on."""
    protocol: str
    packet: int
    """That brought its end; 0 where it is not known."""
    host: str
    name: str
    type: str
    size: int
    sha256: str


class Objects(msgspec.Struct, frozen=True, kw_only=True):
    """All that were found; the bytes lie beside it, by their numbers."""

    objects: tuple[Transferred, ...]
    truncated: bool
    """There are more, or larger ones, than are kept."""
    bytes: int


class _Carrier(msgspec.Struct, frozen=True):
    """A packet that ends a file."""

    packet: int
    host: str
    type: str


def export(capture: Capture, marks: array[int], into: Path, stop: Event) -> Objects:
    """Take all files out of a capture, into an existing empty directory. Raises DissectionError."""
    scratch = Path(tempfile.mkdtemp(prefix="objects-", dir=into))
    try:
        for protocol in PROTOCOLS:
            (scratch / protocol).mkdir()
        carriers = _run(capture, marks, scratch, stop)
        return _kept(scratch, into, carriers)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(capture: Capture, marks: array[int], scratch: Path, stop: Event) -> dict[tuple[str, str], list[_Carrier]]:
    """Have tshark write the files; the packets that ended them, by protocol and name."""
    arguments = [part for protocol in PROTOCOLS for part in ("--export-objects", f"{protocol},{scratch / protocol}")]
    names = (*_FIELDS, _ANSWERED) if has_field(_ANSWERED) else _FIELDS
    fields = [part for name in names for part in ("-e", name)]
    command = tshark(*capture.arguments, *arguments, "-Y", _CARRIERS, "-T", "fields", "-E", "occurrence=l", *fields)
    limits = Limits(WALL_S, WALL_S, MEMORY_BYTES, 200_000_000, nice=10, file_bytes=MOST_FILE_BYTES)
    found: dict[tuple[str, str], list[_Carrier]] = defaultdict(list)
    source, readable = capture.pieces(1, marks), capture.readable
    with SandboxedProcess(command, limits, source, stop=stop, readable=readable, writable=str(scratch)) as child:
        for line in child.lines():
            cells = line.decode("utf-8", "replace").split("\t")
            if len(cells) == len(names) and cells[0].isdigit():
                protocol, name, carrier = _carrier(cells)
                found[protocol, name].append(carrier)
        # A file that is too large ends tshark; what was written until then is kept.
        child.finish(accept=(0, 2, -25))
    return found


def _carrier(cells: list[str]) -> tuple[str, str, _Carrier]:
    packet, layers, host, asked, kind, subject, _share, tftp, *answered = cells
    uri = "".join(answered) or asked
    hosted = _HOSTED.match(uri)
    protocol = "imf" if ":imf" in layers else "tftp" if tftp else "http"
    name = {"imf": f"{subject}.eml", "tftp": tftp, "http": _basename(uri)}[protocol]
    carrier = _Carrier(int(packet), (hosted[1] if hosted else host)[:LONGEST_NAME], kind[:LONGEST_NAME])
    return protocol, _massaged(name), carrier


def _basename(uri: str) -> str:
    path = re.sub(r"^[a-z]+://[^/]*", "", uri)
    return path.rstrip("/").rpartition("/")[2] or path[:1]


def _massaged(name: str) -> str:
    """As tshark writes a name into a directory: reserved characters as their codes."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', lambda found: f"%{ord(found[0]):02x}", name)


def _kept(scratch: Path, into: Path, carriers: dict[tuple[str, str], list[_Carrier]]) -> Objects:
    """Hash the files, give them numbers as names, and find for each the packet that ended it."""
    objects: list[Transferred] = []
    total, truncated = 0, False
    for protocol, path, carrier in _with_carriers(scratch, carriers):
        size = path.stat().st_size
        if len(objects) >= MOST_OBJECTS or total + size > MOST_BYTES:
            truncated = True
            break
        truncated = truncated or size >= MOST_FILE_BYTES
        number = len(objects) + 1
        objects.append(
            Transferred(
                number=number,
                protocol="smtp" if protocol == "imf" else protocol,
                packet=carrier.packet if carrier is not None else 0,
                host=carrier.host if carrier is not None else "",
                name=path.name[:LONGEST_NAME],
                type=carrier.type if carrier is not None else "",
                size=size,
                sha256=_sha256(path),
            )
        )
        total += size
        os.replace(path, into / str(number))
    return Objects(objects=tuple(objects), truncated=truncated, bytes=total)


def _with_carriers(
    scratch: Path, carriers: dict[tuple[str, str], list[_Carrier]]
) -> Iterator[tuple[str, Path, _Carrier | None]]:
    """The files in the order of their packets, as far as these are known; those of one name are distinguished by the
    number that tshark puts behind it."""
    found: list[tuple[str, Path, _Carrier | None]] = []
    for protocol in PROTOCOLS:
        named: dict[str, list[Path]] = defaultdict(list)
        for path in sorted((scratch / protocol).iterdir(), key=_order):
            if path.is_file() and not path.is_symlink():
                named[_NUMBERED.sub("", path.name)].append(path)
        for name, paths in named.items():
            known = carriers.get((protocol, name), [])
            exact = known if len(known) == len(paths) else [None] * len(paths)
            found += [(protocol, path, carrier) for path, carrier in zip(paths, exact, strict=True)]
    found.sort(key=lambda one: one[2].packet if one[2] is not None else 2**32)
    return iter(found)


def _order(path: Path) -> tuple[str, int]:
    number = _NUMBERED.search(path.name)
    return _NUMBERED.sub("", path.name), int(number[1]) if number else 0


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DissectionError(f"a file that was taken out cannot be read: {error}") from error


def write_objects(folder: Path, objects: Objects) -> None:
    """Last of all: without it there is nothing in the directory. Raises SpoolError."""
    write_whole(folder / "index", msgspec.msgpack.encode(objects))


def read_objects(folder: Path) -> Objects | None:
    """None if they were not taken out yet."""
    try:
        return msgspec.msgpack.decode((folder / "index").read_bytes(), type=Objects)
    except (OSError, msgspec.DecodeError):
        return None


prepare(Objects)
