"""Lets py-amqp read messages whose headers or routing key it cannot decode. For `bus.rabbitmq.connection`.

Any tool that may publish a request could else end every service that consumes it: py-amqp raises in the middle of
its reading, the broker delivers the message again, and so on for ever.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import Any

import amqp
from amqp import method_framing, serialization

log = logging.getLogger(__name__)

_METHOD, _HEADER = 1, 2

_DELIVER = struct.pack(">HH", 60, 60)
"""Class and method of basic.deliver."""

_CLASS_AND_SIZE_BYTES = 12
"""Of a content header: class, weight and body size; then come the properties (AMQP 0-9-1, 2.3.5.2)."""

_NO_PROPERTIES = b"\0\0"

_UNDECODABLE = (
    amqp.exceptions.AMQPError,
    ArithmeticError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What decoding hostile properties raises; a time out of range is a ValueError, an OverflowError or an OSError."""

Frame = tuple[int, int, bytes]


def frame_handler(connection: Any, callback: Callable[..., Any]) -> Callable[[Frame], bool]:
    """py-amqp's frame handler, which gets frames only that it can decode.

    Properties that cannot be decoded are left out, so the message arrives without headers; bytes of a routing key
    that are not ASCII, in a key that is not UTF-8, become question marks.
    """
    handle: Callable[[Frame], bool] = method_framing.frame_handler(connection, callback)

    def on_frame(frame: Frame) -> bool:
        kind, channel, payload = frame
        if kind == _METHOD and payload[:4] == _DELIVER:
            return handle((kind, channel, _with_readable_key(payload)))
        if kind == _HEADER and not _decodable(payload):
            log.warning("a message has properties that cannot be decoded; it is taken without them")
            return handle((kind, channel, payload[:_CLASS_AND_SIZE_BYTES] + _NO_PROPERTIES))
        return handle(frame)

    return on_frame


def _decodable(header: bytes) -> bool:
    try:
        serialization.decode_properties_basic(header, _CLASS_AND_SIZE_BYTES)
    except _UNDECODABLE:
        return False
    return True


def _with_readable_key(deliver: bytes) -> bytes:
    # Consumer tag, delivery tag (8 bytes), flags (1), exchange, routing key; texts have their length before them.
    exchange_at = 4 + 1 + deliver[4] + 9
    key_at = exchange_at + 1 + deliver[exchange_at] + 1
    key = deliver[key_at:]
    try:
        key.decode()
    except UnicodeDecodeError:
        return deliver[:key_at] + bytes(byte if byte < 0x80 else ord("?") for byte in key)
    return deliver
