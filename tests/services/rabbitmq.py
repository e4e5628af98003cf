"""A private, real RabbitMQ for the tests: fixtures `broker`, `vhost` and `amqp_url`.

Debian's server runs as an ordinary child process with its own directories, ports, node name, cookie and port
mapper, so runs beside each other, or beside a broker of the machine, do not meet. bench/ may use Broker too.

RABBITMQ_TREE=DIR takes the server of another Debian: DIR is a root made by debootstrap, in which rabbitmq-server is
installed. Needs root. CONTRIBUTING.md says how to make one.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.ports import free_port, listening
from tests.services.waiting import wait_until

_PACKAGE = "rabbitmq-server"
_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_S = 60.0
_STOP_S = 30.0
_USER = "docket-tests"
_TREE = os.environ.get("RABBITMQ_TREE", "")

# Gives a program of the tree what it needs of this machine, then becomes it, so that its pid is the child's own.
_IN_TREE = """
tree=$1 shared=$2; shift 2
mount -t tmpfs tmpfs "$tree/tmp"
mkdir -p "$tree$shared"
mount --bind "$shared" "$tree$shared"
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
touch "$tree/etc/hosts" && mount --bind /etc/hosts "$tree/etc/hosts"
exec chroot "$tree" "$@"
"""

_numbers = itertools.count(1)


class BrokerError(RuntimeError):
    """The broker refused or could not carry out an order from a test."""


class Broker:
    """One RabbitMQ node. Its address and its data stay the same over stop, kill and start."""

    def __init__(self, directory: Path, extra_conf: str = "", *, peer: Broker | None = None) -> None:
        """Prepare a node below the directory, which must be its own; extra_conf is added to rabbitmq.conf.

        A node with a `peer` shares its cookie and port mapper, and can `join` it.
        """
        self.directory = directory
        self._server = self._command(str(_SERVER), lambda: str(needs.file(_SERVER, _PACKAGE)))
        self._epmd_program = self._command("epmd", lambda: needs.program("epmd", "erlang-base"))
        self._erl_call = self._command("erl_call", lambda: needs.program("erl_call", "erlang-base"))
        self._node: ChildProcess | None = None
        self._epmd: ChildProcess | None = None
        self.port = free_port()
        self._dist_port = free_port()
        self._cookie: str = secrets.token_hex(16) if peer is None else peer._cookie
        self._peer = peer
        self._env: dict[str, str] = self._prepare(
            free_port() if peer is None else int(peer._env["ERL_EPMD_PORT"]), extra_conf
        )

    def _command(self, name: str, here: Callable[[], str]) -> list[str]:
        """The start of the command line of a program of the server's Debian: this machine's, or that of the tree."""
        if not _TREE:
            return [here()]
        needs.root("for a RabbitMQ in a tree of its own")
        apart = [needs.program("unshare", "util-linux"), "--mount", "--propagation", "private"]
        # The parent, because a broker with TLS has its certificates beside it.
        return [*apart, "sh", "-ec", _IN_TREE, "tree", _TREE, str(self.directory.parent), name]

    def _prepare(self, epmd_port: int, extra_conf: str) -> dict[str, str]:
        """Write the node's files and give the environment it starts in."""
        home = self.directory / "home"
        home.mkdir(parents=True)
        cookie = home / ".erlang.cookie"
        cookie.write_text(self._cookie)
        cookie.chmod(0o400)
        conf = self.directory / "rabbitmq.conf"
        conf.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console = true\nlog.console.level = info\n"
            f"log.file = false\n{extra_conf}"
        )
        plugins = self.directory / "enabled_plugins"
        plugins.write_text("[].\n")
        no_settings = self.directory / "rabbitmq-env.conf"
        no_settings.touch()
        return {
            "PATH": os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"docket-{os.getpid()}-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(conf),
            "RABBITMQ_CONF_ENV_FILE": str(no_settings),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            # The counters of quorum queues are renewed every 5 s by default: too long for a test to wait.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-rabbit quorum_tick_interval 200",
            # Makes the start script replace itself with the node, so that our child's pid is the node's own.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    @property
    def running(self) -> bool:
        """Whether the node's process is there."""
        return self._node is not None and self._node.running

    @property
    def pid(self) -> int:
        """The process id of the running node."""
        if self._node is None:
            raise BrokerError("the broker is not running")
        return self._node.pid

    def url(self, vhost: str = "/", user: str = "guest", password: str = "guest") -> str:
        """Give the amqp:// address of a vhost for a user."""
        return f"amqp://{quote(user, '')}:{quote(password, '')}@127.0.0.1:{self.port}/{quote(vhost, '')}"

    def start(self) -> None:
        """Start the node and wait until it serves; raises RuntimeError or TimeoutError with the log's end."""
        if self.running:
            return
        if self._peer is None and (self._epmd is None or not self._epmd.running):
            port = self._env["ERL_EPMD_PORT"]
            self._epmd = ChildProcess(
                [*self._epmd_program, "-port", port, "-address", "127.0.0.1"], self.directory / "epmd.log"
            )
            wait_until(lambda: listening(int(port)), "the Erlang port mapper")
        self._node = ChildProcess(self._server, self.directory / "node.log", env=self._env)
        try:
            wait_until(self._serves, "RabbitMQ to serve", timeout_s=_START_S, step_s=0.1)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self._node.log_tail()}") from error

    def _serves(self) -> bool:
        assert self._node is not None
        self._node.must_run()
        if not listening(self.port):
            return False
        try:
            return self.eval("rabbit:is_running()") is True
        except BrokerError:
            return False

    def add_settings(self, text: str) -> None:
        """Add to the node's rabbitmq.conf, before it starts."""
        with Path(self._env["RABBITMQ_CONFIG_FILE"]).open("a") as conf:
            conf.write(text)

    @property
    def release(self) -> tuple[int, ...]:
        """The version of the server, such as (3, 10, 8)."""
        (found,) = Path(f"{_TREE}/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")
        return tuple(int(part) for part in found.name.partition("-")[2].split("."))

    def write_ctl(self, path: Path) -> None:
        """Write a program `rabbitmqctl` that steers this node."""
        command = self._command(str(_SERVER.with_name("rabbitmqctl")), lambda: str(_SERVER.with_name("rabbitmqctl")))
        settings = [f"{name}={value}" for name, value in self._env.items()]
        path.write_text(f'#!/bin/sh\nexec env {shlex.join([*settings, *command])} "$@"\n')
        path.chmod(0o755)

    def log(self) -> str:
        """What the node has written so far."""
        return (self.directory / "node.log").read_text(errors="replace")

    def join(self) -> None:
        """Make this running node a member of its peer's cluster."""
        assert self._peer is not None
        program = self.directory / "rabbitmqctl"
        self.write_ctl(program)
        for words in (["stop_app"], ["join_cluster", self._peer.node], ["start_app"]):
            done = subprocess.run([program, *words], capture_output=True, text=True, timeout=_START_S, check=False)
            if done.returncode != 0:
                raise BrokerError(f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}")
        wait_until(self._serves, "the node to serve as a member", timeout_s=_START_S, step_s=0.1)

    @property
    def node(self) -> str:
        """The node's Erlang name."""
        return self._env["RABBITMQ_NODENAME"]

    def stop(self) -> None:
        """Stop the node in an orderly way; durable things are kept."""
        if self._node is not None:
            self._node.stop(_STOP_S)
        self._node = None

    def kill(self) -> None:
        """Kill the node with SIGKILL, as a power cut would."""
        if self._node is not None:
            self._node.kill()
        self._node = None

    def restart(self) -> None:
        """Stop the node in an orderly way and start it again on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the node and its port mapper for good."""
        self.stop()
        if self._epmd is not None:
            self._epmd.stop()

    def eval(self, expression: str) -> Any:
        """Evaluate an Erlang expression in the node and give its value, which must fit into JSON.

        Takes a few milliseconds, where rabbitmqctl takes one to two seconds. Raises BrokerError.
        """
        code = f"Value = ({expression}), base64:encode_to_string(rabbit_json:encode(Value)).\n"
        # Every caller has a name of its own: a node refuses one that it believes to be connected still, and under
        # load it hears of the end of the last call after the next one has begun.
        caller = f"caller-{os.getpid()}-{next(_numbers)}"
        target = f"127.0.0.1:{self._dist_port}"
        done = subprocess.run(
            [*self._erl_call, "-c", self._cookie, "-h", caller, "-address", target, "-e"],
            input=code,
            capture_output=True,
            text=True,
            env=self._env,
            timeout=30.0,
            check=False,
        )
        answer = done.stdout.strip()
        if done.returncode != 0 or not answer.startswith('{ok, "'):
            raise BrokerError(f"{expression}: {answer} {done.stderr.strip()}")
        return json.loads(base64.b64decode(answer[len('{ok, "') : -len('"}')]))

    def add_vhost(self, name: str) -> None:
        """Make a vhost in which guest may do everything."""
        self.eval(f"rabbit_vhost:add({_binary(name)}, {_binary(_USER)})")
        self.set_permissions("guest", name)

    def drop_vhost(self, name: str) -> None:
        """Delete a vhost with all that is in it; its connections are closed."""
        self.eval(f"rabbit_vhost:delete({_binary(name)}, {_binary(_USER)})")

    def vhosts(self) -> list[str]:
        """Give the names of all vhosts, sorted."""
        return sorted(self.eval("rabbit_vhost:list_names()"))

    def add_user(self, name: str, password: str) -> None:
        """Make a user, who may do nothing yet."""
        self.eval(f"rabbit_auth_backend_internal:add_user({_binary(name)}, {_binary(password)}, {_binary(_USER)})")

    def drop_user(self, name: str) -> None:
        """Delete a user."""
        self.eval(f"rabbit_auth_backend_internal:delete_user({_binary(name)}, {_binary(_USER)})")

    def set_permissions(
        self, user: str, vhost: str, configure: str = ".*", write: str = ".*", read: str = ".*"
    ) -> None:
        """Give a user three regular expressions of names in a vhost: may configure, write to, read from."""
        arguments = ", ".join(map(_binary, (user, vhost, configure, write, read, _USER)))
        self.eval(f"rabbit_auth_backend_internal:set_permissions({arguments})")

    def permissions(self, vhost: str) -> dict[str, dict[str, str]]:
        """Give, per user, the three regular expressions in force in a vhost."""
        rows = self.eval(
            f"[maps:from_list(R) || R <- rabbit_auth_backend_internal:list_vhost_permissions({_binary(vhost)})]"
        )
        return {row.pop("user"): row for row in rows}

    def import_definitions(self, definitions: str | Mapping[str, object]) -> None:
        """Import a definitions.json, given as its text or as the mapping that it holds."""
        text = definitions if isinstance(definitions, str) else json.dumps(definitions)
        self.eval(f"ok = rabbit_definitions:import_raw({_binary(text)})")

    def queue_depths(self, vhost: str) -> dict[str, int]:
        """Give, per queue, the messages in it, ready and unacknowledged (quorum queues: up to 0.2 s old)."""
        return self._queue_numbers(vhost, "messages")

    def queue_consumers(self, vhost: str) -> dict[str, int]:
        """Give, per queue, how many consumers it has."""
        return self._queue_numbers(vhost, "consumers")

    def _queue_numbers(self, vhost: str, item: str) -> dict[str, int]:
        numbers: dict[str, int] = self.eval(
            "maps:from_list([{element(4, proplists:get_value(name, Q)), "
            f"max(0, proplists:get_value({item}, Q, 0))}} "
            f"|| Q <- rabbit_amqqueue:info_all({_binary(vhost)}, [name, {item}])])"
        )
        return numbers

    def connections(self) -> int:
        """Give the number of open client connections."""
        count: int = self.eval("length(rabbit_networking:connections())")
        return count

    def close_connections(self, *, abruptly: bool = False) -> int:
        """Close every client connection and give their number.

        In an orderly way the client hears 320 CONNECTION_FORCED; abruptly its socket just ends, as in a network
        fault.
        """
        if abruptly:
            order = "[exit(P, kill) || P <- Connections]"
        else:
            order = '[rabbit_networking:close_connection(P, <<"closed by a test">>) || P <- Connections]'
        count: int = self.eval(f"begin Connections = rabbit_networking:connections(), {order}, length(Connections) end")
        return count

    def set_memory_alarm(self, on: bool) -> None:
        """Raise or clear the node's memory alarm: while it is on, publishers are blocked."""
        if on:
            self.eval("rabbit_alarm:set_alarm({{resource_limit, memory, node()}, []})")
        else:
            self.eval("rabbit_alarm:clear_alarm({resource_limit, memory, node()})")


def _binary(text: str) -> str:
    """Write a string as an Erlang expression for the same bytes, whatever characters it has."""
    return f'base64:decode("{base64.b64encode(text.encode()).decode()}")'


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One running RabbitMQ for the whole session."""
    node = Broker(tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture
def vhost(broker: Broker) -> Iterator[str]:
    """A fresh vhost, dropped after the test; the broker is started again if the test left it down."""
    broker.start()
    name = f"test-{os.getpid()}-{next(_numbers)}"
    broker.add_vhost(name)
    yield name
    broker.start()
    broker.set_memory_alarm(False)
    broker.drop_vhost(name)


@pytest.fixture
def amqp_url(broker: Broker, vhost: str) -> str:
    """The amqp:// address of the test's own vhost, for guest."""
    return broker.url(vhost)
