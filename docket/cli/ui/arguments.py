"""Values on the command line, written as in the configuration file: `500MB`, `20m`, `127.0.0.1:8080`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from socket import getservbyname
from typing import TypeVar

from docket.config import values

T = TypeVar("T")


def amount(raw: str) -> int:
    """A count or a size, at least 1."""
    return _positive(_checked(values.size_bytes, raw))


def seconds(raw: str) -> int:
    """A duration of at least one second."""
    return _positive(_checked(values.duration_s, raw))


def listen(raw: str) -> str:
    """An address to listen on."""
    return _checked(values.listen, raw)


def tcp_address(raw: str) -> tuple[str, int]:
    """Host and port."""
    address = _checked(values.listen_address, raw)
    if not isinstance(address, values.TcpAddress):
        raise argparse.ArgumentTypeError("it must be like 127.0.0.1:9471")
    return address.host, address.port


def bus_url(raw: str) -> str:
    """The address of a bus."""
    return _checked(values.bus_url, raw)


def _checked(read: Callable[[str], T], raw: str) -> T:
    try:
        return read(raw)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _positive(value: int) -> int:
    if value < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return value


def sender(written: str) -> dict[str, object]:
    """`ADDR` or `ADDR,PORT`, the port as a number or by its name, as the API takes it."""
    address, comma, port = written.partition(",")
    if not comma:
        return {"address": address}
    if port.isascii() and port.isdigit():
        return {"address": address, "port": int(port)}
    try:
        return {"address": address, "port": getservbyname(port)}
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{port!r} is no port; write ADDR or ADDR,PORT") from error
