"""On a clean machine: the package is installed, set up, started as its units say, and used in Chromium over https."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from docket.packet.pcap import FILE_HEADER_BYTES, scan
from tests.deploy.browsing import ask_and_download, at_the_page
from tests.deploy.machine import Machine
from tests.deploy.proxies import PASSWORD
from tests.services.child import ChildProcess
from tests.services.ports import free_port, listening
from tests.services.rabbitmq import Broker
from tests.services.stenographer import Monitored
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer]

ROOT = Path(__file__).parents[2]
SOCKET = "/run/docket/docket.socket"
SCRIPT = "/usr/lib/docket/share/docket/deploy/tls/certificates"
SHIPPED = "/usr/lib/docket/share/docket/deploy/lighttpd"


@dataclass(frozen=True, slots=True)
class Installed:
    """A machine on which everything runs."""

    machine: Machine
    port: int
    ca: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[Machine]:
    """A clean machine with the package on it."""
    directory = tmp_path_factory.mktemp("clean")
    made = Machine(directory, shared=[package.parent])
    try:
        made.run("dpkg", "--install", "--force-depends", str(package))
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory,
    machine: Machine,
    broker: Broker,
    two_stenographers: dict[str, Monitored],
) -> Iterator[Installed]:
    """Set up by `docket setup`, started by the units' command lines, lighttpd in front as www-data."""
    broker.start()
    broker.add_vhost("clean")
    port = free_port()
    with ExitStack() as stack:
        stack.callback(broker.drop_vhost, "clean")
        for interface, one in two_stenographers.items():
            certs = f"/etc/stenographer/certs-{interface}"
            for path in (one.stenographer.ca, one.stenographer.cert, one.stenographer.key):
                machine.write(f"{certs}/{path.name}", path.read_bytes(), "root:stenographer", "640")
            config = re.sub(r'"CertPath": "[^"]*"', f'"CertPath": "{certs}"', one.stenographer.config.read_text())
            config = re.sub(r'"Interface": "[^"]*"', f'"Interface": "{interface}"', config)
            machine.write(f"/etc/stenographer/config.{interface}", config)
        machine.run("rm", "-f", "/etc/stenographer/config")
        machine.run("docket", "setup", "--sensor", "rock01", "--bus", broker.url("clean"))
        text = machine.read("/etc/docket/docket.yaml").replace("sendfile: none ", "sendfile: lighttpd ")
        # What was recorded for this test is whole on disk.
        text = text.replace("- name:", "- flush_lag: 0s\n  name:").replace("min_free: 500MB", "min_free: 1MB")
        machine.write("/etc/docket/docket.yaml", text, "root:docket", "640")
        machine.run("install", "-d", "-o", "docket", "-g", "docket", "-m", "750", "/run/docket")
        for unit, instance in (
            ("docket-collector.service", ""),
            ("docket-inspector.service", ""),
            ("docket-worker@.service", "em1"),
            ("docket-worker@.service", "em2"),
        ):
            stack.callback(machine.start_unit(unit, instance).stop)
        stack.callback(machine.start_unit("docket.service", listen=SOCKET).stop)
        _prepare_proxy(machine, port)
        command = machine.command(["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"])
        stack.callback(ChildProcess(command, tmp_path_factory.mktemp("proxy") / "lighttpd.log").stop)
        wait_until(lambda: listening(port), "lighttpd", timeout_s=20)
        ca = tmp_path_factory.mktemp("ca") / "ca.pem"
        ca.write_text(machine.read("/etc/docket/tls/ca.pem"))
        yield Installed(machine, port, ca)


def _prepare_proxy(machine: Machine, port: int) -> None:
    """What docs/security.md says: certificates, a password, the proxy's user in the group."""
    for order in ("ca", "server localhost 127.0.0.1"):
        machine.run("bash", SCRIPT, "/etc/docket/tls", *order.split())
    machine.run("sh", "-c", "cd /etc/docket/tls && cp localhost.pem server.pem && cp localhost.key server.key")
    digest = machine.run("openssl", "passwd", "-apr1", PASSWORD).strip()
    machine.write("/etc/docket/htpasswd", f"anna:{digest}\n", "root:www-data", "640")
    machine.run("usermod", "-a", "-G", "docket", "www-data")
    sensor = machine.read(f"{SHIPPED}/sensor.conf").replace('":443"', f'":{port}"')
    machine.write("/etc/lighttpd/sensor.conf", sensor)
    machine.write("/etc/lighttpd/docket.conf", machine.read(f"{SHIPPED}/docket.conf"))
    machine.write(
        "/etc/lighttpd/lighttpd.conf",
        'server.document-root = "/var/www"\nserver.username = "www-data"\nserver.groupname = "www-data"\n'
        f'server.bind = "127.0.0.1"\nserver.port = {free_port()}\n'
        'server.upload-dirs = ("/var/cache/lighttpd/uploads")\n'
        'include "sensor.conf"\n',
    )


def test_package_brings_all_that_belongs_on_a_machine(machine: Machine) -> None:
    """User, directories with their modes, units, manual, completion and a configuration that only docket reads."""
    assert machine.run("docket", "--version").startswith("docket ")
    modes = machine.run("stat", "-c", "%U:%G %a", "/var/spool/docket", "/etc/docket", "/etc/docket/docket.yaml")
    assert modes.splitlines() == ["docket:docket 750", "root:docket 750", "root:docket 640"]
    assert "docket" in machine.run("getent", "passwd", "docket")
    for path in ("/usr/share/man/man1/docket.1.gz", "/usr/share/bash-completion/completions/docket"):
        machine.run("test", "-s", path)
    assert machine.run("systemd-analyze", "verify", "--man=no", "docket.target", "docket-worker@em1.service") == ""


def test_installing_again_keeps_the_configuration(machine: Machine, package: Path) -> None:
    """An upgrade leaves what the operator wrote; `docket install` finds nothing to do for the units."""
    machine.write("/etc/docket/docket.yaml", machine.read("/etc/docket/docket.yaml") + "# ours\n", "root:docket", "640")
    machine.run("dpkg", "--install", "--force-depends", "--force-confold", str(package))
    assert machine.read("/etc/docket/docket.yaml").endswith("# ours\n")
    told = machine.run("docket", "install", "--dry-run")
    assert "change" not in {line.split()[0] for line in told.splitlines()}


def test_without_a_password_nothing_answers(installed: Installed) -> None:
    """Through lighttpd every address wants a password."""
    for path in (
        "/app/docket/",
        "/app/docket/api/v1/jobs",
        "/results/00000000-0000-0000-0000-000000000000/merged.pcap",
    ):
        answer = requests.get(f"{installed.url}{path}", verify=str(installed.ca), timeout=10)
        assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, True)


def test_person_asks_watches_and_downloads(installed: Installed, tmp_path: Path) -> None:
    """Chromium through https, with a password: ask, watch it end, download the packets of both interfaces."""
    certificate = installed.machine.read("/etc/docket/tls/server.pem")
    with at_the_page(f"{installed.url}/app/docket/", ("anna", PASSWORD), certificate, tmp_path) as person:
        saved = ask_and_download(person, "port 53", tmp_path)
    times = scan(saved.read_bytes(), FILE_HEADER_BYTES)[0]
    assert len(times) > 10
    assert list(times) == sorted(times)
    session = requests.Session()
    session.trust_env = False
    session.verify, session.auth = str(installed.ca), ("anna", PASSWORD)
    [job] = session.get(f"{installed.url}/app/docket/api/v1/jobs", timeout=10).json()["jobs"]
    assert (job["owner"], {source["packets"] > 0 for source in job["sources"]}) == ("anna", {True})


def test_status_on_the_machine_is_one_screen(installed: Installed) -> None:
    """`docket status` sees services, queues, sources and certificates, and is well."""
    web = free_port()
    machine = installed.machine
    place = "/etc/docket/second.yaml"
    machine.write(place, machine.read("/etc/docket/docket.yaml").replace(f"unix:{SOCKET}", f"127.0.0.1:{web}"))
    child = ChildProcess(machine.command(["docket", "--config", place, "web"]), installed.ca.with_name("second.log"))
    try:
        wait_until(lambda: listening(web), "a second web process", timeout_s=20)

        def well() -> str:
            command = machine.command(["docket", "--config", place, "status"])
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            return done.stdout if done.returncode == 0 else ""

        screen = wait_until(well, "everything to be well", timeout_s=20)
        told = ("collector", "rock01:em1", "docket.source.rock01:em2", "/etc/stenographer/certs-em1/client_cert.pem")
        assert [word for word in told if word not in screen] == []
    finally:
        child.stop()


def test_removal_leaves_results(machine: Machine) -> None:
    """The package goes, and with it all its files; results stay even when it is purged."""
    machine.write("/var/spool/docket/kept", "evidence")
    machine.run("dpkg", "--purge", "docket")
    machine.run("test", "!", "-e", "/usr/bin/docket", "-a", "!", "-e", "/usr/lib/systemd/system/docket.service")
    machine.run("test", "!", "-e", "/usr/lib/docket", "-a", "!", "-e", "/etc/docket/docket.yaml")
    assert machine.read("/var/spool/docket/kept") == "evidence"
