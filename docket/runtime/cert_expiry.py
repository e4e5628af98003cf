"""When a certificate ends, read from the file itself. Pure but for the reading.

Python's `ssl` tells the dates of a peer's certificate only, so the few bytes of DER that matter are read here (X.690;
RFC 5280, section 4.1).
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def not_after(path: Path) -> datetime:
    """The end of the first certificate in a PEM file. Raises OSError, ValueError."""
    text = path.read_text()
    if _BEGIN not in text or _END not in text:
        raise ValueError("this is no certificate")
    pem = text[text.index(_BEGIN) : text.index(_END) + len(_END)]
    try:
        return _not_after(ssl.PEM_cert_to_DER_cert(pem))
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("this is no certificate that can be read") from error


def _not_after(der: bytes) -> datetime:
    _, certificate, _ = _element(der, 0)
    _, body, _ = _element(certificate, 0)
    tag, _, place = _element(body, 0)
    # A certificate of version 1, as stenokeys makes them, begins with its serial number at once.
    skipped = 3 if tag == _VERSION else 2
    for _ in range(skipped):
        _, _, place = _element(body, place)
    tag, validity, _ = _element(body, place)
    if tag != _SEQUENCE:
        raise ValueError("this is no certificate that can be read")
    _, _, place = _element(validity, 0)
    tag, text, _ = _element(validity, place)
    digits = text.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _element(data: bytes, place: int) -> tuple[int, bytes, int]:
    """Tag and content of the element at a place, and the place after it."""
    tag, length = data[place], data[place + 1]
    place += 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[place : place + count], "big")
        place += count
    return tag, data[place : place + length], place + length
