"""Fixtures for the tests of the workers: a stand-in for stenographer and a source that asks it."""

from collections.abc import Iterator

import pytest

from docket.workers.sources.stenographer.store import StenographerSource
from tests.faults.certificates import Authority, Pair
from tests.faults.packets import Packet, udp
from tests.faults.stand_in import StandIn
from tests.workers.requests import START_US, US, steno_config


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA of one sensor."""
    return Authority(tmp_path_factory.mktemp("pki") / "rock01")


@pytest.fixture(scope="session")
def client(authority: Authority) -> Pair:
    """The certificate that Docket shows to that sensor."""
    return authority.issue("127.0.0.1_client")


@pytest.fixture(scope="session")
def server(authority: Authority) -> Pair:
    """The certificate that the sensor's stenographer shows."""
    return authority.issue("127.0.0.1")


@pytest.fixture(scope="session")
def packets() -> list[Packet]:
    """Five minutes with a packet every tenth of a second; every other one goes to port 80."""
    return [udp(START_US + tenth * US // 10, 53 if tenth % 2 == 0 else 80) for tenth in range(3000)]


@pytest.fixture
def steno(packets: list[Packet], authority: Authority, server: Pair) -> Iterator[StandIn]:
    """A stand-in that behaves well."""
    with StandIn(packets, authority, server) as stand_in:
        yield stand_in


@pytest.fixture
def source(steno: StandIn, client: Pair) -> Iterator[StenographerSource]:
    """The source that asks the stand-in."""
    opened = StenographerSource(steno_config(steno, client))
    yield opened
    opened.close()
