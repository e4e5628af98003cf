"""`python -m bench.floor`: the least that Python can do with two fast answers, step by step, in processor time per GB.

Received over TLS and freed of its chunks, written, found again record by record, put in order, written once more, and
hashed twice: nothing of a broker, of limits, of windows, of recovery. The figures stand in docs/performance.md.
"""

import hashlib
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httptools
import numpy as np

from bench.fast import FastStenographer
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.packet.records import positions
from tests.services.certificates import make_certificates

MEGABYTES = 300
"""Of each of two answers."""
_BLOCK_BYTES = 1 << 20
_PIECE_BYTES = 512 * 1024


class _Answer:
    """What httptools calls."""

    def __init__(self, file: int) -> None:
        self.ended = False
        self._file = file

    def on_body(self, piece: bytes) -> None:
        os.write(self._file, piece)

    def on_message_complete(self) -> None:
        self.ended = True


def receive(server: FastStenographer, path: Path) -> None:
    """One answer, from TLS to a file."""
    context = ssl.create_default_context(cafile=str(server.ca))
    context.check_hostname = False  # as stenographer's own, these certificates have the name where ssl does not look
    context.load_cert_chain(server.cert, server.key)
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    query = f"port {MEGABYTES}".encode()
    with path.open("wb") as file, _connected(server, context) as sock:
        answer = _Answer(file.fileno())
        parser = httptools.HttpResponseParser(answer)
        sock.sendall(b"POST /query HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(query), query))
        while not answer.ended:
            parser.feed_data(buffer[: sock.recv_into(buffer)])


def _connected(server: FastStenographer, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port)), server_hostname="127.0.0.1")


def merge(parts: list[Path], output: Path) -> None:
    """Both in the order of time."""
    with output.open("wb") as file:
        for blocks in zip(*map(_blocks, parts), strict=True):
            found = [positions(block) for block in blocks]
            order = np.concatenate([one.times for one in found]).argsort(kind="stable")
            records = b"".join(blocks)
            shifts = np.repeat((0, len(blocks[0])), [one.times.size for one in found])
            begins = (np.concatenate([one.offsets[:-1] for one in found]) + shifts)[order].tolist()
            ends = (np.concatenate([one.offsets[1:] for one in found]) + shifts)[order].tolist()
            file.write(b"".join([records[begin:end] for begin, end in zip(begins, ends, strict=True)]))


def digest(*paths: Path) -> None:
    """SHA-256 of each."""
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def _blocks(part: Path) -> Iterator[bytes]:
    """Records of 512 bytes fill them: those of the stand-in."""
    with part.open("rb") as file:
        file.seek(FILE_HEADER_BYTES)
        while block := file.read(_PIECE_BYTES):
            yield block


def _per_gb(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return (time.process_time() - began_s) / (2 * MEGABYTES * _BLOCK_BYTES / 1e9)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        parts, output = [place / "0.pcap", place / "1.pcap"], place / "merged.pcap"
        certificates = make_certificates(place / "certs", "127.0.0.1")
        servers = []
        try:
            for number, part in enumerate(parts):
                (place / str(number)).mkdir()
                servers.append(FastStenographer(place / str(number), number, certificates))
                part.touch()
            steps = {
                "received, freed of chunks, written": lambda: list(map(receive, servers, parts)),
                "found, put in order, written": lambda: merge(parts, output),
                "hashed, parts and result": lambda: digest(*parts, output),
            }
            for what, step in steps.items():
                print(f"{what}: {_per_gb(step):.2f} s/GB")
        finally:
            for server in servers:
                server.close()


if __name__ == "__main__":
    main()
