"""guest is refused in a sensor's own configuration, and nowhere else."""

import logging
from pathlib import Path

import pytest

from docket.cli import broker_login
from docket.cli.broker_login import broker_logins, refuse_guest
from docket.config.loader import DEFAULT_PATH
from docket.config.model import Config
from docket.errors import ConfigError

GUEST = Config(sources=())
OWN = Config(sources=(), bus="amqp://docket:secret@127.0.0.1/docket")
FAR = Config(sources=(), bus="amqp://guest:guest@broker.example/")


@pytest.fixture(autouse=True)
def systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has a systemd."""
    monkeypatch.setattr(broker_login, "systemd_runs", lambda: True)


def test_services_of_a_sensor_are_not_guest() -> None:
    """The fault names the setting and the command that mends it."""
    with pytest.raises(ConfigError, match="docket setup --broker-user") as refused:
        refuse_guest(GUEST, DEFAULT_PATH)
    assert [fault.field for fault in refused.value.faults] == ["bus"]


def test_container_may_have_a_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a systemd its broker is not the machine's."""
    monkeypatch.setattr(broker_login, "systemd_runs", lambda: False)
    refuse_guest(GUEST, DEFAULT_PATH)
    assert broker_logins(GUEST, DEFAULT_PATH) == []


@pytest.mark.parametrize(("config", "path"), [(OWN, DEFAULT_PATH), (GUEST, Path("/tmp/docket.yaml"))])
def test_own_user_and_other_configurations_pass(config: Config, path: Path) -> None:
    """A development broker may have guest."""
    refuse_guest(config, path)


def test_guest_of_another_machine_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing on this machine can mend it, so the services go on."""
    with caplog.at_level(logging.WARNING):
        refuse_guest(FAR, DEFAULT_PATH)
    assert "guest has a password that everybody knows" in caplog.text


def test_status_names_guest_in_use_and_guest_that_enters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with the command that ends it; elsewhere nothing is tried."""
    monkeypatch.setattr(broker_login, "guest_enters", lambda *_: True)
    assert "--broker-user" in broker_logins(GUEST, DEFAULT_PATH)[0].advice
    assert "delete_user guest" in broker_logins(OWN, DEFAULT_PATH)[0].advice
    assert broker_logins(OWN, Path("/tmp/docket.yaml")) == []
    monkeypatch.setattr(broker_login, "guest_enters", lambda *_: False)
    assert broker_logins(OWN, DEFAULT_PATH) == []
