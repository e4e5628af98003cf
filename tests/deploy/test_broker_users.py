"""`deploy/rabbitmq/users` makes one user per service on a real broker, and their passwords last."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pika
import pika.exceptions
import pytest

from docket.bus import asyncapi
from docket.bus.permissions import roles
from tests.services import needs
from tests.services.rabbitmq import Broker

pytestmark = pytest.mark.rabbitmq

DEPLOY = Path(__file__).parents[2] / "deploy/rabbitmq"
NAMES = sorted(role.name for role in roles())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with the shipped definitions, loaded at each start."""
    directory = tmp_path_factory.mktemp("users")
    definitions = directory / "definitions.json"
    definitions.write_text(asyncapi.definitions_text())
    broker = Broker(directory / "node", f"load_definitions = {definitions}\n")
    broker.start()
    # As on a server that was there before the definitions were.
    broker.add_user("guest", "guest")
    (directory / "bin").mkdir()
    broker.write_ctl(directory / "bin/rabbitmqctl")
    yield broker
    broker.close()


def make_users(node: Broker, directory: Path, **settings: str) -> str:
    needs.root("for rabbitmqctl")
    program = directory.parent / "bin/rabbitmqctl"
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "TMPDIR": str(directory.parent), "ADDRESS": f"127.0.0.1:{node.port}", **settings}
    done = subprocess.run(
        [DEPLOY / "users", directory], env=environ, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def enters(url: str) -> bool:
    try:
        pika.BlockingConnection(pika.URLParameters(url)).close()
    except pika.exceptions.AMQPConnectionError:
        return False
    return True


def test_users_enter_with_their_passwords_also_after_a_restart(node: Broker) -> None:
    """Each service has a user with the least rights; guest is gone; a restart and a second run change no password."""
    directory = Path(node.directory).parent / "bus"
    said = make_users(node, directory)
    assert [line.split()[0] for line in said.splitlines()] == [*NAMES, "guest"]
    urls = {file.name: file.read_text().strip() for file in directory.iterdir()}
    assert sorted(urls) == NAMES
    assert {file.stat().st_mode & 0o777 for file in directory.iterdir()} == {0o640}
    assert make_users(node, directory) == ""
    node.restart()
    assert {name: enters(url) for name, url in urls.items()} == dict.fromkeys(NAMES, True)
    assert not enters(f"amqp://guest:guest@127.0.0.1:{node.port}/docket")
    assert sorted(node.permissions("docket")) == NAMES
    assert node.permissions("docket")["docket-web"]["configure"] == r"^(docket\.listen\..+)$"
