"""Frames of AMQP out of whatever pieces the network makes of them."""

import socket
import struct
from collections.abc import Iterator

import pytest
from amqp.exceptions import UnexpectedFrame

from docket.bus.rabbitmq.buffered_transport import BufferedTransport

FRAMES = [(1, 1, b"method"), (2, 1, b""), (3, 7, b"x" * 200_000)]


@pytest.fixture
def transport() -> Iterator[tuple[BufferedTransport, socket.socket]]:
    """A transport over a pair of sockets, and the broker's end of it."""
    ours, brokers = socket.socketpair()
    made = BufferedTransport("127.0.0.1:5672")
    made.sock = ours
    made._setup_transport()
    made.connected = True
    with ours, brokers:
        yield made, brokers


def encoded(kind: int, channel: int, payload: bytes, end: int = 0xCE) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])


def available(reader: BufferedTransport) -> list[tuple[int, int, bytes]]:
    """The frame that is here by now, if there is one."""
    try:
        return [reader.frame(0)]
    except TimeoutError:
        return []


def test_frames_come_whole_however_they_were_cut(transport: tuple[BufferedTransport, socket.socket]) -> None:
    """A frame is given when its last byte is here, and not before; what follows it waits."""
    reader, broker = transport
    taken: list[tuple[int, int, bytes]] = []
    for byte in b"".join(encoded(*frame) for frame in FRAMES[:2]):
        broker.send(bytes([byte]))
        taken += available(reader)
    assert taken == FRAMES[:2]
    assert not reader.has_frame


def test_large_frame_behind_a_small_one(transport: tuple[BufferedTransport, socket.socket]) -> None:
    """Frames that are larger than what is read at once come whole, with what stands before and behind them."""
    reader, broker = transport
    stream = b"".join(encoded(*frame) for frame in FRAMES + FRAMES[:1])
    broker.setblocking(False)
    taken: list[tuple[int, int, bytes]] = []
    while len(taken) < 4:
        if stream:
            stream = stream[broker.send(stream) :]
        taken += available(reader)
    assert taken == FRAMES + FRAMES[:1]
    assert not reader.has_frame


def test_spoiled_frame_and_end_of_connection(transport: tuple[BufferedTransport, socket.socket]) -> None:
    """A frame without its last byte is an error of the protocol, a closed connection one of the network."""
    reader, broker = transport
    broker.send(encoded(1, 1, b"method", end=0))
    with pytest.raises(UnexpectedFrame):
        reader.frame(1)
    broker.close()
    reader._received.clear()
    with pytest.raises(ConnectionResetError):
        reader.frame(1)
    assert not reader.connected


def test_what_is_written_together_leaves_at_once(transport: tuple[BufferedTransport, socket.socket]) -> None:
    """Nothing leaves before the end of the block, and then each piece as it was when it was written."""
    writer, broker = transport
    broker.setblocking(False)
    piece = bytearray(b"one")
    with writer.together():
        writer.write(memoryview(piece))
        piece[:] = b"two"
        writer.write(memoryview(piece))
        with pytest.raises(BlockingIOError):
            broker.recv(10)
    assert broker.recv(10) == b"onetwo"
    writer.write(b"alone")
    assert broker.recv(10) == b"alone"
