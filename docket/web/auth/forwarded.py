"""The `Forwarded` header (RFC 7239) as lighttpd writes it, with its `remote_user`. Pure; for `auth` alone.

lighttpd 1.4 cannot put a user's name into a header of its own without Lua, but it can add it here. It appends to
what the client sent, so only the last element is the proxy's word.
"""

from __future__ import annotations

import re

_PAIR = re.compile(r'\s*([A-Za-z0-9!#$%&\'*+.^_`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))\s*')


def remote_user(header: str) -> str:
    """The `remote_user` of the last element; empty where it has none.

    The whole header must be well-formed, so that a quote that a client left open cannot swallow the proxy's own
    words. Raises ValueError.
    """
    place = 0
    last: dict[str, str] = {}
    while place < len(header):
        pair = _PAIR.match(header, place)
        if pair is None:
            raise ValueError("the Forwarded header is not well-formed")
        name = pair[1].lower()
        if name in last:
            raise ValueError(f"the Forwarded header says {name} twice")
        last[name] = re.sub(r"\\(.)", r"\1", pair[2]) if pair[2] is not None else pair[3]
        place = pair.end()
        if place == len(header):
            break
        if header[place] == ",":
            last = {}
        elif header[place] != ";":
            raise ValueError("the Forwarded header is not well-formed")
        place += 1
        if place == len(header):
            raise ValueError("the Forwarded header ends too early")
    return last.get("remote_user", "")
