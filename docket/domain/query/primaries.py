"""One term of a query's text, with the words before it. Pure; only `grammar` may import it.

    primary    = [ "inner" | "any" ] term | value | comparison | ( "after" | "before" ) TIME
    term       = [ side ] "host" ADDRESS | [ side ] "net" NETWORK | "ip" | "ip6" | "arp"
               | [ transport ] [ side ] "port" NUMBER [ "-" NUMBER ]
               | [ transport ] [ side ] "portrange" NUMBER "-" NUMBER
               | "tcp" | "udp" | "sctp" | "icmp" | "icmp6" | [ "ip" | "ip6" ] "proto" PROTOCOL
               | ( "ip" | "ip6" ) [ side ] ( "host" | "net" ) …  | "ether" ( "host" | "src" | "dst" ) MAC
               | "vlan" NUMBER | "mpls" NUMBER | "less" NUMBER | "greater" NUMBER | "flow" [ protocol ] END "-" END
    side       = "src" | "dst" | "src or dst" | "src and dst"
    value      = ADDRESS | NETWORK | ADDRESS ":" NUMBER | a link with an address | MAC

A bare value behind another term of its kind has the words of that one: `port 80 or 443`, as in libpcap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar, cast

from docket.domain.query import loose_values
from docket.domain.query.comparisons import Comparisons
from docket.domain.query.lexer import (
    BARE,
    ENDS,
    KINDS,
    NEGATIONS,
    SCOPES,
    SIDES,
    STARTS,
    Cursor,
    Group,
    Moment,
    Negation,
    Raw,
    Token,
    joined,
)
from docket.domain.query.terms import Direction, Length, Net, NetworkLayer, Port, Protocol
from docket.domain.query.value_reader import VALUES, WANTED, ValueReader
from docket.domain.query.value_readers import (
    WITH_PORTS,
    read_flow,
    read_mac,
    shown,
)
from docket.domain.timewindow import parse_duration_us, parse_time_us

T = TypeVar("T")

_VERSIONS = {"ip": 4, "ip6": 6}
_ETHERTYPES: dict[str, Literal["ip", "ip6", "arp"]] = {
    "ip": "ip",
    "0x0800": "ip",
    "0x800": "ip",
    "2048": "ip",
    "ip6": "ip6",
    "ipv6": "ip6",
    "0x86dd": "ip6",
    "34525": "ip6",
    "arp": "arp",
    "0x0806": "arp",
    "0x806": "arp",
    "2054": "arp",
}


@dataclass(frozen=True, slots=True)
class _Words:
    """What stands before a value."""

    kind: str = "host"
    sides: tuple[Direction, ...] = (None,)
    """All of them must hold."""
    protocol: int | None = None
    version: int | None = None


class Primaries(ValueReader):
    """Reads at a cursor. A method returns None where a fault kept it from reading anything."""

    def __init__(self, cursor: Cursor, moments: bool) -> None:
        super().__init__(cursor)
        self._moments = moments
        self._comparisons = Comparisons(cursor)
        self._last = _Words()
        self._last_scope = "outer"

    def read(self) -> Raw | None:
        """Read what begins at the cursor, which is at a token that neither joins nor opens anything."""
        token = self._expect()
        if self._comparisons.begins():
            return self._comparisons.read()
        if token.word in SCOPES:
            return self._scoped(token)
        self.start = token
        if token.word not in STARTS:
            return self._bare(token, self._last_scope)
        self._last_scope = "outer"
        return self._term(token)

    def _expect(self) -> Token:
        token = self.cursor.peek()
        assert token is not None
        return token

    def _scoped(self, word: Token) -> Raw | None:
        """The term behind `inner` or `any`."""
        cursor = self.cursor
        cursor.step()
        token = cursor.peek()
        if token is None or token.word in {*ENDS, *NEGATIONS, *SCOPES, "less", "greater", "after", "before"}:
            example = f"{word.word} needs a term behind it, like {word.word} host 10.1.2.3"
            cursor.fault("missing-value", example, token)
            return None
        self._last_scope = word.word
        raw = self._term(token) if token.word in STARTS else self._bare(token, "outer")
        return None if raw is None else scoped(raw, word.word)

    def _bare(self, token: Token, scope: str) -> Raw | None:
        """A value without a word, or something that is none. The scope is that of the term before it."""
        cursor = self.cursor
        found = loose_values.read(cursor, self._last.kind.startswith("port"))
        if found is None:
            loose_values.refuse(cursor, token)
            return None
        if isinstance(found, Port) or (isinstance(found, Net) and not self._last.kind.startswith("port")):
            raw = self._with_sides(self._last, found)
            return raw if scope == "outer" else scoped(raw, scope)
        return found

    def _term(self, token: Token) -> Raw | None:
        cursor, word = self.cursor, token.word
        cursor.step()
        match word:
            case "after" | "before":
                return self._moment(word, token)
            case "ip" | "ip6":
                return self._network_layer(token)
            case "arp":
                return NetworkLayer("arp")
            case "ether":
                return self._ether(token)
            case "flow":
                return self._flow()
            case _ if word in VALUES:
                return self.value_term(token)
            case _ if word in BARE:
                return self._transport(token)
            case _:
                cursor.step(-1)
                return self._addressed(_Words())

    def _transport(self, token: Token) -> Raw | None:
        """A protocol, alone or before the word port."""
        if token.word in WITH_PORTS:
            ahead = self._sides_ahead()[1]
            if self.cursor.word(ahead) in ("port", "portrange"):
                return self._addressed(_Words(protocol=WITH_PORTS[token.word]))
        return Protocol(BARE[token.word])

    def _network_layer(self, token: Token) -> Raw | None:
        """`ip` and `ip6`: alone, before proto, or before host and net."""
        cursor = self.cursor
        if cursor.word() == "proto":
            cursor.step()
            protocol = self.value_term(Token("proto", "proto", token.position))
            if token.word == "ip" or protocol is None:
                # stenographer's words, which mean both versions there.
                return protocol
            return joined("and", [NetworkLayer("ip6"), protocol])
        ahead = self._sides_ahead()[1]
        if cursor.word(ahead) in ("host", "net") or (ahead and cursor.word(ahead) not in ("port", "portrange")):
            return self._addressed(_Words(version=_VERSIONS[token.word]))
        return NetworkLayer("ip" if token.word == "ip" else "ip6")

    def _sides_ahead(self) -> tuple[tuple[Direction, ...], int]:
        """The direction written at the cursor, and how many words it takes."""
        cursor, first = self.cursor, self.cursor.word()
        if first not in SIDES:
            return (None,), 0
        side = cast(Direction, first)
        other, link = cursor.word(2), cursor.word(1)
        if link in ("and", "or") and other in SIDES and other != first:
            return ((None,) if link == "or" else ("src", "dst")), 3
        return (side,), 1

    def _addressed(self, words: _Words) -> Raw | None:
        """[ side ] [ kind ] value."""
        cursor = self.cursor
        sides, ahead = self._sides_ahead()
        before = cursor.peek(max(ahead - 1, 0))
        cursor.step(ahead)
        kind = cursor.peek()
        if kind is not None and kind.word in KINDS:
            cursor.step()
            words = replace(words, kind=kind.word, sides=sides)
        else:
            words = replace(words, sides=sides)
            kind = before
        assert kind is not None
        self._last = words
        found = self._value_of(words, kind)
        return None if found is None else self._with_sides(words, found)

    def _with_sides(self, words: _Words, found: Net | Port) -> Raw:
        if isinstance(found, Port):
            found = replace(found, protocol=words.protocol)
        return joined("and", [replace(found, direction=side) for side in words.sides])

    def _value_of(self, words: _Words, kind: Token) -> Net | Port | None:
        if words.kind in ("port", "portrange"):
            value = self.value(kind, WANTED[words.kind])
            return None if value is None else self.port(kind, value)
        net = self.net(kind) if kind.word == "net" else self.host(kind)
        if net is not None and words.version not in (None, net.network.version):
            self.cursor.fault(f"bad-{words.kind}", f"this address is not of IPv{words.version}", kind)
            return None
        return net

    def _ether(self, token: Token) -> Raw | None:
        cursor = self.cursor
        word = cursor.peek()
        if word is not None and word.word == "proto":
            cursor.step()
            return self._ether_proto()
        if word is None or word.word not in ("host", *SIDES):
            example = "ether stands before host, src or dst, as in ether host 00:1b:21:3c:4d:5e"
            cursor.fault("missing-value", example, word)
            cursor.skip()
            return None
        cursor.step()
        if word.word in SIDES and cursor.word() == "host":
            cursor.step()
        value = self.value(token, "a MAC address")
        if value is None:
            return None
        side = cast(Direction, word.word) if word.word in SIDES else None
        found = self.checked("bad-mac", value, lambda: read_mac(value.text))
        return None if found is None else replace(found, direction=side)

    def _ether_proto(self) -> Raw | None:
        value = self.cursor.peek()
        if value is None or value.word in ENDS:
            self.cursor.fault("missing-value", "proto needs a name or a number behind it", value)
            return None
        self.cursor.step()
        layer = _ETHERTYPES.get(value.word)
        if layer is None:
            message = f"{shown(value.text)} is not an EtherType that can be asked for; those are ip, ip6 and arp"
            self.cursor.fault("bad-proto", message, value)
            return None
        return NetworkLayer(layer)

    def _flow(self) -> Raw | None:
        """[ protocol ] END "-" END, with or without spaces around the sign."""
        cursor = self.cursor
        protocol = self._flow_protocol()
        ends: list[str] = []
        first = cursor.peek()
        while (word := cursor.peek()) is not None and word.word not in ENDS and word.word not in STARTS:
            if word.word in ("<", ">", "->"):
                cursor.step()
                continue
            pieces = [loose_values.refanged(piece) for piece in word.text.split("-") if piece]
            if len(ends) + len(pieces) > 2 or (len(ends) == 2 and word.text != "-"):
                break
            ends += pieces
            cursor.step()
        if first is None or len(ends) != 2:
            example = "a flow has two ends, like flow 10.1.2.3:50000 - 192.0.2.7:443"
            cursor.fault("bad-flow" if ends else "missing-value", example, first)
            cursor.skip()
            return None
        return self.checked("bad-flow", first, lambda: read_flow(ends[0], ends[1], protocol))

    def _flow_protocol(self) -> int | None:
        cursor = self.cursor
        if (number := BARE.get(cursor.word())) is not None:
            cursor.step()
            return number
        if cursor.word() == "proto":
            word = self._expect()
            cursor.step()
            term = self.value_term(word)
            return term.number if isinstance(term, Protocol) else None
        return None

    def _moment(self, edge: Literal["after", "before"], token: Token) -> Moment | None:
        cursor = self.cursor
        if not self._moments:
            message = f"the time window has fields of its own: give {edge} there, not in the query"
            cursor.fault("time-in-query", message, token)
            cursor.skip()
            return None
        time = self.value(token, "a time, like 2026-11-24T14:02:00Z or 15m ago,")
        if time is None:
            return None
        ago = cursor.word() == "ago"
        if ago:
            cursor.step()
        try:
            _ = parse_duration_us(time.text) if ago else parse_time_us(time.text, None)
        except ValueError as error:
            cursor.fault("bad-time", str(error), time)
            cursor.skip()
            return None
        return Moment(edge, time.text, token.position)


def scoped(raw: Raw, scope: str) -> Raw:
    """The same asked of inner layers, or of any."""
    match raw:
        case Group(word, parts, depth):
            return Group(word, tuple(scoped(part, scope) for part in parts), depth)
        case Negation(part):
            return Negation(scoped(part, scope))
        case Moment() | Length():
            return raw
        case _:
            return replace(raw, scope=cast(Literal["inner", "any"], scope))
