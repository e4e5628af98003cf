"""The body of an HTTP answer as blocks of bytes, as they come, with proof of its end. For `steno_session` only.

Go's server sends an answer of unknown length in chunks of about 2 kB, and the readers of http.client and urllib3
hand out one chunk at a time, or wait for a round number of bytes. Here the framing comes off a quarter of a
megabyte at a time, at the same cost, and what has arrived is handed on at once as one block. A body that ends
before its last chunk, or short of its length, is an error.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
import ssl
from collections.abc import Iterator

import requests

from docket.domain.plain_text import printable
from docket.errors import SourceError
from docket.workers.sources.stenographer.interruptible_socket import InterruptibleSocket

BLOCK_BYTES = 256 * 1024
_LONGEST_SIZE_LINE = 1024
_EXCERPT_BYTES = 300
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")


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
        """The body as it comes, in blocks of up to 256 KiB. Raises SourceError, `cut`, unless its end is proved."""
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

    def _chunked(self, stream: io.BufferedReader) -> Iterator[bytes]:
        blocks = _blocks(stream)
        rest = b""
        left = 0
        for block in blocks:
            data = rest + block if rest else block
            pieces: list[bytes | memoryview] = []
            position, left, last = self._take_chunks(data, left, pieces)
            if pieces:
                yield b"".join(pieces)
            if last:
                self._expect_end(data[position:], blocks)
                return
            rest = data[position:]
        raise self._cut("its last chunk is missing")

    def _take_chunks(self, data: bytes, left: int, pieces: list[bytes | memoryview]) -> tuple[int, int, bool]:
        """Take the framing off as far as `data` goes.

        `left` counts the bytes that the chunk at the beginning of `data` still lacks, with its final CR LF.
        Returns (offset of what was not understood yet, new `left`, whether the last chunk was seen).
        """
        size = len(data)
        position = 0
        if left:
            end = left - 2
            if size < left:
                usable = max(0, min(end, size))
                pieces.append(memoryview(data)[:usable])
                return usable, left - usable, False
            pieces.append(memoryview(data)[:end])
            self._expect_line_end(data, end)
            position = left
        find = data.find
        add = pieces.append
        last_line, length = b"", 0  # nearly all chunks have the same length: read the number once
        while (line_end := find(b"\r\n", position)) >= 0:
            line = data[position:line_end]
            if line != last_line:
                last_line, length = line, self._chunk_size(line)
                if not length:
                    return line_end + 2, 0, True
            begin = line_end + 2
            end = begin + length
            if end + 2 > size:
                usable = min(end, size)
                add(data[begin:usable])
                return usable, end + 2 - usable, False
            add(data[begin:end])
            if data[end : end + 2] != b"\r\n":
                self._expect_line_end(data, end)
            position = end + 2
        if size - position > _LONGEST_SIZE_LINE:
            raise self._cut("a chunk begins without its size")
        return position, 0, False

    def _expect_line_end(self, data: bytes, position: int) -> None:
        if data[position : position + 2] != b"\r\n":
            raise self._cut("a chunk does not end where it should")

    def _chunk_size(self, line: bytes) -> int:
        digits = line.partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(digits):
            raise self._cut(f"a chunk begins with {printable(line) or 'nothing'} in place of its size")
        return int(digits, 16)

    def _expect_end(self, rest: bytes, blocks: Iterator[bytes]) -> None:
        """Read the trailer: lines up to an empty one."""
        while not (rest.startswith(b"\r\n") or b"\r\n\r\n" in rest):
            block = next(blocks, b"")
            if not block or len(rest) > _LONGEST_SIZE_LINE:
                raise self._cut("its last chunk is not whole")
            rest += block

    def _counted(self, stream: io.BufferedReader, length: int) -> Iterator[bytes]:
        if length == 0:
            return
        missing = length
        for block in _blocks(stream):
            missing -= len(block)
            yield block if missing >= 0 else block[:missing]
            if missing <= 0:
                return
        raise self._cut(f"{missing} of {length} bytes are missing")

    def _until_closed(self, stream: io.BufferedReader) -> Iterator[bytes]:
        yield from _blocks(stream)
        raise self._cut("it tells no length, so its end cannot be told from a broken connection")


def _blocks(stream: io.BufferedReader) -> Iterator[bytes]:
    """Whatever has arrived, up to 256 KiB at a time; waits only when nothing has."""
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
        yield bytes(view[:filled])


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (
            "the connection was closed without TLS close_notify" if isinstance(error, ssl.SSLEOFError) else "TLS failed"
        )
    return error.strerror or str(error)
