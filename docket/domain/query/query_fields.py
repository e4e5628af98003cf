"""A query as an object of fields, as forms and scripts give it. Pure; only `canonical` may import it.

    {"src_host": "10.1.2.3", "port": [80, 443], "not": {"net": "192.0.2.0/24"}}

The names are host, net, port and ether, each also with `src_` or `dst_` before it, proto, vlan, mpls, layer (ip, ip6,
arp), flow, less, greater, all but the last two also with `inner_` or `any_` before them, and, as in Docket 1,
proto-name. A value is a text or a whole number, or a list of them; all must hold, and none of those under `not`.
None and blank texts are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from docket.domain.query.grammar import MAX_TERMS
from docket.domain.query.lexer import MAX_FAULTS, Raw, negated
from docket.domain.query.terms import Length, NetworkLayer, Term
from docket.domain.query.value_readers import (
    greater,
    less,
    read_flow_text,
    read_host,
    read_mac,
    read_mpls,
    read_net_text,
    read_port,
    read_protocol,
    read_vlan,
    shown,
)
from docket.errors import Fault, InvalidRequest

_NOT = "not"
_NAME = re.compile(r"(?:(inner|any)_)?(?:(src|dst)_)?([a-z-]+)")
_DIRECTED = ("host", "net", "port", "ether")
_LAYERS = ("ip", "ip6", "arp")


def _layer(text: str) -> NetworkLayer:
    if text.lower() not in _LAYERS:
        raise ValueError(f"{shown(text)} is not one of ip, ip6 and arp")
    return NetworkLayer(cast(Any, text.lower()))


_READERS: dict[str, Callable[[str], Term]] = {
    "host": read_host,
    "net": read_net_text,
    "port": read_port,
    "proto": read_protocol,
    "proto-name": read_protocol,
    "vlan": read_vlan,
    "mpls": read_mpls,
    "ether": read_mac,
    "layer": _layer,
    "flow": read_flow_text,
    "less": less,
    "greater": greater,
}


KINDS = tuple(_READERS)
"""What a field can be about."""


def read_fields(fields: Mapping[str, object]) -> list[Raw]:
    """What must hold, none for every packet. Raises InvalidRequest with all faults, each with its field's name."""
    faults: list[Fault] = []
    parts: list[Raw] = []
    for name, value in fields.items():
        if name == _NOT:
            _read_excluded(value, parts, faults)
        else:
            _read_field(name, name, value, parts, faults)
    if len(parts) > MAX_TERMS:
        faults.append(_too_many(None))
    if faults:
        raise InvalidRequest(faults[:MAX_FAULTS])
    return parts


def _read_excluded(fields: object, parts: list[Raw], faults: list[Fault]) -> None:
    """The fields of which none may hold."""
    if fields is None:
        return
    if not isinstance(fields, Mapping):
        faults.append(Fault("bad-not", "not must be an object of fields", _NOT))
        return
    excluded: list[Raw] = []
    for name, value in fields.items():
        _read_field(name, f"{_NOT}.{name}"[:80], value, excluded, faults)
    parts.extend(map(negated, excluded))


def _read_field(name: object, label: str, value: object, parts: list[Raw], faults: list[Fault]) -> None:
    read_it = reader_of(name)
    if read_it is None:
        short = str(label)[:80]
        faults.append(Fault("unknown-field", f"the query has no field {shown(short)}", short))
        return
    values = value if isinstance(value, list | tuple) else [value]
    if len(values) > MAX_TERMS:
        faults.append(_too_many(label))
        return
    for one in values:
        _read_value(label, one, read_it, parts, faults)


def reader_of(name: object) -> Callable[[str], Term] | None:
    """What reads the values of a field; None if there is no such field."""
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        return None
    scope, side, kind = match.groups()
    read_it = _READERS.get(kind)
    if read_it is None or (side and kind not in _DIRECTED) or (scope and kind in ("less", "greater", "proto-name")):
        return None
    return lambda text: _narrowed(read_it(text), scope, side)


def _narrowed(term: Term, scope: Any, side: Any) -> Term:
    if isinstance(term, Length):
        return term
    if side:
        # Only the kinds with a direction come here with one.
        term = cast(Any, replace)(term, direction=side)
    return replace(term, scope=scope) if scope else term


def _too_many(field: str | None) -> Fault:
    return Fault("too-many-terms", f"the query has more than {MAX_TERMS} terms; ask in parts, or for networks", field)


def _read_value(
    name: str, value: object, read_it: Callable[[str], Term], parts: list[Raw], faults: list[Fault]
) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, str | int):
        faults.append(Fault(f"bad-{_last(name)}", f"{name} must be a text or a whole number, or a list of them", name))
        return
    try:
        text = value.strip() if isinstance(value, str) else _digits(value)
        if text:
            parts.append(read_it(text))
    except ValueError as error:
        faults.append(Fault(f"bad-{_last(name)}", str(error), name))


def _digits(number: int) -> str:
    # Python refuses to write numbers of thousands of digits; none of them is a value anyway.
    return str(number) if abs(number) < 10**40 else "a number of more than forty digits"


def _last(name: str) -> str:
    """The kind of a field, without what stands before it: the codes are those of the text's faults."""
    return name.removeprefix(f"{_NOT}.").rpartition("_")[2]
