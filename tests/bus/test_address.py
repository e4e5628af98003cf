"""The address of the broker: what a URL means, what is refused, and what it opens."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from docket.bus import topology
from docket.bus.factory import open_broker, open_link
from docket.bus.memory.memory_async_client import MemoryAsyncClient
from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.rabbitmq.address import Address, parse_address
from docket.bus.rabbitmq.async_client import AmqpAsyncClient
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.errors import BusLost, ConfigError
from tests.bus.bus_actions import publishing, receiving, take
from tests.services import needs
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker as RabbitMQ


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://", ("127.0.0.1", 5672, "/", "guest", "guest", False)),
        ("amqp://host", ("host", 5672, "/", "guest", "guest", False)),
        ("amqp://u:p@host:1/", ("host", 1, "/", "u", "p", False)),
        ("amqp://u:p@host/docket", ("host", 5672, "docket", "u", "p", False)),
        ("amqp://u%40x:p%2F%3A%25@host/%2F", ("host", 5672, "/", "u@x", "p/:%", False)),
        ("amqp://u:p@host/a%2Fb%20c", ("host", 5672, "a/b c", "u", "p", False)),
        ("amqps://u:p@[::1]/docket", ("::1", 5671, "docket", "u", "p", True)),
    ],
)
def test_url_is_read(url: str, expected: tuple[str, int, str, str, str, bool]) -> None:
    """Every part of the URL may be left out, and is percent-decoded."""
    address = parse_address(url, {})
    facts = (address.host, address.port, address.vhost, address.user, address.password, address.tls)
    assert facts == expected


def test_nodes_of_a_cluster_stand_beside_each_other() -> None:
    """Each has the user, the vhost and the files of all; the usual port may be left out; nothing shows the password."""
    address = parse_address("amqps://u:p%2C%40@a:1,[::1],c/docket", {"ca": "ca.pem"})
    assert [(node.host, node.port) for node in address.nodes] == [("a", 1), ("::1", 5671), ("c", 5671)]
    assert {(node.user, node.password, node.vhost, node.ca) for node in address.nodes} == {
        ("u", "p,@", "docket", "ca.pem")
    }
    assert str(address) == "amqps://a:1,[::1]:5671,c:5671 vhost 'docket'"


@pytest.mark.parametrize(
    ("url", "tls", "words"),
    [
        ("http://host", {}, "amqps://"),
        ("memory://", {}, "amqps://"),
        ("amqp://host/a/b", {}, "%2F"),
        ("amqp://host:99999", {}, "port"),
        ("amqp://host:1,other:99999", {}, "port"),
        ("amqp://host/v?heartbeat=1", {}, r"\?"),
        ("amqp://host", {"ca": "ca.pem"}, "amqps://"),
        ("amqps://host", {"key": "k"}, "cert"),
        ("amqps://host", {"verify": "no"}, "'verify'"),
    ],
)
def test_bad_address_is_refused(url: str, tls: dict[str, str], words: str) -> None:
    """What cannot be an address of a broker raises ConfigError and says what is wrong."""
    with pytest.raises(ConfigError, match=words):
        parse_address(url, tls)


def test_all_faults_at_once() -> None:
    """Two faults are told together, and the password is in neither."""
    with pytest.raises(ConfigError) as caught:
        parse_address("amqp://u:geheim@host/a/b?x=1", {})
    assert (len(caught.value.faults), "geheim" in str(caught.value)) == (2, False)


def test_password_is_not_shown() -> None:
    """Neither the text nor the representation of an address shows the password."""
    address = parse_address("amqp://u:geheim@host/docket", {})
    assert (str(address), "geheim" in repr(address)) == ("amqp://host:5672 vhost 'docket'", False)


def test_certificate_is_the_login_where_there_is_no_user() -> None:
    """With a client certificate and no user in the URL the certificate logs in (SASL EXTERNAL)."""
    files = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
    addresses = [parse_address(url, files) for url in ("amqps://host/docket", "amqps://u:p@host/docket")]
    assert [(address.by_certificate, address.user) for address in addresses] == [(True, ""), (False, "u")]


def test_memory_opens_the_embedded_bus() -> None:
    """memory:// is the embedded bus, with a link to it; without it a link is refused."""
    bus = open_broker("memory://", {})
    assert isinstance(bus, MemoryBroker)
    assert isinstance(open_link("memory://", {}, broker=bus), MemoryAsyncClient)
    with pytest.raises(ConfigError, match="docket run"):
        open_link("memory://", {})


def test_amqp_opens_rabbitmq() -> None:
    """amqp:// is RabbitMQ, for threads and for the loop; nothing connects yet."""
    assert isinstance(open_broker("amqp://host", {}), AmqpBroker)
    assert isinstance(open_link("amqp://host", {}), AmqpAsyncClient)


def make_certificates(directory: Path) -> None:
    """A CA and a server certificate for 127.0.0.1, made for this test alone."""
    openssl = needs.program("openssl", "openssl")
    new = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=tests", "-addext", "keyUsage=keyCertSign"]
    subprocess.run([*new, *names], cwd=directory, check=True, capture_output=True)
    signed = ["-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=broker", "-CA", "ca.pem", "-CAkey", "ca.key"]
    extensions = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run([*new, *signed, *extensions], cwd=directory, check=True, capture_output=True)
    (directory / "server.key").chmod(0o644)


@pytest.mark.rabbitmq
def test_tls_is_verified(tmp_path: Path) -> None:
    """amqps:// reaches a broker whose CA and name are right, for threads and for the loop; others are refused."""
    make_certificates(tmp_path)
    port = free_port()
    files = "".join(
        f"ssl_options.{option} = {tmp_path / name}\n"
        for option, name in (("cacertfile", "ca.pem"), ("certfile", "server.pem"), ("keyfile", "server.key"))
    )
    node = RabbitMQ(tmp_path / "node", f"listeners.ssl.1 = 127.0.0.1:{port}\n{files}")
    trusted = parse_address(f"amqps://guest:guest@127.0.0.1:{port}", {"ca": str(tmp_path / "ca.pem")})
    stranger = parse_address(f"amqps://guest:guest@127.0.0.1:{port}", {})
    renamed = parse_address(f"amqps://guest:guest@localhost:{port}", {"ca": str(tmp_path / "ca.pem")})
    try:
        node.start()
        assert [asks(address) for address in (trusted, stranger, renamed)] == ["", "certificate", "certificate"]
        links = [asyncio.run(links_up(address)) for address in (trusted, stranger, renamed)]
        assert links == [True, False, False]
        pump(trusted)
    finally:
        node.close()


def asks(address: Address) -> str:
    """Declare on the broker; empty if it worked, else the word that says why not."""
    bus = AmqpBroker(address)
    try:
        bus.declare([])
    except BusLost as error:
        return "certificate" if "certificate" in str(error).lower() else str(error)
    finally:
        bus.close()
    return ""


async def links_up(address: Address) -> bool:
    link = AmqpAsyncClient(address, "tests link")
    await link.start()
    connected = link.connected
    await link.stop()
    return connected


def pump(address: Address) -> None:
    """Big messages pass through TLS in both directions, and a receiver hears them without waiting for a time-out."""
    bus = AmqpBroker(address)
    with publishing(bus) as publisher, receiving(bus, [topology.fragment_queue(0)], prefetch=4) as receiver:
        for number in range(20):
            publisher.publish(topology.FRAGMENTS, "0", bytes([number]) * 300_000, persistent=False)
        for number in range(20):
            delivery = take(receiver)
            assert delivery.body == bytes([number]) * 300_000
            delivery.ack()
    bus.close()
