"""Wireshark's and Arkime's way to ask: a field, a comparison, a value. Pure; only `primaries` may import it.

    ip.addr == 10.1.2.3 && tcp.port == 443          Wireshark
    ip == 10.1.2.3 && port == [80,443]              Arkime

Only fields whose meaning is plain are read; the rest is a fault that says so. Wireshark's fields are about any layer of
a packet, Docket's plain words about the outermost one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from docket.domain.query.lexer import COMPARISONS, ENDS, Cursor, Raw, Token, joined, negated
from docket.domain.query.loose_values import refanged
from docket.domain.query.terms import SCTP, TCP, UDP, Direction, EtherHost, Length, Net, NetworkLayer, Port, Term
from docket.domain.query.value_readers import (
    LAST_LENGTH,
    LAST_PORT,
    port_range,
    read_host,
    read_length,
    read_mac,
    read_mpls,
    read_net_text,
    read_port,
    read_protocol,
    read_vlan,
    shown,
)

Comparison: TypeAlias = Literal["==", "!=", ">=", "<=", ">", "<"]

_SIGNS: dict[str, Comparison] = {
    "==": "==",
    "=": "==",
    "eq": "==",
    "in": "==",
    "!=": "!=",
    "ne": "!=",
    ">=": ">=",
    "ge": ">=",
    "<=": "<=",
    "le": "<=",
    ">": ">",
    "gt": ">",
    "<": "<",
    "lt": "<",
}
_WORDS = {sign for sign in COMPARISONS if sign.isalpha()}


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field is about. `ordered` reads a bound for the comparisons of size."""

    read: Callable[[str], Term]
    direction: Direction = None
    protocol: int | None = None
    kind: Literal["value", "port", "length"] = "value"


def _address(text: str) -> Term:
    return read_net_text(text) if "/" in text else read_host(text)


def _version(text: str) -> Term:
    if text not in ("4", "6"):
        raise ValueError(f"{shown(text)} is not a version of IP, which is 4 or 6")
    return NetworkLayer("ip" if text == "4" else "ip6")


def _length(text: str) -> Term:
    return Length(read_length(text))


_SRC: Direction = "src"
_DST: Direction = "dst"
_FIELDS: dict[str, _Field] = {
    "ip": _Field(_address),
    "host": _Field(_address),
    "net": _Field(_address),
    "port": _Field(read_port, kind="port"),
    "mac": _Field(read_mac),
    "vlan": _Field(read_vlan),
    "vlan.id": _Field(read_vlan),
    "mpls.label": _Field(read_mpls),
    "ip.proto": _Field(read_protocol),
    "ipv6.nxt": _Field(read_protocol),
    "ip.protocol": _Field(read_protocol),
    "protocols": _Field(read_protocol),
    "ip.version": _Field(_version),
    "frame.len": _Field(_length, kind="length"),
}
for _version_word in ("ip", "ipv6"):
    for _name in ("addr", "host"):
        _FIELDS[f"{_version_word}.{_name}"] = _Field(_address)
for _side, _names in ((_SRC, ("src", "src_host")), (_DST, ("dst", "dst_host"))):
    for _name in _names:
        _FIELDS[f"ip.{_name}"] = _FIELDS[f"ipv6.{_name}"] = _Field(_address, _side)
for _prefix, _number in (("tcp", TCP), ("udp", UDP), ("sctp", SCTP)):
    _FIELDS[f"{_prefix}.port"] = _Field(read_port, None, _number, "port")
    _FIELDS[f"{_prefix}.srcport"] = _Field(read_port, _SRC, _number, "port")
    _FIELDS[f"{_prefix}.dstport"] = _Field(read_port, _DST, _number, "port")
for _name, _direction in (("addr", None), ("src", _SRC), ("dst", _DST)):
    _FIELDS[f"eth.{_name}"] = _FIELDS[f"mac.{_name}"] = _Field(read_mac, _direction)
for _name, _side in (("src", _SRC), ("dst", _DST), ("source", _SRC), ("destination", _DST)):
    _FIELDS[f"port.{_name}"] = _FIELDS[f"{_name}.port"] = _Field(read_port, _side, None, "port")
    _FIELDS[f"{_name}.ip"] = _Field(_address, _side)


class Comparisons:
    """Reads at a cursor."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def begins(self) -> bool:
        """Whether a field and a comparison stand at the cursor."""
        word, sign = self._cursor.word(), self._cursor.word(1)
        return sign in COMPARISONS and (word in _FIELDS or (sign not in _WORDS and word not in ("-", "flow")))

    def read(self) -> Raw | None:
        """One comparison; None where a fault kept it from being read."""
        cursor = self._cursor
        token, sign = cursor.peek(), cursor.peek(1)
        assert token is not None
        assert sign is not None
        cursor.step(2)
        values = self._values(sign)
        field = _FIELDS.get(token.word)
        if field is None:
            message = f"{shown(token.text)} is not a field that packets are selected by; use it to filter the result"
            cursor.fault("cannot-ask", message, token)
            return None
        if not values:
            cursor.fault("missing-value", f"{sign.text} needs a value behind it", cursor.peek())
            return None
        return self._compared(field, _SIGNS[sign.word], values, token)

    def _values(self, sign: Token) -> list[tuple[Token, str]]:
        """One value, or those of a list in braces or brackets."""
        cursor = self._cursor
        if cursor.word() == "{":
            cursor.step()
            listed = self._until("}")
        elif sign.word == "in" or cursor.word().startswith("["):
            listed = self._until("]")
        else:
            return self._single()
        return [(token, piece) for token, text in listed for piece in text.strip("[]").split(",") if piece]

    def _single(self) -> list[tuple[Token, str]]:
        cursor = self._cursor
        token = cursor.peek()
        if token is None or token.word in ENDS:
            return []
        cursor.step()
        size = cursor.peek(1)
        text = token.text
        if cursor.word() == "/" and size is not None:
            cursor.step(2)
            text = f"{text}/{size.text}"
        return [(token, text)]

    def _until(self, closing: str) -> list[tuple[Token, str]]:
        """The words up to a sign; that of a network is put together again."""
        cursor = self._cursor
        found: list[tuple[Token, str]] = []
        while (token := cursor.peek()) is not None and token.word not in ENDS:
            cursor.step()
            if token.word == closing:
                break
            if token.word == "/" or (found and found[-1][1].endswith("/")):
                if found:
                    found[-1] = (found[-1][0], found[-1][1] + token.text)
            else:
                found.append((token, token.text))
            if token.text.endswith(closing) and not token.text.startswith("["):
                break
        return found

    def _compared(self, field: _Field, sign: Comparison, values: list[tuple[Token, str]], at: Token) -> Raw | None:
        parts: list[Raw] = []
        for token, written in values:
            text = refanged(written.strip("\"'"))
            try:
                parts.append(_one(field, sign, text))
            except ValueError as error:
                self._cursor.fault("bad-value", f"{at.text}: {error}", token)
                return None
        whole = joined("or", parts)
        return negated(whole) if sign == "!=" else whole


def _one(field: _Field, sign: Comparison, text: str) -> Raw:
    """Raises ValueError."""
    match field.kind:
        case "port":
            port = field.read(text.replace("..", "-"))
            assert isinstance(port, Port)
            port = port if sign in ("==", "!=") else _bounded(port.number, sign)
            return replace(port, direction=field.direction, protocol=field.protocol)
        case "length":
            return _lengths(read_length(text), sign)
        case _ if sign not in ("==", "!="):
            raise ValueError("only == and != can be used here")
        case _:
            term = field.read(text)
            return term if field.direction is None else _directed(term, field.direction)


def _directed(term: Term, direction: Direction) -> Term:
    if not isinstance(term, Net | EtherHost):
        raise ValueError("this field has no direction")
    return replace(term, direction=direction)


def _bounded(number: int, sign: Comparison) -> Port:
    low, high = _bounds(number, sign, LAST_PORT)
    return port_range(low, high)


def _bounds(number: int, sign: Comparison, most: int) -> tuple[int, int]:
    low, high = {">=": (number, most), ">": (number + 1, most), "<=": (0, number), "<": (0, number - 1)}.get(
        sign, (number, number)
    )
    if low > high:
        raise ValueError(f"no value is {sign} {number}")
    return low, high


def _lengths(number: int, sign: Comparison) -> Raw:
    low, high = _bounds(number, sign, LAST_LENGTH)
    if sign in ("==", "!="):
        return joined("and", [Length(low), Length(0, high)])
    return Length(low) if high == LAST_LENGTH else Length(0, high)
