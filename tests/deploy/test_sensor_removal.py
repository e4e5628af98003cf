"""A sensor that is removed, purged and installed again: what stays, and what goes.

Under a real systemd, at the end of the machine's life.
"""

import pytest

from tests.deploy.booted_machine import BootedMachine
from tests.deploy.conftest import APT
from tests.deploy.documented import Record
from tests.deploy.sensor_jobs import FINAL, answer, ask_in_the_middle_of_things, assert_same_packets
from tests.deploy.sensor_machine import LEFT, last_job, wait_well

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer, pytest.mark.timeout(900)]

OPERATIONS = "docs/operations.md"
KEY = "/var/lib/docket/signing/private.pem"
SIGNS = "docket-collector"
OTHERS = ("docket", "docket-inspector", "docket-indexer", "docket-worker@em1", "docket-worker@em2")


def apt(command: str) -> dict[str, str]:
    """The page's command for a machine on which no one answers."""
    return {command: command.replace("apt-get", "DEBIAN_FRONTEND=noninteractive apt-get -y -q")}


def broker_users(machine: BootedMachine) -> list[str]:
    return [line.split("\t")[0] for line in machine.run("rabbitmqctl -q list_users --no-table-headers").splitlines()]


def reads_key(machine: BootedMachine, unit: str) -> bool:
    """Whether a process of the unit's user may read the signing key where the unit's processes are."""
    pid = machine.run(f"systemctl show -p MainPID --value {unit}").strip()
    assert pid != "0", unit
    as_docket = "setpriv --reuid docket --regid docket --clear-groups"
    return machine.try_run(f"nsenter -t {pid} -m {as_docket} head -c 1 {KEY}").returncode == 0


def test_signing_key_is_for_the_collector_alone(installed: BootedMachine) -> None:
    """It lies where only the user docket may go, and no other service of that user may read it."""
    sensor = installed
    modes = sensor.run(f"stat -c '%U:%G %a' /var/lib/docket $(dirname {KEY}) {KEY}").splitlines()
    assert modes == ["docket:docket 750", "docket:docket 750", "docket:docket 600"]
    assert {unit for unit in (SIGNS, *OTHERS) if reads_key(sensor, unit)} == {SIGNS}
    public = sensor.run("curl -s --unix-socket /run/docket/docket.socket http://x/api/v1/signing-key")
    assert public == sensor.run(f"openssl pkey -in {KEY} -pubout")


def test_removal_and_installing_again_go_on_where_it_was(installed: BootedMachine, record: Record) -> None:
    """Programs and units go, in the middle of a job; all else stays, and the job ends with the same packets."""
    sensor = installed
    sensor.try_run("docket get 'host 10.1.1.1' --after 1h -w /root/earlier.pcap")
    earlier = last_job(sensor)
    bus = sensor.run("grep ^bus: /etc/docket/docket.yaml")
    key = sensor.run(f"sha256sum {KEY}")
    job = ask_in_the_middle_of_things(sensor)
    remove = "apt-get remove docket"
    record.run(sensor, OPERATIONS, remove, changed=apt(remove))
    assert record.wrong == [], record.table()
    assert sensor.try_run(LEFT).stdout == ""
    sensor.run("test -s /var/spool/docket/ledger.sqlite3 && test -s /etc/docket/docket.yaml")
    assert "docket" in broker_users(sensor)
    done = sensor.try_run(f"{APT} ./dist/docket_*.deb")
    assert (done.returncode, "docket setup --start" in done.stdout + done.stderr) == (0, True)
    sensor.run("systemctl start stenographer@em2; docket setup --start")
    wait_well(sensor)
    assert sensor.run(f"sha256sum {KEY}") == key
    assert sensor.run("grep ^bus: /etc/docket/docket.yaml") == bus
    assert_same_packets(sensor, job)
    sensor.run(f"docket verify /var/spool/docket/jobs/{earlier}")


def test_purge_leaves_results_unless_it_is_asked_for(installed: BootedMachine, record: Record) -> None:
    """The configuration and the broker's user go. Results are taken up again; asked for, they go, too."""
    sensor = installed
    job = last_job(sensor)
    purge = "apt-get purge docket"
    record.run(sensor, OPERATIONS, purge, changed=apt(purge))
    assert record.wrong == [], record.table()
    assert sensor.try_run(LEFT).stdout == ""
    assert "docket" not in broker_users(sensor)
    sensor.run(f"test ! -e /etc/docket/docket.yaml && test ! -e /var/lib/docket/index && test -s {KEY}")
    sensor.run(f"test -s /var/spool/docket/jobs/{job}/job.json && getent passwd docket")
    sensor.run(f"{APT} ./dist/docket_*.deb && docket setup --start")
    wait_well(sensor)
    assert "docket" in broker_users(sensor)
    assert answer(sensor, job)["state"] in FINAL
    sensor.run(f"docket verify /var/spool/docket/jobs/{job}")
    yes = "echo 'docket docket/remove-results boolean true' | debconf-set-selections"
    record.run(sensor, OPERATIONS, yes)
    record.run(sensor, OPERATIONS, purge, changed=apt(purge))
    assert record.wrong == [], record.table()
    sensor.run("test ! -e /var/spool/docket && test ! -e /var/lib/docket")
