"""Reads the values behind the words of a term, and writes down what is wrong with them. Pure; for `primaries`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from docket.domain.query import loose_values
from docket.domain.query.lexer import BARE, ENDS, SIDES, STARTS, Cursor, Mended, Token
from docket.domain.query.terms import Net, Port, Term
from docket.domain.query.value_readers import (
    greater,
    less,
    read_host,
    read_masked_net,
    read_mpls,
    read_net,
    read_port,
    read_port_range,
    read_protocol,
    read_vlan,
)

T = TypeVar("T")

WANTED = {
    "host": "an address",
    "port": "a number",
    "portrange": "two ports, like 1000-2000,",
    "proto": "a name or a number",
    "vlan": "a number",
    "mpls": "a label",
    "less": "a length in bytes",
    "greater": "a length in bytes",
}
VALUES: dict[str, Callable[[str], Term]] = {
    "proto": read_protocol,
    "vlan": read_vlan,
    "mpls": read_mpls,
    "less": less,
    "greater": greater,
}
_CODES = {"portrange": "bad-port", "less": "bad-length", "greater": "bad-length"}


class ValueReader:
    """Reads at a cursor. A method returns None where a fault kept it from reading anything."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.start = Token("", "", 0)
        """Where the term begins."""

    def port(self, kind: Token, value: Token) -> Port | None:
        read_it = read_port if kind.word == "port" else read_port_range
        return self.checked(
            "bad-port",
            value,
            lambda: read_it(value.text),
            lambda: loose_values.ports_suggestion(self.start, kind, self.cursor.text, value),
        )

    def host(self, kind: Token) -> Net | None:
        cursor = self.cursor
        value = self.value(kind, "an address")
        if value is None:
            return None
        text = loose_values.refanged(value.text)
        size = cursor.peek(1)
        if cursor.word() == "/" and size is not None and kind.word in SIDES:
            cursor.step(2)
            return self.checked("bad-net", value, lambda: read_net(text, size.text))
        if cursor.word() == "/":
            mended = Mended(kind.position, kind.end, "net")
            cursor.fault("bad-host", "host takes one address; write net for a network", kind, mended)
            cursor.skip()
            return None
        return self.checked("bad-host", value, lambda: read_host(text))

    def value_term(self, token: Token) -> Term | None:
        value = self.value(token, WANTED[token.word])
        if value is None:
            return None
        code = _CODES.get(token.word, f"bad-{token.word}")
        return self.checked(code, value, lambda: VALUES[token.word](value.text))

    def value(self, before: Token, wanted: str) -> Token | None:
        """The token behind another, if it can be a value."""
        token = self.cursor.peek()
        named = before.word == "proto" and token is not None and token.word in BARE
        if token is None or token.word in ENDS or token.word == "!" or (token.word in STARTS and not named):
            self.cursor.fault("missing-value", f"{before.text} needs {wanted} behind it", token)
            return None
        self.cursor.step()
        return token

    def checked(
        self, code: str, value: Token, make: Callable[[], T], mend: Callable[[], Mended | None] | None = None
    ) -> T | None:
        """What `make` reads of the value; `mend` is asked for a suggestion only where that is faulty."""
        try:
            return make()
        except ValueError as error:
            self.cursor.fault(code, str(error), value, None if mend is None else mend())
            self.cursor.skip()
            return None

    def net(self, token: Token) -> Net | None:
        cursor = self.cursor
        address = self.value(token, "an address and its prefix length, like 10.0.0.0/8,")
        if address is None:
            return None
        link = cursor.peek()
        if link is None or link.word not in ("/", "mask"):
            message = "a network needs its prefix length, like 10.0.0.0/8; write host for one address"
            cursor.fault("bad-net", message, link, loose_values.net_suggestion(token, address))
            cursor.skip()
            return None
        cursor.step()
        size = self.value(link, "a mask" if link.word == "mask" else "a prefix length")
        if size is None:
            return None
        read_it = read_masked_net if link.word == "mask" else read_net
        return self.checked("bad-net", address, lambda: read_it(loose_values.refanged(address.text), size.text))
