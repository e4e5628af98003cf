"""What is taken from the result of an earlier job, and how: filters, a direction, duplicates, lengths. Pure.

A question with a `parent` is asked of no sensor: the inspector reads it from the parent's result in the spool.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from docket.domain.plain_text import packet_address
from docket.errors import Fault

SPOOL_SOURCE = "docket:spool"
"""The name under which the inspector answers such questions. It is asked for nothing else."""

LONGEST_FILTER = 4_000
LONGEST_DUPLICATES_MS = 10_000
LARGEST_SNAPLEN = 262_144
MOST_SOURCES = 4_096
LONGEST_SOURCE = 127

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a conversation."""

    address: str
    port: int | None = None

    def __str__(self) -> str:
        if self.port is None:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Refinement(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a result, beside the window and the query of the question itself."""

    sha256: str = ""
    """Of the result that was looked at; another revision of it is not taken. Empty: whichever there is."""
    filter: str = ""
    """A display filter, as tshark understands it."""
    bpf: str = ""
    """A packet filter, as tcpdump understands it."""
    sender: Sender | None = None
    """Only packets from there."""
    drop_duplicates_ms: int = 0
    """Of packets with the same bytes, each so long after the one before at most, only the first, and of those that
    another source recorded behind a router; 0: all."""
    snaplen: int = 0
    """At most so many bytes of each packet; 0: all."""
    sources: tuple[str, ...] = ()
    """Only what these sources recorded; empty: what all did."""
    drop_tap_duplicates_ms: int = 0
    """Of one IP packet that several sources recorded within so long a time only the first, whatever MAC addresses,
    tags, hop count and checksum; what one source recorded twice stays. 0: all."""


def check_refinement(value: object, faults: list[Fault]) -> Refinement:
    """The `refine` of a question. Adds every fault."""
    if value is None:
        return Refinement()
    if not isinstance(value, Mapping):
        faults.append(Fault("bad-refine", "refine must be an object", "refine"))
        return Refinement()
    for name in sorted(str(key) for key in value if key not in Refinement.__struct_fields__):
        faults.append(Fault("unknown-field", f"there is no field {name[:80]!r}", f"refine.{name[:80]}"))
    return Refinement(
        sha256=_text(value, "sha256", 64, faults, _SHA256),
        filter=_text(value, "filter", LONGEST_FILTER, faults),
        bpf=_text(value, "bpf", LONGEST_FILTER, faults),
        sender=_sender(value.get("sender"), faults),
        drop_duplicates_ms=_number(value, "drop_duplicates_ms", LONGEST_DUPLICATES_MS, faults),
        snaplen=_number(value, "snaplen", LARGEST_SNAPLEN, faults),
        sources=_sources(value.get("sources"), faults),
        drop_tap_duplicates_ms=_number(value, "drop_tap_duplicates_ms", LONGEST_DUPLICATES_MS, faults),
    )


def explain_refinement(parent: str, refinement: Refinement) -> str:
    """A sentence for people."""
    parts = [f"Taken from the result of job {parent}"]
    if refinement.filter:
        parts.append(f"only what the display filter {refinement.filter} shows")
    if refinement.sources:
        parts.append(f"only what {' and '.join(refinement.sources)} recorded")
    if refinement.bpf:
        parts.append(f"only what the packet filter {refinement.bpf} lets through")
    if refinement.sender is not None:
        parts.append(f"only what {refinement.sender} sent")
    if refinement.drop_duplicates_ms:
        parts.append(f"of equal packets within {refinement.drop_duplicates_ms} ms only the first")
    if refinement.drop_tap_duplicates_ms:
        within = f"within {refinement.drop_tap_duplicates_ms} ms"
        parts.append(f"of one packet that several sources recorded {within} only the first")
    if refinement.snaplen:
        parts.append(f"at most {refinement.snaplen:,} bytes of each packet")
    return "; ".join(parts) + "."


def refinement_words(query: str, refinement: Refinement) -> str:
    """By what was refined, in a few words: for lists and names of files."""
    parts = [
        query,
        refinement.filter,
        refinement.bpf,
        f"from {refinement.sender}" if refinement.sender is not None else "",
        f"of {' '.join(refinement.sources)}" if refinement.sources else "",
        "without duplicates" if refinement.drop_duplicates_ms or refinement.drop_tap_duplicates_ms else "",
        f"at most {refinement.snaplen} bytes each" if refinement.snaplen else "",
    ]
    return "; ".join(filter(None, parts)) or "window"


def _text(
    raw: Mapping[str, Any], name: str, longest: int, faults: list[Fault], form: re.Pattern[str] | None = None
) -> str:
    value = raw.get(name)
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        message = f"{name} must be one line of at most {longest:,} printable characters"
    elif form is not None and not form.fullmatch(value):
        message = f"{name} must be 64 hexadecimal digits in lower case"
    else:
        return value.strip()
    faults.append(Fault("bad-text", message, f"refine.{name}"))
    return ""


def _number(raw: Mapping[str, Any], name: str, most: int, faults: list[Fault]) -> int:
    value = raw.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        faults.append(Fault("bad-number", f"{name} must be a whole number from 0 to {most:,}", f"refine.{name}"))
        return 0
    return value


def _sources(value: object, faults: list[Fault]) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list | tuple) and len(value) <= MOST_SOURCES and all(
        isinstance(name, str) and 0 < len(name) <= LONGEST_SOURCE and name.isprintable() for name in value
    ):  # fmt: skip
        return tuple(dict.fromkeys(value))
    faults.append(Fault("bad-sources", "sources must be a list of names of sources", "refine.sources"))
    return ()


def _sender(value: object, faults: list[Fault]) -> Sender | None:
    if value is None:
        return None
    try:
        if not isinstance(value, Mapping) or set(value) - {"address", "port"}:
            raise ValueError
        address, port = str(packet_address(value.get("address"))), value.get("port")
        if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535):
            raise ValueError
    except ValueError:
        message = 'sender must be an object with an "address" and, if wanted, a "port"'
        faults.append(Fault("bad-sender", message, "refine.sender"))
        return None
    return Sender(address=address, port=port)
