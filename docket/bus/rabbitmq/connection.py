"""One connection to RabbitMQ through kombu, for one thread. Only the AMQP modules of `bus` import it.

kombu reconnects silently in many places, which would hide that deliveries have become void. So this never
reuses a connection that had an error: who sees one of `LOST` drops the connection and opens another.
"""

from __future__ import annotations

import errno
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

import amqp
import kombu

from docket.bus.rabbitmq import lenient_codec
from docket.bus.rabbitmq.address import CONNECT_TIMEOUT_S, UNANSWERED_MS, Address
from docket.bus.rabbitmq.buffered_transport import BufferedKombu
from docket.errors import BusLost, BusRefused

LOST = (amqp.exceptions.AMQPError, OSError)
"""What py-amqp raises when a connection or a channel came to its end."""

_REFUSALS = (amqp.exceptions.AccessRefused, amqp.exceptions.NotAllowed)
"""The login is wrong, or the vhost is not there or not for this user."""

_CLOSE_TIMEOUT_S = 1.0
"""A broker that blocks its publishers does not read, so it would not answer to a farewell either."""

_FRAME_TIMEOUT_S = 0.02
"""After the socket became readable: long enough for the rest of a frame, short enough to hear of a wake."""

_BEAT_EVERY_S = 2.0


def account_of(address: Address) -> str:
    """The user whose name messages carry. Raises BusLost."""
    try:
        return address.account
    except (OSError, ValueError) as error:
        raise BusLost(f"cannot tell the user from the certificate: {error}") from error


class BrokerConnection:
    """An open connection. Not safe between threads."""

    def __init__(
        self,
        address: Address,
        name: str,
        *,
        heartbeat_s: int,
        on_blocked: Callable[[str], None] | None = None,
        on_unblocked: Callable[[], None] | None = None,
    ) -> None:
        """Connect to the first node that answers, in about CONNECT_TIMEOUT_S each at most.

        `name` is what the broker lists. Raises BusLost, which names the last node that was tried.
        """
        options: dict[str, Any] = {
            "client_properties": {"connection_name": name, "product": "Docket"},
            "socket_settings": {socket.TCP_USER_TIMEOUT: UNANSWERED_MS},
            "frame_handler": lenient_codec.frame_handler,
            "on_blocked": on_blocked,
            "on_unblocked": on_unblocked,
        }
        self._address = address
        self._kombu, self._amqp = _first_that_answers(address, heartbeat_s, options)
        self._poll = select.poll()
        self._poll.register(self._amqp.sock, select.POLLIN)
        self._beat_at_s = time.monotonic() + _BEAT_EVERY_S

    @property
    def account(self) -> str:
        """Raises BusLost."""
        return account_of(self._address)

    @property
    def cluster(self) -> str:
        """The name of the broker's cluster, as the broker itself says."""
        return str((self._amqp.server_properties or {}).get("cluster_name", ""))

    def channel(self) -> Any:
        """Open a channel. Raises LOST."""
        channel = self._kombu.transport.create_channel(self._amqp)
        # Else py-amqp turns a body into text where its publisher named an encoding.
        channel.auto_decode = False
        return channel

    def also_wake_on(self, fd: int) -> None:
        """Let `wait` end as well when this file becomes readable."""
        self._poll.register(fd, select.POLLIN)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the broker to say something, or for a wake. True: there is something to `drain`."""
        if self._amqp.has_frame:
            return True
        sock = self._amqp.sock
        ready = self._poll.poll(max(timeout_s, 0.0) * 1000)
        return any(fd == sock.fileno() for fd, _ in ready)

    def drain(self, timeout_s: float = _FRAME_TIMEOUT_S) -> bool:
        """Read one thing that the broker says and run its callbacks. False: nothing whole came. Raises LOST."""
        try:
            self._kombu.transport.drain_events(self._amqp, timeout=timeout_s)
        except TimeoutError as error:
            # The same class is what the kernel reports when it gave the connection up.
            if error.errno == errno.ETIMEDOUT:
                raise
            return False
        return True

    def together(self) -> AbstractContextManager[None]:
        """Write all that is published in the block at its end, at once. Raises LOST."""
        together: AbstractContextManager[None] = self._amqp.together()
        return together

    def beat(self) -> None:
        """Send and check heartbeats, where they are due. Call it after reading. Raises LOST."""
        now_s = time.monotonic()
        if now_s >= self._beat_at_s:
            self._beat_at_s = now_s + _BEAT_EVERY_S
            self._kombu.transport.heartbeat_check(self._amqp)

    def close(self) -> None:
        """Say farewell, then close. Unsettled deliveries go back to their queues."""
        # Asked for the socket after its end, py-amqp would open another one.
        if self._amqp.connected:
            with suppress(*LOST):
                self._amqp.sock.settimeout(_CLOSE_TIMEOUT_S)
                self._kombu.transport.close_connection(self._amqp)
        self.abandon()

    def abandon(self) -> None:
        """Close the socket at once."""
        self._amqp.collect()
        self._kombu.collect()


def reason_of(error: BaseException) -> str:
    """Why the connection ended, as one line. py-amqp hides the broker's word behind its own clean-up errors."""
    said: BaseException = error
    while not isinstance(said, amqp.exceptions.AMQPError) and said.__context__ is not None:
        said = said.__context__
    chosen = said if isinstance(said, amqp.exceptions.AMQPError) else error
    return " ".join(str(chosen).split()) or type(chosen).__name__


def _first_that_answers(address: Address, heartbeat_s: int, options: dict[str, Any]) -> tuple[Any, Any]:
    """kombu's connection to a node and py-amqp's in it. Raises BusLost, for the last node."""
    *before, last = address.nodes
    for node in before:
        with suppress(BusLost):
            return _connected(node, heartbeat_s, options)
    return _connected(last, heartbeat_s, options)


def _connected(address: Address, heartbeat_s: int, options: dict[str, Any]) -> tuple[Any, Any]:
    connection = kombu.Connection(
        hostname=f"[{address.host}]" if ":" in address.host else address.host,
        port=address.port,
        userid=address.user,
        password=address.password,
        virtual_host=address.vhost,
        login_method="EXTERNAL" if address.by_certificate else "PLAIN",
        transport=BufferedKombu,
        heartbeat=heartbeat_s,
        connect_timeout=CONNECT_TIMEOUT_S,
        ssl=_tls_options(address) if address.tls else False,
        transport_options=options,
    )
    try:
        # Not kombu's connect(): that sleeps two seconds and tries again, and nothing could wake it.
        return connection, connection.transport.establish_connection()
    except LOST as error:
        connection.collect()
        refused = BusRefused if isinstance(error, _REFUSALS) else BusLost
        raise refused(f"cannot connect to {address}: {reason_of(error)}") from error


def _tls_options(address: Address) -> dict[str, Any]:
    """py-amqp's settings for a context that verifies the broker's chain and name."""
    return {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": address.host,
        "ca_certs": address.ca,
        "certfile": address.cert,
        "keyfile": address.key,
    }
