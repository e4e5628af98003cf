"""`python -m bench.chunks`: how fast the framing of chunks comes off an answer, beside http.client on the same bytes.

The figures stand in docs/decisions/0019-httptools.md. Pure processor time; nothing is sent over a network.
"""

import http.client
import io
import os
import socket
import time
from collections.abc import Callable
from typing import cast

from docket.workers.sources.stenographer.body import BLOCK_BYTES, Chunks

SIZES_BYTES = (512, 2_048, 8_192, 32_768)
"""Stenographer's chunks have about 2 kB."""
BODY_BYTES = 100_000_000
RUNS = 3


class _Socket:
    """As much of a socket as http.client reads."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(cast(io.RawIOBase, io.BytesIO(self._answer)), BLOCK_BYTES)


def framed(size_bytes: int) -> tuple[bytes, int]:
    """A chunked body, and how many bytes are in its chunks."""
    count = BODY_BYTES // size_bytes
    chunk = b"%x\r\n%b\r\n" % (size_bytes, os.urandom(size_bytes))
    return chunk * count + b"0\r\n\r\n", count * size_bytes


def by_docket(body: bytes) -> int:
    """Bytes in the chunks, as the worker takes them out."""
    chunks = Chunks()
    view = memoryview(body)
    taken = sum(sum(map(len, chunks.take(view[at : at + BLOCK_BYTES]))) for at in range(0, len(body), BLOCK_BYTES))
    assert chunks.ended
    return taken


def by_http_client(body: bytes) -> int:
    """The same, as http.client does."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    response = http.client.HTTPResponse(cast(socket.socket, _Socket(answer)))
    response.begin()
    taken = 0
    while piece := response.read1(BLOCK_BYTES):
        taken += len(piece)
    return taken


def speed(read: Callable[[bytes], int], body: bytes, inside_bytes: int) -> float:
    """GB per second of processor, the best of some runs."""
    best_s = float("inf")
    for _ in range(RUNS):
        began_s = time.process_time()
        assert read(body) == inside_bytes
        best_s = min(best_s, time.process_time() - began_s)
    return inside_bytes / best_s / 1e9


def main() -> None:
    print("chunk of bytes  Docket GB/s  http.client GB/s")
    for size_bytes in SIZES_BYTES:
        body, inside_bytes = framed(size_bytes)
        print(
            f"{size_bytes:14,}  {speed(by_docket, body, inside_bytes):11.2f}  "
            f"{speed(by_http_client, body, inside_bytes):16.2f}"
        )


if __name__ == "__main__":
    main()
