"""RabbitMQ with the shipped rabbitmq.conf and definitions.json: TLS, client certificates, roles."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docket.bus import asyncapi
from docket.bus.permissions import roles, user_definitions
from tests.deploy.proxies import DEPLOY, certificates
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker


@dataclass(frozen=True, slots=True)
class TlsBroker:
    """A running broker that only certificates get into, but for its own tests."""

    node: Broker
    port: int
    tls: Path

    def bus(self, role: str, host: str = "localhost", port: int | None = None) -> dict[str, str]:
        """The section `bus` of a service of this role."""
        return {
            "url": f"amqps://{host}:{port or self.port}/docket",
            "ca": str(self.tls / "ca.pem"),
            "cert": str(self.tls / f"docket-{role}.pem"),
            "key": str(self.tls / f"docket-{role}.key"),
        }


@contextmanager
def tls_broker(directory: Path, names: Sequence[str] = ("localhost", "127.0.0.1")) -> Iterator[TlsBroker]:
    """Start one; `names` are those of its certificate. Each role has a certificate, and so has a `stranger`."""
    tls = directory / "tls"
    clients = [f"client {role.name}" for role in roles()]
    certificates(tls, "ca", f"server {' '.join(names)}", *clients, "client stranger")
    (tls / "server.pem").write_bytes((tls / f"{names[0]}.pem").read_bytes())
    (tls / "server.key").write_bytes((tls / f"{names[0]}.key").read_bytes())
    (directory / "definitions.json").write_text(asyncapi.definitions_text())
    port = free_port()
    node = Broker(directory / "node")
    limits = "limits-4.3.conf" if node.release >= (4, 3) else "limits-3.conf"
    text = (DEPLOY / "rabbitmq/rabbitmq.conf").read_text() + (DEPLOY / "rabbitmq" / limits).read_text()
    # The tests' broker has a listener and a log of its own.
    for ours in ("listeners.tcp.1 = 127.0.0.1:5672\n", "log.console = true\n", "log.console.level = info\n"):
        assert ours in text
        text = text.replace(ours, "")
    text = text.replace("/etc/rabbitmq", str(directory)).replace("0.0.0.0:5671", f"127.0.0.1:{port}")
    node.add_settings(text)
    (directory / "node" / "enabled_plugins").write_text("[rabbitmq_auth_mechanism_ssl].\n")
    try:
        node.start()
        # As deploy/rabbitmq/users does with CERTIFICATES=yes.
        node.import_definitions(user_definitions(asyncapi.VHOST))
        yield TlsBroker(node, port, tls)
    finally:
        node.close()
