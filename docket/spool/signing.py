"""The signature under a manifest: Ed25519, with a key that lies outside of the spool. Raises SpoolError.

A signature is 64 bytes beside the manifest, over its bytes as they lie on the disk, so that openssl alone can check it.
The library is loaded when a key is used: a service without it works on, and says that its results are not signed.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from docket.errors import SpoolError
from docket.runtime.whole_file import replace_file
from docket.spool.file_io import spool_error

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

logger = logging.getLogger(__name__)

PUBLIC_NAME = "signing-key.pem"
"""The public half, beside the private one; all may read it."""


class Signer:
    """Signs with the key of one file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def of_file(cls, path: Path) -> Signer:
        """The key in this file, which is made where there is none, with its public half beside it."""
        if not path.exists():
            _make_key(path)
        return cls(_read_key(path))

    @classmethod
    def if_possible(cls, path: Path) -> Signer | None:
        """The same; None, after a line in the log, where the key cannot be used."""
        try:
            return cls.of_file(path)
        except SpoolError as error:
            logger.error("results are not signed: %s", error)
            return None

    def sign(self, body: bytes) -> bytes:
        return self._key.sign(body)

    @cached_property
    def public_pem(self) -> bytes:
        """The public half."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def public_text(self) -> str:
        """The public half as manifests name it: the base64 line of its PEM."""
        return text_of_key(self.public_pem)


def text_of_key(public_pem: bytes) -> str:
    """Without the lines around it. Raises SpoolError for what is no public key."""
    _public_key(public_pem)
    lines = public_pem.decode("ascii", "replace").splitlines()
    return "".join(line.strip() for line in lines if not line.startswith("-----"))


def key_of_text(text: str) -> bytes:
    """The PEM of a key that a manifest names."""
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n".encode()


def fingerprint(text: str) -> str:
    """The beginning of SHA-256 over the key's bytes, short enough to be read out."""
    try:
        return hashlib.sha256(base64.b64decode(text, validate=True)).hexdigest()[:16]
    except ValueError:
        return "that is none"


def public_path(private: Path) -> Path:
    return private.with_name(PUBLIC_NAME)


def is_signature(signature: bytes, body: bytes, public_pem: bytes) -> bool:
    """Whether this is the signature of the body by that key."""
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(public_pem).verify(signature, body)
    except InvalidSignature:
        return False
    return True


def _make_key(path: Path) -> None:
    try:
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise SpoolError(f"manifests are not signed: {error}") from error
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        # A key that was cut by a full disk would have to be removed by hand.
        replace_file(public_path(path), [public], mode=0o644, sync=True)
        replace_file(path, [private], mode=0o600, sync=True)
    except OSError as error:
        raise spool_error(error, path) from error


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise SpoolError(f"manifests are not signed: {error}") from error
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise spool_error(error, path) from error
    except (ValueError, TypeError) as error:
        raise SpoolError(f"{path} is no private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SpoolError(f"{path} is no Ed25519 key")
    return key


def _public_key(pem: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise SpoolError(f"this is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SpoolError("this is no public key of Ed25519")
    return key
