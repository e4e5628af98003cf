"""Health that is true, under a real systemd: each fault is made by its real cause, and named with what to do by
`docket status`, `GET health`, the page of the sources and the figures, until it is mended."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.deploy.booted_machine import BootedMachine
from tests.deploy.browsing import at_the_page
from tests.deploy.conftest import ensure_installed, ensure_proxy
from tests.deploy.documented import Record
from tests.deploy.sensor_machine import active, wait_well
from tests.services import needs

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer, pytest.mark.browser, pytest.mark.timeout(600)]

AT_SOCKET = "curl -s -m 20 --unix-socket /run/docket/docket.socket http://x/api/v1"
METRICS = "curl -s -m 20 --unix-socket /run/docket/docket.socket http://x/app/docket/metrics"
PAGE = "https://sensor.example/app/docket/"
SEEN_S = 240.0
STENO = "/etc/stenographer/certs"
DROP_IN = "/run/systemd/system/docket-inspector.service.d"


@dataclass(frozen=True, slots=True)
class Named:
    """A fault as it has to be named: `name` by the checks, `shown` on the screen of `docket status`."""

    name: str
    message: str
    advice: str
    shown: str


@dataclass(frozen=True, slots=True)
class Cause:
    """What is done on a sensor on which all is well, and undone."""

    make: str
    mend: str
    named: tuple[Named, ...]
    ready: bool = True
    """Whether questions are still taken."""


def short_certificate(path: str, key: str, ca: str, ca_key: str) -> str:
    """One of ten days in place of another."""
    return (
        f"openssl req -new -key {key} -subj /CN=127.0.0.1 -out /root/short.csr && "
        f"openssl x509 -req -in /root/short.csr -CA {ca} -CAkey {ca_key} -CAcreateserial -days 10 "
        f"-out /root/short.pem && cp --dereference {path} /root/kept.pem && "
        f"cat /root/short.pem > {path}"
    )


WORKERS = "systemctl restart docket-worker@em1 docket-worker@em2"
CAUSES = {
    "failed unit": Cause(
        f"mkdir -p {DROP_IN} && cd {DROP_IN} && "
        "printf '%s\\n' '[Service]' ExecStart= ExecStart=/bin/false Restart=no > x.conf; "
        "systemctl daemon-reload; systemctl restart docket-inspector; true",
        f"rm -r {DROP_IN}; systemctl daemon-reload; systemctl start docket.target",
        (
            Named(
                "unit docket-inspector.service",
                "has failed",
                "journalctl -u docket-inspector.service",
                "unit docket-inspector.service",
            ),
        ),
    ),
    "broker alarm": Cause(
        "rabbitmqctl -q set_vm_memory_high_watermark 0.00001",
        "rabbitmqctl -q set_vm_memory_high_watermark 0.4",
        (Named("broker", "short of memory", "rabbitmqctl status", "broker"),),
        ready=False,
    ),
    "stenographer refuses": Cause(
        "systemctl stop stenographer@em2",
        "systemctl start stenographer@em2",
        (Named("source rock01:em2", "Connection refused", "stenographer@em2", "rock01:em2"),),
    ),
    "directory not written to": Cause(
        "mkdir -p /data/old && cp /srv/share/traffic.pcap /data/old/old.pcap && "
        "touch -d '1 hour ago' /data/old/old.pcap && cp -a /etc/docket/docket.yaml /root/good.yaml && "
        "echo '- {name: \"rock01:old\", kind: capture-files, path: /data/old}' >> /etc/docket/docket.yaml && "
        "docket config check && systemctl enable --now docket-worker@old && systemctl restart docket docket-collector",
        # Setup takes its worker away.
        "cp -a /root/good.yaml /etc/docket/docket.yaml; rm -r /data/old; docket setup --start && "
        "docket source forget rock01:old",
        (Named("recording rock01:old", "minutes", "is its recorder running", "recording rock01:old"),),
    ),
    "certificate about to end": Cause(
        f"cd {STENO} && "
        + short_certificate("client_cert.pem", "client_key.pem", "ca_cert.pem", "ca_key.pem")
        + f" && {WORKERS}",
        f"cat /root/kept.pem > {STENO}/client_cert.pem; {WORKERS}",
        (Named("certificate of rock01:em1", "ends in 9 days", "make a new one", "client_cert.pem"),),
    ),
    "certificate of the proxy": Cause(
        "cd /etc/docket/tls && " + short_certificate("sensor.example.pem", "server.key", "ca.pem", "ca.key"),
        "cat /root/kept.pem > /etc/docket/tls/sensor.example.pem",
        (
            Named(
                "certificate /etc/docket/tls/sensor.example.pem", "ends in 9 days", "make a new one", "sensor.example"
            ),
        ),
    ),
    "dead letters": Cause(
        "amqp-publish --url=$(grep ^bus: /etc/docket/docket.yaml | cut -d' ' -f2) -e docket.jobs -r job.request -b no",
        "rabbitmqctl -p docket purge_queue docket.dead",
        (Named("dead letters", "1 messages could not be handled", "Dead letters", "docket.dead"),),
    ),
    "queues without a reader": Cause(
        "systemctl stop docket-collector docket-worker@em2 docket-inspector",
        "systemctl start docket.target docket-collector docket-worker@em2 docket-inspector",
        (
            Named("queue docket.collector", "no reader", "systemctl status docket-collector", "docket.collector"),
            Named("queue docket.inspector", "no reader", "systemctl status docket-inspector", "docket.inspector"),
            Named(
                "queue docket.source.rock01:em2",
                "no reader",
                "systemctl status docket-worker@em2",
                "docket.source.rock01:em2",
            ),
        ),
    ),
}


@pytest.fixture(scope="module")
def well(sensor: BootedMachine, whole_record: Record) -> BootedMachine:
    """The machine with services and proxy, on which all is well."""
    ensure_installed(sensor)
    ensure_proxy(sensor, whole_record)
    return sensor


@pytest.fixture(scope="module")
def page(well: BootedMachine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of the sources in Chromium, through the proxy."""
    flags = ("--host-resolver-rules=MAP sensor.example 127.0.0.1",)
    enter = (needs.program("nsenter", "util-linux"), "-t", str(well.init_pid), "-n", "--")
    directory: Path = tmp_path_factory.mktemp("chromium")
    certificate = well.read("/etc/docket/tls/server.pem")
    with at_the_page(PAGE, ("anna", "SECRET"), certificate, directory, enter, flags) as person:
        yield person.open("sources").page


@pytest.fixture(scope="module", params=CAUSES)
def cause(request: pytest.FixtureRequest, well: BootedMachine) -> Iterator[Cause]:
    """One fault, made; after all views were looked at it is mended, and all is well again."""
    made = CAUSES[request.param]
    well.run(made.make)
    yield made
    well.run(made.mend)
    wait_well(well)


def by_status(sensor: BootedMachine, named: Named, page: Page) -> None:  # noqa: ARG001
    def shown(said: str) -> bool:
        lines = [line for line in said.splitlines() if "NOT OK" in line and named.shown in line]
        return any(named.advice in line for line in lines)

    said = sensor.until("docket status", shown, f"docket status to name {named.name}", SEEN_S)
    assert (sensor.try_run("docket status").returncode, "Not OK" in said) == (9, False)


def by_health(sensor: BootedMachine, named: Named, page: Page) -> None:  # noqa: ARG001
    def shown(said: str) -> bool:
        checks = json.loads(said)["checks"] if said.startswith("{") else []
        bad = [one for one in checks if not one["ok"] and one["name"] == named.name]
        return any(named.message in one["message"] and named.advice in one["advice"] for one in bad)

    sensor.until(f"{AT_SOCKET}/health", shown, f"health to name {named.name}", SEEN_S)


def by_page(sensor: BootedMachine, named: Named, page: Page) -> None:  # noqa: ARG001
    items = page.get_by_role("region", name="Not well").get_by_role("listitem")
    item = items.filter(has=page.locator(f"strong:text-is('{named.name}')"))
    expect(item).to_contain_text(named.message, timeout=SEEN_S * 1000)
    expect(item).to_contain_text("What to do: ")
    expect(item).to_contain_text(named.advice)


def by_metrics(sensor: BootedMachine, named: Named, page: Page) -> None:  # noqa: ARG001
    def shown(said: str) -> bool:
        lines = said.splitlines()
        info = [line for line in lines if line.startswith("docket_fault_info{") and f'fault="{named.name}"}}' in line]
        return f'docket_fault{{fault="{named.name}"}} 1.0' in lines and any(named.advice in line for line in info)

    sensor.until(METRICS, shown, f"the figures to name {named.name}", SEEN_S)


VIEWS: dict[str, Callable[[BootedMachine, Named, Page], None]] = {
    "docket status": by_status,
    "health": by_health,
    "page": by_page,
    "metrics": by_metrics,
}


def test_fault_in_the_configuration_is_not_repeated(installed: BootedMachine) -> None:
    """One start, an error in the journal, a target that is not active; once it is mended, one command starts it all."""
    sensor = installed
    sensor.run("cp -a /etc/docket/docket.yaml /root/good.yaml")
    sensor.run("sed -i 's/keep: 48h/keep: 4 potatoes/' /etc/docket/docket.yaml")
    assert sensor.try_run("systemctl restart docket.target").returncode != 0
    facts = sensor.run("systemctl show -p NRestarts -p ExecMainStatus docket-collector.service")
    assert sorted(facts.split()) == ["ExecMainStatus=7", "NRestarts=0"]
    assert "spool.keep" in sensor.run("journalctl -u docket-collector -p err --no-pager")
    assert "active" not in active(sensor, "docket.target docket.service docket-collector docket-worker@em1")
    status = sensor.try_run("docket status")
    assert status.returncode != 0
    assert "docket-collector.service" in status.stdout + status.stderr
    sensor.run("cp -a /root/good.yaml /etc/docket/docket.yaml")
    sensor.run("systemctl start docket.target")
    assert active(sensor) == {"active"}
    wait_well(sensor)


def test_setup_starts_what_was_restarted_too_often(installed: BootedMachine) -> None:
    """systemd refuses the eleventh start within five minutes, also of restarts by hand; setup is a new beginning."""
    assert (
        installed.try_run("for n in $(seq 12); do systemctl restart docket-inspector || exit 1; done").returncode == 1
    )
    assert "start-limit-hit" in installed.run("systemctl show -p Result docket-inspector")
    installed.run("docket setup --start")
    assert active(installed) == {"active"}
    wait_well(installed)


@pytest.mark.parametrize("view", VIEWS)
def test_fault_is_named_with_what_to_do(well: BootedMachine, page: Page, cause: Cause, view: str) -> None:
    """Each fault by each view."""
    for named in cause.named:
        VIEWS[view](well, named, page)


def test_readiness_says_whether_questions_are_taken(well: BootedMachine, cause: Cause) -> None:
    """503 while they are refused, else 200."""
    code = well.run(f"{AT_SOCKET}/health -o /dev/null -w '%{{http_code}}'")
    assert code == ("200" if cause.ready else "503")
