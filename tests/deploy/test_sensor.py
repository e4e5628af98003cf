"""A whole sensor under a real systemd, set up by the words of the pages.

One machine; the tests are in the order of its life.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.booted_machine import BootedMachine
from tests.deploy.documented import ROOT, Record, blocks
from tests.services import needs

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer, pytest.mark.timeout(600)]

ALL = "docket.target docket.service docket-collector docket-inspector docket-worker@em1 docket-worker@em2"
WELL = 120.0

STENOGRAPHERS = r"""
set -e
cat > /usr/local/sbin/cables <<'C'
#!/bin/sh
for i in 1 2; do
  ip link show em$i >/dev/null 2>&1 || ip link add em$i type veth peer name wire$i
  for e in em$i wire$i; do sysctl -qw net.ipv6.conf.$e.disable_ipv6=1 || true; ip link set $e promisc on up; done
done
C
chmod 755 /usr/local/sbin/cables
for i in 1 2; do
  d=/data/stenographer/em$i
  install -d -o stenographer -g stenographer /data/stenographer $d $d/packets $d/index
  cat > /etc/stenographer/config.em$i <<C
{ "Threads": [ { "PacketsDirectory": "$d/packets", "IndexDirectory": "$d/index",
                 "MaxDirectoryFiles": 30000, "DiskFreePercentage": 1 } ],
  "StenotypePath": "/usr/sbin/stenotype", "Interface": "em$i", "Port": $((1233+i)), "Host": "127.0.0.1",
  "Flags": ["--filesize_mb=16","--fileage_sec=5","--blockage_sec=1","--aiops=16","--no_watchdogs","--blocks=32"],
  "CertPath": "/etc/stenographer/certs" }
C
done
[ -d /etc/stenographer/certs ] && [ -n "$(ls /etc/stenographer/certs)" ] || stenokeys stenographer stenographer
rm -f /etc/stenographer/config
cat > /etc/systemd/system/stenographer@.service <<'C'
[Unit]
After=network.target cables.service
[Service]
User=stenographer
Group=stenographer
LimitFSIZE=4294967296
LimitNOFILE=16000
ExecStart=/usr/sbin/stenographer --config=/etc/stenographer/config.%i
Restart=on-failure
[Install]
WantedBy=multi-user.target
C
cat > /etc/systemd/system/cables.service <<'C'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/cables
[Install]
WantedBy=multi-user.target
C
systemctl daemon-reload
systemctl enable --now cables stenographer@em1 stenographer@em2 rabbitmq-server
"""


@pytest.fixture(scope="module")
def package() -> Path:
    """The Debian package, built as `make deb` builds it."""
    needs.program("dpkg-deb", "dpkg")
    done = subprocess.run([ROOT / "scripts/deb"], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    return ROOT / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def sensor(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[BootedMachine]:
    """A booted machine with a broker and two stenographers, and the package beside it."""
    machine = BootedMachine(tmp_path_factory.mktemp("sensor"))
    try:
        (machine.share / package.name).write_bytes(package.read_bytes())
        machine.run(STENOGRAPHERS)
        # Where `make deb` has been run: the checkout's own directories, as the pages name them.
        machine.run("mkdir -p /root/docket && ln -sfn /srv/share /root/docket/dist")
        yield machine
    finally:
        machine.close()


@pytest.fixture(scope="module")
def record() -> Iterator[Record]:
    found = Record()
    yield found
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/documented-commands.md").write_text(found.table())


def wait_well(sensor: BootedMachine) -> None:
    """Until `docket status` ends 0."""
    sensor.until("docket status >/dev/null 2>&1 && echo well || true", bool, "all to be well", WELL)


def active(sensor: BootedMachine, units: str = ALL) -> set[str]:
    return set(sensor.try_run(f"systemctl is-active {units}").stdout.split())


def without_make(command: str) -> str:
    """The package was built outside of the machine, which has no network, and no one answers apt."""
    quiet = "apt-get install -y -q --no-install-recommends" + ("" if "./dist" in command else " --no-upgrade")
    return command.removeprefix("make deb && ").replace("apt-get install", quiet)


def test_installing_starts_everything(sensor: BootedMachine, record: Record) -> None:
    """The commands of the README, as they stand, end with a sensor on which all is well; nothing has failed."""
    first, *rest = blocks("README.md", "On a sensor")
    assert record.run(sensor, "README.md", without_make(first)).as_documented, record.table()
    assert not rest[-1].startswith("make")
    assert record.run(sensor, "README.md", rest[0]).as_documented, record.table()
    wait_well(sensor)
    assert record.run(sensor, "README.md", rest[1]).as_documented, record.table()
    assert active(sensor) == {"active"}
    assert sensor.run("systemctl list-units --state=failed --no-legend 'docket*'") == ""
    modes = sensor.run("stat -c '%U:%G %a' /run/docket /var/spool/docket /etc/docket /etc/docket/docket.yaml")
    assert modes.split("\n")[:4] == ["root:root 755", "docket:docket 750", "root:docket 750", "root:docket 640"]
    assert "docket.yaml" not in sensor.run("cat /var/lib/dpkg/info/docket.conffiles 2>/dev/null || true")
    # Only workers hold the client key's group.
    assert "stenographer" not in sensor.run("id docket")


def test_proxy_is_set_up_by_the_page(sensor: BootedMachine, record: Record) -> None:
    """lighttpd with Debian's own configuration, TLS and a password; the links of the installed pages lead somewhere."""
    page = "docs/operations.md"
    for command in blocks(page, "Installing"):
        record.run(sensor, page, without_make(command))
    assert record.wrong == [], record.table()
    broken = "cd /usr/share/doc/docket/docs && ls ../deploy/lighttpd/sensor.conf ../deploy/tls/certificates"
    sensor.run(broken)


def test_fault_in_the_configuration_is_not_repeated(sensor: BootedMachine) -> None:
    """One start, an error in the journal, a target that is not active; once it is mended, one command starts it all."""
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


def test_failed_unit_is_not_well(sensor: BootedMachine) -> None:
    """Status, health and metrics name it."""
    sensor.run("systemctl mask --runtime --now docket-inspector; systemctl reset-failed docket-inspector || true")
    sensor.run("systemctl unmask --runtime docket-inspector; mkdir -p /run/systemd/system/docket-inspector.service.d")
    sensor.write(
        "/run/systemd/system/docket-inspector.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/bin/false\n"
    )
    sensor.write("/run/systemd/system/docket-inspector.service.d/y.conf", "[Service]\nRestart=no\n")
    sensor.try_run("systemctl daemon-reload; systemctl start docket-inspector")
    done = sensor.try_run("docket status")
    assert (done.returncode, "docket-inspector.service" in done.stdout) == (9, True)
    sensor.run("rm -r /run/systemd/system/docket-inspector.service.d; systemctl daemon-reload")
    sensor.run("systemctl start docket.target")
    wait_well(sensor)
