"""Somebody on the broker with each role's account, and a worker that speaks for another sensor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from docket.bus import topology
from docket.bus.permissions import roles, worker_of
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.bus.senders import objection
from tests.attacks.attempt import Attempt
from tests.bus.test_least_rights import TABLE, may, whole_definitions
from tests.bus.test_senders import PASSWORD, SOURCE, online
from tests.services.rabbitmq import Broker

VHOST = "attacks"


def attempts(broker: Broker) -> Iterator[Attempt]:
    """Each action of the table by each account, then forged words about a source by all who may say any."""
    names = [role.name for role in roles()]
    with _accounts(broker, [*names, worker_of("rock02")]):
        for action, (act, expected) in TABLE.items():
            for name in names:
                right = "allowed: it is its task" if name in expected else "refused"
                done = may(broker, VHOST, name, act)
                yield Attempt(f"broker: {name}", "bus", action, right, "allowed: it is its task" if done else "refused")
        for name in ("docket-worker", worker_of("rock02")):
            yield _forged(broker, name)


def _forged(broker: Broker, name: str) -> Attempt:
    """Say that a source of rock01 is online."""
    collector = AmqpBroker(parse_address(broker.url(VHOST, "docket-collector", PASSWORD), {}), "attacks")
    receiver = collector.receiver("attacks", [], prefetch=1, listen=["source.*"])
    receiver.receive(0.2)
    publisher = AmqpBroker(parse_address(broker.url(VHOST, name, PASSWORD), {}), name).publisher(name)
    publisher.publish(topology.EVENTS, "source.online", online(SOURCE))
    heard = receiver.receive(1.0)
    publisher.close()
    receiver.close()
    expected = "believed" if objection(name, SOURCE, "docket-collector") == "" else "not believed"
    happened = "not believed" if heard is None else "believed"
    return Attempt(f"broker: {name}", "word of a source", f"say that {SOURCE} is online", expected, happened)


@contextmanager
def _accounts(broker: Broker, names: list[str]) -> Iterator[None]:
    broker.add_vhost(VHOST)
    for sensor, worker in (("rock01", "docket-worker"), ("rock02", worker_of("rock02"))):
        broker.import_definitions(whole_definitions(VHOST, sensor, worker))
    for name in names:
        broker.eval(f'rabbit_auth_backend_internal:change_password(<<"{name}">>, <<"{PASSWORD}">>, <<"tests">>)')
    try:
        yield
    finally:
        broker.drop_vhost(VHOST)
        for name in names:
            broker.drop_user(name)
