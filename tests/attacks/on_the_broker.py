"""Somebody on the broker with each role's account, and a worker that speaks for another sensor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from docket.bus import topology
from docket.bus.permissions import roles, worker_of
from docket.bus.rabbitmq.address import parse_address
from docket.bus.rabbitmq.broker import AmqpBroker
from docket.bus.senders import objection
from docket.bus.survey_messages import SurveyAnswered, encode
from docket.domain.survey import Survey
from tests.attacks.attempt import Attempt
from tests.bus.test_least_rights import TABLE, may, whole_definitions
from tests.bus.test_senders import PASSWORD, SOURCE, online
from tests.services.rabbitmq import Broker

VHOST = "attacks"
NOTHING = Survey(source=SOURCE, files=0, of_files=9, packets=0, bytes=0, exact=True, read_bytes=0)


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
            yield _forged(broker, name, "source.online", online(SOURCE), f"say that {SOURCE} is online")
            survey = encode(SurveyAnswered(id="1", survey=NOTHING))
            yield _forged(broker, name, "survey.answered", survey, f"say that {SOURCE} has nothing of a question")


def _forged(broker: Broker, name: str, key: str, body: bytes, tried: str) -> Attempt:
    """Speak of a source of rock01."""
    web = AmqpBroker(parse_address(broker.url(VHOST, "docket-web", PASSWORD), {}), "attacks")
    receiver = web.receiver("attacks", [], prefetch=1, listen=[key])
    receiver.receive(0.2)
    publisher = AmqpBroker(parse_address(broker.url(VHOST, name, PASSWORD), {}), name).publisher(name)
    publisher.publish(topology.EVENTS, key, body)
    heard = receiver.receive(1.0)
    publisher.close()
    receiver.close()
    expected = "believed" if objection(name, SOURCE, "docket-web") == "" else "not believed"
    happened = "not believed" if heard is None else "believed"
    return Attempt(f"broker: {name}", "word of a source", tried, expected, happened)


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
