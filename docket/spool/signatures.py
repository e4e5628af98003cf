"""Whether the small files beside a result are what was signed, and what was copied. For `verification`; reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docket.errors import SpoolError
from docket.spool.file_io import file_size, read_at
from docket.spool.layout import read_evidence
from docket.spool.manifest import Manifest
from docket.spool.signing import PUBLIC_NAME, fingerprint, is_signature, key_of_text, text_of_key
from docket.spool.story import Check, same

SUMS_NAME = "SHA256SUMS"
"""In an export, as sha256sum writes it."""

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Signed:
    """The bytes of a manifest, what is said to be their signature, and the public key that decides, if one is given."""

    body: bytes
    signature: bytes | None
    public_pem: bytes | None


def signed_beside(manifest: Path, public_pem: bytes | None) -> Signed:
    """The manifest in this file with the signature beside it. Raises SpoolError."""
    beside = manifest.with_name(f"{manifest.name}.sig")
    return Signed(read_evidence(manifest), read_evidence(beside) if beside.exists() else None, public_pem)


def check_signature(signed: Signed, manifest: Manifest, *, wanted: bool) -> list[Check]:
    """Who signed the manifest's bytes. Raises SpoolError for a given key that is none.

    Without a key the one that the manifest names is taken: that finds every change of the manifest but one by whom
    signs it with another key, or who takes out both the name of the key and the signature. `wanted`: the signature of
    a manifest that names its key must be there.
    """
    key, named = signed.public_pem, manifest.signing_key
    if signed.signature is None:
        if key is None and (named is None or not wanted):
            return []
        return [Check(ok=False, what="the manifest is not signed" if named is None else "the signature is gone")]
    if key is None and named is None:
        return [Check(ok=False, what="there is a signature, but the manifest names no key")]
    if key is not None and named is not None and text_of_key(key) != named:
        return [Check(ok=False, what=f"the manifest names another key, {fingerprint(named)}")]
    return [_check_key(signed, signed.signature, named if key is None else text_of_key(key), trusted=key is not None)]


def _check_key(signed: Signed, signature: bytes, key: str | None, *, trusted: bool) -> Check:
    whose = f"the key {fingerprint(key or '')}{'' if trusted else ', which it names itself'}"
    try:
        right = is_signature(signature, signed.body, key_of_text(key or ""))
    except SpoolError:
        return Check(ok=False, what="the key that the manifest names is none")
    if right:
        return Check(ok=True, what=f"the manifest is signed with {whose}")
    return Check(ok=False, what=f"the signature is not that of this manifest with {whose}")


def check_copy(directory: Path, manifest: Manifest) -> list[Check]:
    """What an export brings along: its sums, and the key."""
    checks = []
    if (directory / PUBLIC_NAME).exists() and manifest.signing_key is not None:
        checks.append(same(f"key in {PUBLIC_NAME}", _key_in(directory / PUBLIC_NAME), manifest.signing_key))
    if not (directory / SUMS_NAME).exists():
        return checks
    for line in read_evidence(directory / SUMS_NAME).decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition("  ")
        path = directory / name
        found = sha256_of(path) if name and path.parent == directory and path.is_file() else "no such file"
        if found != digest:
            checks.append(Check(ok=False, what=f"{name or line!r} is not what {SUMS_NAME} says"))
    return checks


def _key_in(path: Path) -> str:
    try:
        return text_of_key(read_evidence(path))
    except SpoolError:
        return "none"


def sha256_of(path: Path) -> str:
    """Of the whole file, in hexadecimal digits. Raises SpoolError."""
    whole = hashlib.sha256()
    for block in blocks_of(path):
        whole.update(block)
    return whole.hexdigest()


def blocks_of(path: Path) -> Iterator[bytes]:
    """The whole file as it is now."""
    size, offset = file_size(path), 0
    while offset < size:
        block = read_at(path, offset, _BLOCK_BYTES)
        if not block:
            return
        yield block
        offset += len(block)
