"""A sensor's site: real RabbitMQ, two real stenographers, Docket's processes, real lighttpd and nginx with TLS."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml

from docket.web.auth.tokens import make_token
from tests.deploy.booted_machine import BootedMachine
from tests.deploy.documented import Record, blocks
from tests.deploy.proxies import PASSWORD, Kibana, Site, prepare_site, start_lighttpd, start_nginx
from tests.deploy.sensor_machine import boot, ensure_traffic, wait_well
from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.rabbitmq import Broker
from tests.services.sensor import Sensor, stenographer_source
from tests.services.stenographer import Monitored
from tests.services.waiting import wait_until

ROOT = Path(__file__).parents[2]
OPERATIONS = "docs/operations.md"
APT = "cd /root/docket && apt-get install -y -q --no-install-recommends"


@pytest.fixture(scope="session")
def package() -> Path:
    """The Debian package, built as `make deb` builds it."""
    needs.program("dpkg-deb", "dpkg")
    done = subprocess.run([ROOT / "scripts/deb"], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    return ROOT / done.stdout.split()[-1]


@pytest.fixture(scope="package")
def sensor(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[BootedMachine]:
    """A booted machine with stenographers and a broker, on which the files test_sensor*.py live one after the other."""
    machine = boot(tmp_path_factory.mktemp("sensor"), package)
    try:
        yield machine
    finally:
        machine.close()


@pytest.fixture(scope="package")
def whole_record() -> Iterator[Record]:
    """What became of the documented commands; written down at the end."""
    found = Record()
    yield found
    found.write()


@pytest.fixture
def record(whole_record: Record) -> Record:
    """The same; what a test before found wrong does not fail this one."""
    whole_record.begin = len(whole_record.rows)
    return whole_record


def ensure_installed(sensor: BootedMachine) -> None:
    """Docket's services run, packets are on its stenographers, and all is well."""
    if sensor.try_run("command -v docket").returncode != 0:
        sensor.run(f"{APT} ./dist/docket_*.deb && docket setup --start")
    wait_well(sensor)
    ensure_traffic(sensor)


def ensure_proxy(sensor: BootedMachine, record: Record) -> None:
    """lighttpd is before it, set up by the words of the page."""
    if sensor.try_run("test -e /etc/lighttpd/conf-enabled/90-docket.conf").returncode != 0:
        record.run_all(sensor, OPERATIONS, blocks(OPERATIONS, "Installing"))
        wait_well(sensor)


@pytest.fixture
def installed(sensor: BootedMachine) -> BootedMachine:
    """The machine with Docket's services and packets on its stenographers, on which all is well."""
    ensure_installed(sensor)
    return sensor


@pytest.fixture
def proxied(installed: BootedMachine, record: Record) -> BootedMachine:
    """The same, with lighttpd before it, set up by the words of the page."""
    ensure_proxy(installed, record)
    return installed


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything of one site."""

    sensor: Sensor
    lighttpd: Site
    proxy: ChildProcess
    """lighttpd itself."""
    token: str

    def session(self, user: str = "anna") -> requests.Session:
        """A client that knows a password."""
        return client(self.lighttpd, user)


def client(site: Site, user: str = "anna") -> requests.Session:
    """A client of a site that knows a user's password."""
    session = requests.Session()
    session.trust_env = False
    session.verify = site.ca
    session.auth = (user, PASSWORD)
    return session


def configure(old: Path, new: Path, web: Mapping[str, object]) -> None:
    """Write a configuration that differs from another one in its settings of the web app."""
    settings = yaml.safe_load(old.read_text())
    settings["web"] = dict(web)
    new.write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module")
def kibana() -> Iterator[Kibana]:
    running = Kibana()
    yield running
    running.close()


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory,
    broker: Broker,
    two_stenographers: dict[str, Monitored],
    kibana: Kibana,
) -> Iterator[Deployment]:
    """Docket over both recorded interfaces behind lighttpd, on a unix socket and, for forgers, on TCP."""
    directory: Path = tmp_path_factory.mktemp("site")
    prepare_site(directory)
    token, line = make_token("siem")
    (directory / "tokens").write_text(f"# tools\n{line}\n")
    sources = [stenographer_source(f"rock01:{name}", one.stenographer) for name, one in two_stenographers.items()]
    broker.add_vhost(directory.name)
    with ExitStack() as stack:
        stack.callback(broker.drop_vhost, directory.name)
        socket = directory / "docket.socket"
        sensor = Sensor(directory, broker.url(directory.name), sources)
        web = {
            "listen": [f"unix:{socket}", f"127.0.0.1:{sensor.port}"],
            "user_header": "Forwarded",
            "sendfile": "lighttpd",
            "admins": ["root"],
            "tokens": "tokens",
        }
        configure(sensor.config, sensor.config, web)
        stack.callback(sensor.stop)
        sensor.start_all()
        site = Site(directory, socket, sensor.spool, kibana.port)
        proxy = start_lighttpd(site)
        stack.callback(proxy.stop)
        yield Deployment(sensor, site, proxy, token)


@pytest.fixture(scope="module")
def nginx(deployment: Deployment, kibana: Kibana) -> Iterator[Site]:
    """nginx before a web process of its own on the same spool and bus."""
    directory = deployment.sensor.directory
    socket = directory / "nginx.socket"
    with ExitStack() as stack:
        config = directory / "nginx-docket.yaml"
        web = {"listen": [f"unix:{socket}"], "user_header": "X-Remote-User", "sendfile": "nginx"}
        configure(deployment.sensor.config, config, web)
        command = [sys.executable, "-m", "docket", "--config", str(config), "web"]
        stack.callback(ChildProcess(command, directory / "nginx-web.log").stop)
        wait_until(socket.exists, "the web process behind nginx", timeout_s=30)
        site = Site(directory, socket, deployment.sensor.spool, kibana.port)
        stack.callback(start_nginx(site).stop)
        yield site
