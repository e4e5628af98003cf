"""Getting msgspec ready for a type before threads decode it. Pure."""

from __future__ import annotations

import msgspec


def prepare(*kinds: type) -> None:
    """Have msgspec look at these types, and at all that is in them, now.

    It does so with the first decoding otherwise, and a second thread that decodes in the meantime meets a description
    that is only half there: the process ends with a segmentation fault. Call it where the types are imported.
    """
    for kind in kinds:
        msgspec.json.Decoder(kind)
