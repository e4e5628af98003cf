"""When a certificate ends, read from the file itself.

Python's `ssl` tells the dates of a peer's certificate only. The library is loaded when a certificate is looked at.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path


def not_after(path: Path) -> datetime:
    """The end of the first certificate in a PEM file. Raises OSError, ValueError."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except ValueError as error:
        raise ValueError("this is no certificate that can be read") from error
