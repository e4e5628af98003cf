"""The Ansible role, run on a booted machine: it makes a sensor that answers over https, and changes nothing twice."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.booted_machine import BootedMachine
from tests.services import needs

ROLE = Path(__file__).parents[2] / "deploy/ansible"
PASSWORD = "correct horse"

STENOGRAPHER = r"""
set -e
mkdir -p /data/em1/packets /data/em1/index
chown -R stenographer:stenographer /data/em1
printf '#!/bin/sh\nexec sleep infinity\n' > /usr/local/bin/idle-stenotype
chmod 755 /usr/local/bin/idle-stenotype
rm -f /etc/stenographer/config
cat > /etc/stenographer/config.em1 <<'C'
{ "Threads": [ { "PacketsDirectory": "/data/em1/packets", "IndexDirectory": "/data/em1/index" } ],
  "StenotypePath": "/usr/local/bin/idle-stenotype", "Interface": "em1", "Port": 1234, "Host": "127.0.0.1",
  "Flags": [], "CertPath": "/etc/stenographer/certs" }
C
systemd-run --unit=steno --uid=stenographer --gid=stenographer stenographer --config=/etc/stenographer/config.em1
"""


@pytest.fixture(scope="module")
def sensor(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[BootedMachine]:
    """A machine with a systemd, a stenographer without packets, the role and the package."""
    needs.program("ansible-playbook", "ansible-core")
    # Ansible would fetch it, and the booted machine has no network.
    needs.file(Path("/usr/lib/python3/dist-packages/apt/__init__.py"), "python3-apt")
    needs.program("stenographer", "stenographer")
    machine = BootedMachine(tmp_path_factory.mktemp("ansible"))
    try:
        shutil.copytree(ROLE, machine.share / "ansible")
        shutil.copy(package, machine.share / "docket.deb")
        machine.run(STENOGRAPHER)
        yield machine
    finally:
        machine.close()


def play(machine: BootedMachine) -> str:
    settings = json.dumps(
        {"docket_deb": "/srv/share/docket.deb", "docket_name": "sensor.example", "docket_users": {"anna": PASSWORD}}
    )
    command = f"ansible-playbook -i localhost, -c local /srv/share/ansible/sensor.yml -e '{settings}'"
    return machine.run(command, timeout_s=400)


@pytest.mark.timeout(900)
def test_role_makes_a_sensor_and_repeating_it_changes_nothing(sensor: BootedMachine) -> None:
    """All is well at its end; the page is there over https for who has a password; a second run changes nothing."""
    assert re.search(r"failed=0", play(sensor))
    curl = "curl -s -o /dev/null -w '%{http_code}' --cacert /etc/docket/tls/ca.pem"
    page = "https://sensor.example/app/docket/api/v1/jobs"
    assert sensor.run(f"{curl} -u 'anna:{PASSWORD}' {page}") == "200"
    assert sensor.run(f"{curl} {page}") == "401"
    assert "rock01:em1" in sensor.run("docket status")
    assert re.search(r"changed=0 .*failed=0", play(sensor))
