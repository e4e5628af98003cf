"""What befalls a sensor in its life, under a real systemd: killed, hung, stopped, rebooted, without power, upgraded."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.booted_machine import BootedMachine
from tests.deploy.sensor_jobs import ask_in_the_middle_of_things, assert_same_packets
from tests.deploy.sensor_machine import active, wait_well

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
INTERRUPTIONS = {
    "stop": "systemctl stop docket-collector docket-worker@em1 && systemctl start docket-collector docket-worker@em1",
    "kill": "systemctl kill --signal=KILL docket-collector docket-worker@em1 docket.service",
    "hang": "systemctl kill --signal=STOP docket-worker@em1",
    "broker": "systemctl restart rabbitmq-server",
}


@pytest.mark.parametrize("interruption", [*INTERRUPTIONS, "reboot", "cut_power"])
def test_job_ends_with_the_same_packets(installed: BootedMachine, interruption: str) -> None:
    """Asked, then something happens in the middle of it."""
    job = ask_in_the_middle_of_things(installed)
    if interruption in INTERRUPTIONS:
        installed.run(INTERRUPTIONS[interruption])
    else:
        getattr(installed, interruption)()
    installed.run("systemctl start stenographer@em2")
    wait_well(installed)
    assert active(installed) == {"active"}
    assert_same_packets(installed, job)


OTHER_BOUNDS = {
    "FRAGMENT_QUEUE_MESSAGES = 64": "FRAGMENT_QUEUE_MESSAGES = 63",
    "DELIVERY_LIMIT = 100\n": "DELIVERY_LIMIT = 99\n",
    "DEAD_QUEUE_MESSAGES = 100_000": "DEAD_QUEUE_MESSAGES = 99_999",
}


def bounds(machine: BootedMachine) -> set[str]:
    """The numbers among the arguments of all queues."""
    said = machine.run("rabbitmqctl -q -p / list_queues arguments --no-table-headers")
    return set(re.findall(r"\b(?:6[34]|99|100|99999|100000)\b", said))


def older_package(directory: Path, package: Path) -> Path:
    """The same with a lower version, as a user of today has it: its services are guest on the broker, and its queues
    have other bounds."""
    tree = directory / "tree"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True, timeout=60)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 0~"))
    for changed in (tree / "usr/lib/docket/docket/cli/broker_login.py", tree / "DEBIAN/postinst"):
        text = changed.read_text()
        text = text.replace("docket setup --broker-user", "true").replace("if not _is_guest(config, path):", "if True:")
        changed.write_text(text)
    topology = tree / "usr/lib/docket/docket/bus/topology.py"
    text = topology.read_text()
    for now, before in OTHER_BOUNDS.items():
        assert now in text, now
        text = text.replace(now, before)
    topology.write_text(text)
    older = directory / "docket_0_older.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, older], check=True, timeout=60)
    return older


def test_upgrade_asks_nothing_loses_nothing_and_replaces_guest(
    installed: BootedMachine, package: Path, tmp_path: Path
) -> None:
    """From a package whose services are `guest` and whose queues have other bounds, over a changed configuration, with
    a job that is not done and results in the spool: no prompt, the services run the new version with a user of their
    own, the queues have the new bounds, and the job ends."""
    sensor = installed
    sensor.run("systemctl stop docket.target docket.socket 'docket-*.service'")
    sensor.run("rabbitmqctl -q add_user guest guest; rabbitmqctl -q set_permissions guest '.*' '.*' '.*'")
    (sensor.share / "older.deb").write_bytes(older_package(tmp_path, package).read_bytes())
    sensor.run("DEBIAN_FRONTEND=noninteractive dpkg --install --force-downgrade /srv/share/older.deb </dev/null")
    guest = "bus: amqp://guest:guest@127.0.0.1:5672/%2F"
    sensor.run(f"sed -i 's,^bus: .*,{guest},' /etc/docket/docket.yaml; echo '# ours' >> /etc/docket/docket.yaml")
    sensor.run("systemctl start docket.socket docket.target")
    sensor.until("docket status 2>&1", lambda said: said.count("online") == 2, "the older services", 120)
    assert bounds(sensor) == {"63", "99", "99999"}
    results = sensor.run("ls /var/spool/docket/jobs").split()
    job = ask_in_the_middle_of_things(sensor)
    sensor.run(f"DEBIAN_FRONTEND=noninteractive dpkg --install /srv/share/{package.name} </dev/null")
    sensor.run("systemctl start stenographer@em2")
    configuration = sensor.read("/etc/docket/docket.yaml")
    assert configuration.endswith("# ours\n")
    assert "bus: amqp://docket:" in configuration
    # The vhost stays, with what waits in it.
    assert "@127.0.0.1:5672/%2F\n" in configuration
    assert "guest" not in sensor.run("rabbitmqctl -q list_users")
    wait_well(sensor)
    assert bounds(sensor) == {"64", "100", "100000"}
    assert_same_packets(sensor, job)
    assert set(results) <= set(sensor.run("ls /var/spool/docket/jobs").split())
    assert active(sensor) == {"active"}
