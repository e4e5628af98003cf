"""A stand-in for stenographer that has packets ready faster than anybody takes them, to see Docket's own limit.

A process of its own: `python -m bench.fast DIRECTORY PORT NUMBER`. It speaks what the worker needs: mutual TLS,
`POST /query`, `/debug/stats`. `port N` in the query asks for N megabytes; `udp` for packets that trickle, one in a
tenth of a second, for three seconds. Packets have 496 bytes, ten thousand or so to a second of their own time. Those
before the second that `after` names are left out: whoever asks whether anything follows is not sent all once more.
"""

import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from docket.packet.pcap import RECORD_HEADER, file_header
from tests.services.certificates import Certificates, make_certificates
from tests.services.child import ChildProcess
from tests.services.ports import free_port, listening
from tests.services.waiting import wait_until

START_S = 1_790_000_000
"""Time of the first packet, in seconds since 1970 UTC."""

_RECORD_BYTES = 512
_RECORDS = 2048
BLOCK_BYTES = _RECORD_BYTES * _RECORDS
_BLOCKS_PER_S = 10
_STEP_US = 1_000_000 // _BLOCKS_PER_S // _RECORDS
_CHUNK_BEGIN, _CHUNK_END = b"%x\r\n" % BLOCK_BYTES, b"\r\n"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_TRICKLE_PACKETS, _TRICKLE_PAUSE_S = 30, 0.1
_FIRST_BYTE = "first-byte"


class FastStenographer:
    """One of them as a child process."""

    def __init__(self, directory: Path, number: int, certificates: Certificates | None = None) -> None:
        """`number` shifts the packets' times by so many microseconds. The directory must exist."""
        self.directory = directory
        self.certificates = certificates or make_certificates(directory / "certs", "127.0.0.1")
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        words = [str(self.certificates.directory), str(directory), str(self.port), str(number)]
        self._child = ChildProcess([sys.executable, "-m", "bench.fast", *words], directory / "fast.log")
        wait_until(lambda: listening(self.port), "the fast stand-in")

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def ca(self) -> Path:
        return self.certificates.ca

    @property
    def cert(self) -> Path:
        return self.certificates.cert

    @property
    def key(self) -> Path:
        return self.certificates.key

    def close(self) -> None:
        """End it."""
        self._child.kill()

    def first_byte_s(self) -> float:
        """When the first packet since `forget_first_byte` was sent, by `time.perf_counter`, which all share."""
        return float((self.directory / _FIRST_BYTE).read_text())

    def forget_first_byte(self) -> None:
        """Note the next one."""
        (self.directory / _FIRST_BYTE).unlink(missing_ok=True)


def window_of(megabytes: int) -> tuple[str, str]:
    """A window that holds so many megabytes of every stand-in."""
    seconds = max(megabytes / _BLOCKS_PER_S, _TRICKLE_PACKETS) + 1
    return tuple(  # type: ignore[return-value]
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) for moment in (START_S, START_S + seconds)
    )


@cache
def _templates(number: int) -> list[bytes]:
    """The blocks of one second, as chunks of HTTP, with the second left out."""
    frame = b"\x02" * 12 + b"\x08\x00" + bytes(range(256)) * 2
    frame = frame[: _RECORD_BYTES - RECORD_HEADER.size]
    templates = []
    for block in range(_BLOCKS_PER_S):
        base_us = block * (1_000_000 // _BLOCKS_PER_S) + number
        headers = (
            RECORD_HEADER.pack(0, base_us + record * _STEP_US, len(frame), len(frame)) for record in range(_RECORDS)
        )
        templates.append(_CHUNK_BEGIN + b"".join(header + frame for header in headers) + _CHUNK_END)
    return templates


def _chunks(templates: list[bytes], megabytes: int, after_s: int) -> Iterator[bytearray]:
    own: dict[int, bytearray] = {}
    for block in range(max(after_s - START_S, 0) * _BLOCKS_PER_S, megabytes):
        number = block % _BLOCKS_PER_S
        if number not in own:
            own[number] = bytearray(templates[number])
        chunk = own[number]
        second = (START_S + block // _BLOCKS_PER_S).to_bytes(4, "little")
        for place, byte in enumerate(second, len(_CHUNK_BEGIN)):
            # One assignment for all records: the same byte of each, since they are equally long.
            chunk[place : place + BLOCK_BYTES : _RECORD_BYTES] = bytes((byte,)) * _RECORDS
        yield chunk


def _trickle(number: int) -> Iterator[bytes]:
    for packet in range(_TRICKLE_PACKETS):
        record = RECORD_HEADER.pack(START_S + packet // 10, packet % 10 * 100_000 + number, 60, 60) + bytes(60)
        yield b"%x\r\n%b\r\n" % (len(record), record)
        time.sleep(_TRICKLE_PAUSE_S)


def _after_s(query: str) -> int:
    """The first second that is asked for; 0 where none is named."""
    after = re.search(r"\bafter (\S+)", query)
    return int(datetime.fromisoformat(after[1]).timestamp()) if after else 0


def _answer(sock: ssl.SSLSocket, query: str, place: Path, number: int) -> None:
    sock.sendall(_HEAD + b"18\r\n" + file_header(snaplen=65536) + b"\r\n")
    port = re.search(r"port (\d+)", query)
    chunks: Iterator[bytes | bytearray] = iter(())
    after_s = _after_s(query)
    if ("udp" in query or "proto 17" in query) and after_s <= START_S:
        chunks = _trickle(number)
    elif port:
        chunks = iter(_chunks(_templates(number), int(port[1]), after_s))
    first_byte = place / _FIRST_BYTE
    for count, chunk in enumerate(chunks):
        # A job asks more than once, since it proves the end of an answer: the first time counts.
        if not count and not first_byte.exists():
            first_byte.write_text(repr(time.perf_counter()))
        sock.sendall(chunk)
    sock.sendall(b"0\r\n\r\n")


def _serve(sock: ssl.SSLSocket, place: Path, number: int) -> None:
    """The requests of one connection."""
    stream: Any = sock.makefile("rb")
    while request := stream.readline():
        length = 0
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = stream.read(length).decode()
        if request.startswith(b"POST /query"):
            _answer(sock, body, place, number)
        elif b"/debug/stats" in request:
            text = b"oldest_timestamp\t%d\n" % ((START_S - 1000) * 10**9)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
        else:
            sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def _connection(raw: socket.socket, context: ssl.SSLContext, place: Path, number: int) -> None:
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with context.wrap_socket(raw, server_side=True) as sock:
            _serve(sock, place, number)
    except OSError:
        pass  # whoever asked has left


def main() -> None:
    """Serve until killed."""
    certificates, place, port, number = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    _templates(number)  # ready before anybody asks
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server_cert.pem", certificates / "server_key.pem")
    context.load_verify_locations(certificates / "ca_cert.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=_connection, args=(raw, context, place, number), daemon=True).start()


if __name__ == "__main__":
    main()
