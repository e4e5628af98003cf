"""Counts HTTP requests that are alike, with how they were answered. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from docket.workers.inspector.transactions.field_values import Values, display_text

MOST_REQUESTS = 100_000
SHOWN = 500
LONGEST_TEXT = 500


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one method for one address with one status. Text of strangers."""

    method: str
    host: str
    uri: str
    status: int | None
    """None: no answer was seen."""
    count: int
    packet: int
    """Of the first of them."""
    filter: str
    status_filter: str


@dataclass(slots=True)
class _Asked:
    packet: int
    method: str
    host: str
    uri: str
    status: int | None = None


class HttpCounter:
    """Fed with the fields of each packet."""

    def __init__(self) -> None:
        self.truncated = False
        self._asked: dict[tuple[str, int], _Asked] = {}
        """By connection and number of the packet, or of the stream within the connection (HTTP/2)."""

    def add(self, values: Values) -> None:
        packet = values.number("frame.number")
        if method := values.text("http.request.method"):
            self._ask(("", packet), packet, method, values.text("http.host"), values.text("http.request.uri"))
        if code := values.number("http.response.code"):
            self._answer(("", values.number("http.request_in")), code)
        if values.text("http2.streamid"):
            self._add_second(packet, values)

    def _add_second(self, packet: int, values: Values) -> None:
        """HTTP/2, of which a packet may carry several; only what is plainly of one is taken."""
        key = (values.text("tcp.stream"), max(values.numbers("http2.streamid"), default=0))
        if method := values.text("http2.headers.method"):
            host, path = values.text("http2.headers.authority"), values.text("http2.headers.path")
            self._ask(key, packet, method, host, path)
        if code := values.number("http2.headers.status"):
            self._answer(key, code)

    def _ask(self, key: tuple[str, int], packet: int, method: str, host: str, uri: str) -> None:
        if len(self._asked) >= MOST_REQUESTS:
            self.truncated = True
            return
        self._asked[key] = _Asked(packet, method[:LONGEST_TEXT], host[:LONGEST_TEXT], uri[:LONGEST_TEXT])

    def _answer(self, key: tuple[str, int], code: int) -> None:
        asked = self._asked.get(key)
        if asked is not None and asked.status is None:
            asked.status = code

    @property
    def total(self) -> int:
        return len(self._asked)

    def requests(self) -> tuple[HttpRequest, ...]:
        """The most frequent first, then in the order of the file."""
        kinds: dict[tuple[str, str, str, int | None], list[int]] = {}
        for asked in self._asked.values():
            kinds.setdefault((asked.method, asked.host, asked.uri, asked.status), []).append(asked.packet)
        most = sorted(kinds.items(), key=lambda item: (-len(item[1]), item[1][0]))[:SHOWN]
        return tuple(_request(kind, packets) for kind, packets in most)


def _request(kind: tuple[str, str, str, int | None], packets: list[int]) -> HttpRequest:
    method, host, uri, status = kind
    terms = [_held("http.host", host), _held("http.request.uri", uri)]
    return HttpRequest(
        method=method,
        host=host,
        uri=uri,
        status=status,
        count=len(packets),
        packet=packets[0],
        filter=" and ".join([f"http.request.method == {display_text(method)}", *(term for term in terms if term)]),
        status_filter="" if status is None else f"http.response.code == {status}",
    )


def _held(name: str, value: str) -> str:
    """A value that was shortened is the beginning of what is in the packet."""
    sign = "contains" if len(value) >= LONGEST_TEXT else "=="
    return f"{name} {sign} {display_text(value)}" if value else ""
