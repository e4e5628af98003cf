"""Values as people paste them, without a word before them; and what to write in place of what is none. Pure.

An address, a network, an address with a port, a link, a MAC address, each also defanged (1[.]2[.]3[.]4, hxxp://).
Only `primaries` and `comparisons` may import it.
"""

from __future__ import annotations

import re

from docket.domain.query.lexer import Cursor, Mended, Raw, Token, joined
from docket.domain.query.terms import EtherHost, Port
from docket.domain.query.value_readers import PROTOCOLS, read_end, read_host, read_mac, read_net, read_port, shown

_LINK = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://(?:[^/@?#]*@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?")
_PORTS_OF_LINKS = {
    "http": 80,
    "https": 443,
    "ws": 80,
    "wss": 443,
    "ftp": 21,
    "ssh": 22,
    "rdp": 3389,
    "smb": 445,
    "ldap": 389,
    "ldaps": 636,
    "dns": 53,
    "rtsp": 554,
    "sip": 5060,
}
_SERVICES = {
    "http": "80",
    "https": "443",
    "ssh": "22",
    "dns": "53",
    "domain": "53",
    "smtp": "25",
    "ftp": "21",
    "telnet": "23",
    "ntp": "123",
    "snmp": "161",
    "ldap": "389",
    "smb": "445",
    "rdp": "3389",
    "imap": "143",
}
_APPLICATIONS = {
    "http": "tcp port 80",
    "https": "tcp port 443",
    "tls": "tcp port 443",
    "ssl": "tcp port 443",
    "dns": "port 53",
    "ssh": "tcp port 22",
    "ntp": "udp port 123",
    "quic": "udp port 443",
    "dhcp": "port 67",
}
_OTHER_WORDS = {"ipv6": "ip6", "ipv4": "ip", "eth": "ether host", "mac": "ether host", "len": "greater", "rarp": None}
_NOT_ASKED = "no packet can be selected by {}; ask for a wider set, and filter the result"
_CANNOT = {
    "&": ("write && or and", "&&"),
    "|": ("write || or or", "||"),
    "broadcast": (_NOT_ASKED.format("broadcast"), None),
    "multicast": (_NOT_ASKED.format("multicast"), None),
    "gateway": (_NOT_ASKED.format("gateway"), None),
    "rarp": (_NOT_ASKED.format("RARP"), None),
}
_MOST_OCTETS = 3
_MOST_LISTED = 50


def refanged(text: str) -> str:
    """The text without what keeps programs from taking it for an address or a link."""
    for written, meant in (("[.]", "."), ("[:]", ":"), ("[dot]", "."), ("[://]", "://")):
        text = text.replace(written, meant)
    return re.sub(r"^(?i:hxxp)(?=s?:)", "http", text)


def read(cursor: Cursor, port_before: bool) -> Raw | None:
    """The value at the cursor, which is stepped over; None if it is none. A bare number is one behind a port only."""
    token = cursor.peek()
    if token is None:
        return None
    text = refanged(token.text)
    size = cursor.peek(2)
    try:
        if cursor.word(1) == "/" and size is not None:
            net = read_net(text, size.text)
            cursor.step(3)
            return net
        found = _one(text, port_before)
    except ValueError:
        return None
    if found is not None:
        cursor.step()
    return found


def _one(text: str, port_before: bool) -> Raw | None:
    """Raises ValueError."""
    if port_before and text[:1].isdigit() and "." not in text and ":" not in text:
        return read_port(text)
    if (link := _LINK.match(text)) is not None:
        return _link(link)
    mac = _mac(text)
    if mac is not None:
        return mac
    address, port = read_end(text)
    host = read_host(str(address))
    return host if port is None else joined("and", [host, Port(port)])


def _mac(text: str) -> EtherHost | None:
    try:
        return read_mac(text)
    except ValueError:
        return None


def _link(link: re.Match[str]) -> Raw:
    scheme, name, written = link.group(1).lower(), link.group(2), link.group(3)
    host = read_host(name.strip("[]"))
    if written:
        return joined("and", [host, read_port(written)])
    port = _PORTS_OF_LINKS.get(scheme)
    return host if port is None else joined("and", [host, Port(port)])


def refuse(cursor: Cursor, token: Token) -> None:
    """Write down what is wrong with a token that starts no term, and go behind it."""
    cursor.step()
    cursor.fault(*_sentence(token), token, _mended(token))
    cursor.skip()


def _sentence(token: Token) -> tuple[str, str]:
    text = refanged(token.text)
    if token.word in _CANNOT:
        return "cannot-ask", _CANNOT[token.word][0]
    if (link := _LINK.match(text)) is not None:
        return "bad-host", f"{shown(link.group(2))} is not an IP address; names are not looked up"
    if (other := _OTHER_WORDS.get(token.word)) is not None:
        return "unknown-word", f"{token.word} is not a word of the query language; write {other}"
    if token.word in PROTOCOLS:
        return "unknown-word", f"{token.word} alone is not a term; write proto {token.word}"
    if token.word in _APPLICATIONS:
        return "unknown-word", f"{token.word} is not distinguished here; write {_APPLICATIONS[token.word]}"
    if token.word.isdigit():
        return "unknown-word", f"a number needs a word before it: write port {shown(token.text)}"
    if re.fullmatch(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}", text, re.ASCII | re.IGNORECASE):
        return "unknown-word", f"{shown(text)} is not a word of the query language, and names are not looked up"
    return "unknown-word", f"{shown(token.text)} is not a word of the query language"


def _mended(token: Token) -> Mended | None:
    word = token.word
    text = _CANNOT[word][1] if word in _CANNOT else _OTHER_WORDS.get(word) or _APPLICATIONS.get(word)
    if text is None and word in PROTOCOLS:
        text = f"proto {word}"
    if text is None and word.isascii() and word.isdigit() and len(word) <= 5:
        text = f"port {word}"
    return None if text is None else Mended(token.position, token.end, text)


def ports_suggestion(start: Token, kind: Token, text: str, value: Token) -> Mended | None:
    """For a list of ports, a range written otherwise, or the name of a service. The term begins at `start`."""
    if (number := _SERVICES.get(value.word)) is not None:
        return Mended(value.position, value.end, number)
    pieces = [piece for piece in value.text.split(",") if piece]
    if 1 < len(pieces) <= _MOST_LISTED and all(piece.isascii() and piece.isdigit() for piece in pieces):
        words = text[start.position : kind.end]
        return Mended(start.position, value.end, f"({' or '.join(f'{words} {piece}' for piece in pieces)})")
    ends = re.fullmatch(r"(\d+)(?::|\.\.)(\d+)", value.text, re.ASCII)
    return None if ends is None else Mended(value.position, value.end, f"{ends[1]}-{ends[2]}")


def net_suggestion(word: Token, address: Token) -> Mended | None:
    """For an address behind `net`: a host, or as tcpdump reads the beginning of an address."""
    text = refanged(address.text)
    octets = text.split(".")
    if len(octets) <= _MOST_OCTETS and all(octet.isascii() and octet.isdigit() and len(octet) <= 3 for octet in octets):
        whole = ".".join([*octets, *["0"] * (4 - len(octets))])
        return Mended(address.position, address.end, f"{whole}/{8 * len(octets)}")
    try:
        read_host(text)
    except ValueError:
        return None
    return Mended(word.position, address.end, f"host {text}")
