"""A sensor with directories of captures alone, under a real systemd: from the package, and from a checkout in a home.

It has no stenographer and no group of that name. Each way of installing is tried on a machine without Docket.
"""

import importlib.metadata
import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.booted_machine import BootedMachine
from tests.deploy.conftest import APT
from tests.deploy.sensor_machine import LEFT, PACKETS, RECORDERS, active, boot, send_traffic, wait_well

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
CHECKOUT = "/home/op/docket"
SOURCES = ("docket", "deploy", "pyproject.toml", "README.md", "LICENSE")
CLEAN = """
if command -v docket >/dev/null; then docket uninstall >/dev/null 2>&1; fi
dpkg --purge docket >/dev/null 2>&1
rm -rf /etc/docket /var/spool/docket /var/lib/docket /home/op
true
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[BootedMachine]:
    booted = boot(tmp_path_factory.mktemp("directories"), package, RECORDERS)
    try:
        assert booted.try_run("getent group stenographer").returncode != 0
        yield booted
    finally:
        booted.close()


@pytest.fixture
def bare(machine: BootedMachine) -> BootedMachine:
    """The machine without Docket, whatever was installed on it before."""
    machine.run(CLEAN)
    return machine


def place_checkout(machine: BootedMachine) -> None:
    """A checkout with its venv, in the home of a person that is closed to others.

    The venv has this one's libraries, and Docket as an editable installation: a line with its directory.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in SOURCES:
            tar.add(ROOT / name, name, filter=lambda member: None if "__pycache__" in member.name else member)
    (machine.share / "checkout.tar").write_bytes(packed.getvalue())
    libraries = Path(str(importlib.metadata.distribution("pika").locate_file("")))
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    machine.run(
        f"useradd --create-home op && chmod 700 /home/op && mkdir {CHECKOUT} && cd {CHECKOUT} && "
        "tar -xf /srv/share/checkout.tar && python3 -m venv --without-pip .venv && "
        f"printf '%s\\n' {CHECKOUT} {libraries} > .venv/lib/{python}/site-packages/docket.pth && "
        f"printf '%s\\n' '#!{CHECKOUT}/.venv/bin/python' 'import sys' 'from docket.cli import main' "
        "'sys.exit(main())' > .venv/bin/docket && chmod 755 .venv/bin/docket && chown -R op:op /home/op"
    )


def assert_answers(machine: BootedMachine) -> None:
    """All is well, nothing has failed, and a question brings every packet of both directories."""
    wait_well(machine)
    assert active(machine) == {"active"}
    assert machine.run("systemctl list-units --state=failed --no-legend 'docket*'") == ""
    # The window begins before the sensor did.
    assert machine.try_run("docket get 'host 10.1.1.1' --after 1h --fresh -w /root/all.pcap").returncode in (0, 3)
    assert machine.run("tcpdump -r /root/all.pcap 2>/dev/null | wc -l").strip() == str(2 * PACKETS)


def live_on(machine: BootedMachine) -> None:
    """Set up by the words of the page; asked, switched off in order and without, and asked again."""
    machine.run("docket setup --start")
    assert "kind: stenographer" not in machine.read("/etc/docket/docket.yaml")
    wait_well(machine)
    machine.run("rm -rf /data/pcap/em?/*; systemctl restart recorder@em1 recorder@em2")
    send_traffic(machine)
    assert_answers(machine)
    machine.reboot()
    assert_answers(machine)


def test_package_runs_where_there_are_only_directories(bare: BootedMachine) -> None:
    """The services start, answer, and are there after a reboot."""
    bare.run(f"{APT} ./dist/docket_*.deb")
    live_on(bare)


def test_checkout_in_a_home_is_installed(bare: BootedMachine) -> None:
    """`docket install` of a venv in a closed home ends with services that run, also after a reboot and without the
    home; `docket uninstall` takes all of it away."""
    place_checkout(bare)
    said = bare.run(f"cd {CHECKOUT} && .venv/bin/docket install")
    assert "copy    /usr/local/lib/docket" in said
    bare.run("rm -r /home/op")
    live_on(bare)
    running = bare.run("tr '\\0' ' ' < /proc/$(systemctl show -p MainPID --value docket-collector)/cmdline")
    assert running.split()[1:] == ["-I", "/usr/bin/docket", "collector"]
    assert "change" not in {line.split()[0] for line in bare.run("docket install --dry-run").splitlines() if line}
    bare.run("docket uninstall")
    assert bare.try_run(LEFT).stdout == ""
    assert bare.run("ls /var/spool/docket/jobs") != ""
