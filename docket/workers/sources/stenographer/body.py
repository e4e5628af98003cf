"""The body of an HTTP answer as blocks of bytes, as they come, with proof of its end. For `session` only.

Go's server sends an answer of unknown length in chunks of about 2 kB, and the readers of http.client and urllib3
hand out one chunk at a time, or wait for a round number of bytes. Here httptools takes the framing off up to a megabyte
at a time, and what has arrived is handed on at once as one block. A body that ends
before its last chunk, or short of its length, is an error.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
from collections.abc import Iterator

import httptools
import requests

from docket.domain.plain_text import printable
from docket.errors import SourceError
from docket.workers.sources.stenographer.interruptible_socket import InterruptibleSocket

BLOCK_BYTES = 1024 * 1024
_EXCERPT_BYTES = 300


class Body:
    """One answer, from its first body byte on. Use from one thread; `leave` when done, also in mid-stream."""

    def __init__(self, response: requests.Response, where: str) -> None:
        self.status = response.status_code
        self.content_type = response.headers.get("Content-Type", "")
        self._response = response
        self._where = where
        # requests and urllib3 offer no way to the stream below their own, slower, taking off of chunks.
        original = response.raw._fp
        assert isinstance(original, http.client.HTTPResponse)
        self._http = original
        self._stream: io.BufferedReader | None = original.fp  # None: the answer has no body
        self._finished = self._stream is None

    def blocks(self) -> Iterator[bytes]:
        """The body as it comes, in blocks of up to a megabyte. Raises SourceError, `cut`, unless its end is proved."""
        return map(b"".join, self.pieces())

    def pieces(self) -> Iterator[list[bytes]]:
        """The same blocks, each in the pieces that its chunks came in: who uses them joins them.

        Raises as `blocks` does.
        """
        try:
            if self._stream is None:
                return
            if self._http.chunked:
                yield from self._chunked(self._stream)
            elif self._http.length is not None:
                yield from self._counted(self._stream, self._http.length)
            else:
                yield from self._until_closed(self._stream)
            self._finished = True
        except OSError as error:
            raise self._cut(_reason(error)) from error

    def read_text(self, most_bytes: int) -> str:
        """A short body whole, as text. Raises SourceError if it is longer than `most_bytes`, or cut."""
        pieces: list[bytes] = []
        size = 0
        for block in self.blocks():
            pieces.append(block)
            size += len(block)
            if size > most_bytes:
                raise SourceError("refused", f"{self._where} answered more than {most_bytes} bytes to a short question")
        return b"".join(pieces).decode("utf-8", "replace")

    def excerpt(self) -> str:
        """The beginning of an error's text, on one line and harmless to print."""
        try:
            first = next(self.blocks(), b"")
        except SourceError:
            return ""
        return printable(first[:_EXCERPT_BYTES])

    def leave(self) -> None:
        """Give the connection back for the next request if the body was read to its end, else drop it at once."""
        if self._finished:
            self._http.close()
            self._response.raw.release_conn()
            return
        connection = self._response.raw.connection
        sock = getattr(connection, "sock", None)
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):  # it may be gone already
                sock.shutdown(socket.SHUT_RDWR)
        self._http.close()
        self._response.close()

    def _cut(self, why: str) -> SourceError:
        return SourceError("cut", f"The answer of {self._where} broke off: {why}")

    def _chunked(self, stream: io.BufferedReader) -> Iterator[list[bytes]]:
        chunks = Chunks()
        for block in _blocks(stream):
            try:
                pieces = chunks.take(block)
            except httptools.HttpParserError as error:
                raise self._cut(f"its chunks are not framed as they should be: {error}") from error
            if pieces:
                yield pieces
            if chunks.ended:
                return
        raise self._cut("its last chunk is missing")

    def _counted(self, stream: io.BufferedReader, length: int) -> Iterator[list[bytes]]:
        if length == 0:
            return
        missing = length
        for block in _blocks(stream):
            missing -= len(block)
            yield [bytes(block if missing >= 0 else block[:missing])]
            if missing <= 0:
                return
        raise self._cut(f"{missing} of {length} bytes are missing")

    def _until_closed(self, stream: io.BufferedReader) -> Iterator[list[bytes]]:
        for block in _blocks(stream):
            yield [bytes(block)]
        raise self._cut("it names no length, so its end cannot be distinguished from a broken connection")


class Chunks:
    """Takes the framing of chunks off (RFC 9112, section 7.1). The parser calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        self.ended = False
        """Whether the last chunk and the trailer were seen whole."""
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        # RFC 9112, 7.1.1, has readers pass over them.
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        self._parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self.ended = True

    def take(self, block: bytes | memoryview) -> list[bytes]:
        """The body's bytes in this block, a piece of each chunk. Raises HttpParserError for what is no chunk."""
        try:
            self._parser.feed_data(block)
        except httptools.HttpParserError:
            if not self.ended:  # what follows the body is no part of it
                raise
        pieces, self._pieces = self._pieces, []
        return pieces


def _blocks(stream: io.BufferedReader) -> Iterator[bytes | memoryview]:
    """Whatever has arrived, up to a megabyte at a time; waits only when nothing has. A block is good until the next."""
    read_ahead = stream.peek()
    if not read_ahead:
        return
    yield stream.read(len(read_ahead))
    raw = stream.raw
    assert isinstance(raw, InterruptibleSocket)
    view = memoryview(bytearray(BLOCK_BYTES))
    received = 0
    while filled := raw.fill(view, received):
        received += filled
        yield view[:filled]


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (
            "the connection was closed without TLS close_notify" if isinstance(error, ssl.SSLEOFError) else "TLS failed"
        )
    return error.strerror or str(error)
