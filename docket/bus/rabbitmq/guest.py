"""RabbitMQ's own user `guest`, an administrator whose password everybody knows: who uses it, and whether it works.

RabbitMQ lets it in over the loopback alone, which is where any local user is, too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import amqp
from amqp.exceptions import AMQPError

from docket.bus.rabbitmq.address import Address, parse_address

NAME = "guest"
PASSWORD = "guest"
LOGIN_TIMEOUT_S = 2.0

_NOT_ALLOWED = 530
"""The vhost is not there, or not for this user."""


def uses_guest(url: str, tls: Mapping[str, str]) -> bool:
    """Whether the address logs in with the known password. Raises ConfigError."""
    address = parse_address(url, tls)
    return (address.user, address.password) == (NAME, PASSWORD)


def is_local(url: str, tls: Mapping[str, str]) -> bool:
    """Whether the broker of the address is on this machine. Raises ConfigError."""
    host = parse_address(url, tls).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def guest_enters(url: str, tls: Mapping[str, str]) -> bool:
    """Whether the broker of the address lets `guest` in, with the known password. Raises ConfigError.

    A broker that does not answer lets no one in. Each refusal is a line in the broker's log.
    """
    address = parse_address(url, tls)
    try:
        with _connection(address) as connection:
            connection.connect()
    except AMQPError as error:
        # The password is looked at before the vhost.
        return getattr(error, "reply_code", 0) == _NOT_ALLOWED
    except OSError:
        return False
    return True


def _connection(address: Address) -> amqp.Connection:
    tls = {"ssl": {"ca_certs": address.ca, "server_hostname": address.host}} if address.tls else {}
    return amqp.Connection(
        host=f"{address.host}:{address.port}",
        userid=NAME,
        password=PASSWORD,
        virtual_host=address.vhost,
        connect_timeout=LOGIN_TIMEOUT_S,
        read_timeout=LOGIN_TIMEOUT_S,
        **tls,
    )
