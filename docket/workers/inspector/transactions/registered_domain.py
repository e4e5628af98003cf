"""The domain that was registered, of a name: `example.co.uk` of `www.example.co.uk`. Pure.

By rule and without a list: the last two labels, or three where a country's own division stands before its code, such
as `co.uk` or `com.au`. Names of address look-ups are all of their zone.
"""

from __future__ import annotations

_DIVISIONS = frozenset(
    (
        "ac", "adm", "co", "com", "edu", "gen", "go", "gob", "gouv", "gov", "govt", "id", "info", "ltd", "me", "mil",
        "ne", "net", "nhs", "nom", "or", "org", "plc", "sch", "web",
    )
)  # fmt: skip
_COUNTRY_CODE = 2


def registered_domain(name: str) -> str:
    """Lower case, without the final dot; the name itself where it has one label."""
    labels = name.lower().rstrip(".").split(".")
    if labels[-1] == "arpa":
        return ".".join(labels[-2:])
    is_divided = len(labels) > 2 and len(labels[-1]) == _COUNTRY_CODE and labels[-2] in _DIVISIONS
    return ".".join(labels[-3:] if is_divided else labels[-2:])
