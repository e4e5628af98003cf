"""A user of Docket's own: its form, its vhost, and where it cannot be made. tests/deploy makes real ones."""

import base64
import hashlib
from pathlib import Path

import pytest

from docket.cli.setup import broker_user
from docket.cli.setup.broker_user import make, remove_guest, wants_own_user
from docket.errors import BusError

GUEST = "amqp://guest:guest@127.0.0.1:5672/%2F"


class Rabbitmqctl:
    """What was asked, and answers."""

    def __init__(self, exchanges: str) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.definitions = ""
        self._exchanges = exchanges

    def __call__(self, *arguments: str) -> str:
        self.asked.append(arguments)
        if arguments[0] == "import_definitions":
            self.definitions = Path(arguments[1]).read_text()
        return {"list_vhosts": "/\nother\n", "list_exchanges": self._exchanges}.get(arguments[0], "")


@pytest.mark.parametrize(
    ("exchanges", "vhost"), [("amq.topic\n", "docket"), ("amq.topic\ndocket.jobs\ndocket.events\n", "%2F")]
)
def test_vhost_is_dockets_own_unless_another_is_in_use(
    monkeypatch: pytest.MonkeyPatch, exchanges: str, vhost: str
) -> None:
    """What waits in the queues of an older installation is not lost."""
    ctl = Rabbitmqctl(exchanges)
    monkeypatch.setattr(broker_user, "_rabbitmqctl", ctl)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    url = make(GUEST)
    assert url.startswith("amqp://docket:")
    assert url.endswith(f"@127.0.0.1:5672/{vhost}")
    password = url.removeprefix("amqp://docket:").partition("@")[0]
    assert len(password) == 32
    assert password not in ctl.definitions


def test_hash_is_rabbitmqs_own() -> None:
    """Salt, and SHA-256 of salt and password."""
    raw = base64.b64decode(broker_user._hashed("secret"))
    assert raw[4:] == hashlib.sha256(raw[:4] + b"secret").digest()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (GUEST, True),
        ("amqp://guest:guest@broker.example/", False),
        ("amqp://docket:x@127.0.0.1/", False),
        ("memory://", False),
    ],
)
def test_only_guest_of_this_machine_is_replaced(url: str, wanted: bool) -> None:
    """Another user, or another machine's broker, is the operator's choice."""
    assert wants_own_user(url, {}) is wanted


def test_without_root_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BusError, match="only root"):
        make(GUEST)


def test_guest_is_removed_only_where_it_enters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while Docket itself uses it."""
    ctl = Rabbitmqctl("")
    monkeypatch.setattr(broker_user, "_rabbitmqctl", ctl)
    monkeypatch.setattr(broker_user, "guest_enters", lambda *_: True)
    assert not remove_guest(GUEST, {})
    assert remove_guest("amqp://docket:x@127.0.0.1/docket", {})
    monkeypatch.setattr(broker_user, "guest_enters", lambda *_: False)
    assert not remove_guest("amqp://docket:x@127.0.0.1/docket", {})
    assert ctl.asked == [("delete_user", "guest")]
