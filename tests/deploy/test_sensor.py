"""A whole sensor under a real systemd, set up by the words of the pages: every command of theirs is run as it stands.

One machine; the tests are in the order of its life, and each can run alone, then on one that was set up for it. The
table of what was run is build/documented-commands.md.
"""

import re
from pathlib import Path

import pytest

from tests.deploy.booted_machine import BootedMachine
from tests.deploy.documented import FEWEST_ROWS, PAGES, Record, blocks, commands
from tests.deploy.sensor_jobs import answer
from tests.deploy.sensor_machine import PACKETS, active, last_job, wait_well
from tests.services import needs

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer, pytest.mark.timeout(900)]

NOT_RUN = {
    "docket verify /var/spool/docket/aside/ID": "there is nothing aside on a sensor on which all is well",
    "docket install": "the package is installed here; the tests of the command line run it",
    "docket uninstall": "undoes docket install; the tests of the command line run it",
    "apt-get remove docket": "test_sensor_removal runs it",
    "apt-get purge docket": "test_sensor_removal runs it",
    "echo 'docket docket/remove-results boolean true' | debconf-set-selections": "test_sensor_removal runs it",
    "make run": "runs on no sensor; `make fresh` holds it",
    "make test": "this is it",
    "make fresh": "makes a machine of its own",
    "make image": "needs a daemon; test_container runs the steps of the recipe",
    "export DOCKET_BUS_PASSWORD=$(openssl rand -hex 16)": "for compose",
    "docker compose up --build --detach": "needs a daemon; test_container runs the services of the file",
    "docker compose exec web docket status": "needs a daemon; test_container asks their health",
    "make cluster": "makes three nodes of its own",
    "make brokers": "makes three machines of its own",
    "docket get … -w - | wireshark -k -i -": "Wireshark has a window; the tests of the command line follow with tshark",
    "rabbitmqadmin --vhost docket get messages --queue docket.dead --count 5 --ack-mode ack_requeue_true": "version 2 "
    "is in no package of Debian's; the line below it is run",
    "rabbitmqctl stop_app && rabbitmqctl join_cluster rabbit@first && rabbitmqctl start_app": "needs three machines",
    "rabbitmq-queues grow rabbit@second all && rabbitmq-queues grow rabbit@third all": "needs three machines",
}
OPERATIONS, CLUSTER, ORIGINAL, UNITS = (
    "docs/operations.md",
    "docs/cluster.md",
    "docs/original.md",
    "deploy/systemd/README.md",
)
DOCKET_1 = "Docket 1.0.3"

ROCKCTL = r"""#!/bin/sh
# As ROCK's: for each service its name, and what systemd says about it.
[ "$1" = status ] || exit 2
for unit in docket.service docket-collector.service docket-worker@em1.service stenographer@em1.service; do
  echo "NAME: $unit"; systemctl status "$unit" | grep Active
done
"""


def place_rockctl(machine: BootedMachine) -> None:
    machine.write("/usr/sbin/rockctl", ROCKCTL)
    machine.run("chmod 755 /usr/sbin/rockctl")


def test_installing_starts_everything(sensor: BootedMachine, record: Record) -> None:
    """The commands of the README, as they stand, end with a sensor on which all is well; nothing has failed."""
    install, setup, status = blocks("README.md", "On a sensor")
    record.run_all(sensor, "README.md", [install, setup])
    wait_well(sensor)
    record.run_all(sensor, "README.md", [status])
    assert active(sensor) == {"active"}
    assert sensor.run("systemctl list-units --state=failed --no-legend 'docket*'") == ""
    modes = sensor.run("stat -c '%U:%G %a' /run/docket /var/spool/docket /etc/docket /etc/docket/docket.yaml")
    assert modes.split("\n")[:4] == ["root:root 755", "docket:docket 750", "root:docket 750", "root:docket 640"]
    assert "docket.yaml" not in sensor.run("cat /var/lib/dpkg/info/docket.conffiles 2>/dev/null || true")
    # Only workers hold the client key's group.
    assert "stenographer" not in sensor.run("id docket")
    # Workers start at boot, also where nothing else of Docket is enabled.
    sensor.run("test -L /etc/systemd/system/multi-user.target.wants/docket-worker@em1.service")


@pytest.mark.usefixtures("installed")
def test_worker_writes_into_its_own_directory_of_the_spool_alone(sensor: BootedMachine) -> None:
    """There the collector of this machine, which says so, takes large answers from."""
    sensor.run("test -s /var/spool/docket/incoming/collector")
    inside = (
        "nsenter -m -t $(systemctl show -p MainPID --value docket-worker@em1) setpriv --reuid docket --regid docket"
    )
    touch = f"{inside} --clear-groups touch /var/spool/docket"
    sensor.run(f"{touch}/incoming/em1/tried && rm /var/spool/docket/incoming/em1/tried")
    for other in ("incoming/em2/tried", "incoming/tried", "jobs/tried", "ledger.sqlite3"):
        refused = sensor.try_run(f"{touch}/{other}")
        assert "Read-only file system" in refused.stderr, other


@pytest.mark.usefixtures("installed")
def test_broker_has_a_user_of_dockets_own(sensor: BootedMachine) -> None:
    """guest is gone; the password is random, in a file that only Docket's group may read; services refuse guest."""
    assert sensor.run("rabbitmqctl -q list_users --no-table-headers").split("\t")[0] == "docket"
    url = sensor.run("grep ^bus: /etc/docket/docket.yaml").split()[1]
    assert re.fullmatch(r"amqp://docket:[\w-]{32}@127\.0\.0\.1:5672/docket", url)
    refused = "amqp-get --url=amqp://guest:guest@127.0.0.1/docket -q docket.collector"
    assert sensor.try_run(refused).returncode != 0
    sensor.run("cp -a /etc/docket/docket.yaml /root/own.yaml")
    sensor.run("sed -i 's,^bus: .*,bus: amqp://guest:guest@127.0.0.1:5672/%2F,' /etc/docket/docket.yaml")
    status = sensor.try_run("docket status")
    assert (status.returncode, "docket setup --broker-user" in status.stdout) == (9, True)
    assert sensor.try_run("systemctl restart docket-collector").returncode != 0
    facts = sensor.run("systemctl show -p NRestarts -p ExecMainStatus docket-collector.service")
    assert sorted(facts.split()) == ["ExecMainStatus=7", "NRestarts=0"]
    assert "docket setup --broker-user" in sensor.run("journalctl -u docket-collector -p err --no-pager")
    # guest by itself: it may still log in.
    sensor.run("cp -a /root/own.yaml /etc/docket/docket.yaml; systemctl start docket.target")
    sensor.run("rabbitmqctl -q add_user guest guest")
    status = sensor.try_run("docket status")
    assert (status.returncode, "rabbitmqctl delete_user guest" in status.stdout) == (9, True)
    assert "guest" in sensor.run("docket setup --start")
    assert "guest" not in sensor.run("rabbitmqctl -q list_users")
    wait_well(sensor)


def test_proxy_is_set_up_by_the_page(proxied: BootedMachine) -> None:
    """lighttpd with Debian's own configuration, TLS and a password; the links of the installed pages lead somewhere."""
    assert proxied.run("systemctl is-active lighttpd").strip() == "active"
    proxied.run("cd /usr/share/doc/docket/docs && ls ../deploy/lighttpd/sensor.conf ../deploy/tls/certificates")


@pytest.mark.usefixtures("proxied")
def test_page_of_the_original_still_describes_it(sensor: BootedMachine, record: Record) -> None:
    """What the page of Docket 1.0.3 tells an operator to look at is there."""
    place_rockctl(sensor)
    record.run(sensor, DOCKET_1, "systemctl status lighttpd", holds=r"active \(running\)")
    record.run(sensor, DOCKET_1, "rockctl status", holds=r"NAME: docket\.service\n +Active: active \(running\)")
    record.run(sensor, DOCKET_1, "ls /var/spool/docket", holds="ledger.sqlite3")
    record.run(sensor, DOCKET_1, "ls /run/docket/", holds="docket.socket")
    page = "curl -s --cacert /etc/docket/tls/ca.pem --user anna:SECRET https://sensor.example/app/docket/"
    record.run(
        sensor,
        DOCKET_1,
        "https://<sensor>/app/docket/",
        changed={"https://<sensor>/app/docket/": page},
        holds="<title>",
    )
    assert record.wrong == [], record.table()


@pytest.mark.usefixtures("proxied")
def test_person_and_program_get_the_same_packets(sensor: BootedMachine) -> None:
    """A question through the proxy and one at the socket, by root and by a member of the group: the bodies are whole,
    and each has its owner."""
    sensor.run("adduser --system --ingroup docket teller >/dev/null 2>&1; true")
    through = (
        "DOCKET_PASSWORD=SECRET docket get 'host 10.1.1.1' --after 1h --fresh -w /root/anna.pcap "
        "--server https://sensor.example/app/docket/ --user anna --ca /etc/docket/tls/ca.pem"
    )
    assert sensor.try_run(through).returncode in (0, 3)
    teller = "cd /tmp && runuser -u teller -g docket -- docket get 'host 10.1.1.1' --after 1h --fresh -w /tmp/t.pcap"
    assert sensor.try_run(teller).returncode in (0, 3)
    counts = [sensor.run(f"tcpdump -r {file} 2>/dev/null | wc -l") for file in ("/root/anna.pcap", "/tmp/t.pcap")]
    assert [int(count) for count in counts] == [2 * PACKETS] * 2
    owners = sensor.run("docket jobs --json | jq -r '.[].owner' | sort -u")
    assert owners.split() == ["anna", "root", "teller"]
    # An authority of the system's own store needs no option; without it, the password does not come up in the refusal.
    named = "docket jobs --json --server https://anna:SECRET@sensor.example/app/docket/"
    refused = sensor.try_run(named)
    assert (refused.returncode, "SECRET" in refused.stdout + refused.stderr) == (6, False), refused
    sensor.run("cp /etc/docket/tls/ca.pem /usr/local/share/ca-certificates/docket.crt && update-ca-certificates")
    sensor.run(named)
    asked = (
        "docket get 'host 10.1.1.1' --after 1h --server https://sensor.example/app/docket/ --user anna -w /root/a.pcap"
    )
    assert sensor.try_run(f"DOCKET_PASSWORD=SECRET {asked}").returncode in (0, 3)


@pytest.mark.usefixtures("installed")
def test_commands_between_the_lines_of_the_operations_page(sensor: BootedMachine, record: Record) -> None:
    """Looking, verifying, saving, and what the symptoms tell to do."""
    job = last_job(sensor)
    directory = f"/var/spool/docket/jobs/{job}"
    sensor.run("curl -s --unix-socket /run/docket/docket.socket http://x/api/v1/signing-key > /root/key.pem")
    page = {
        "docket verify DIRECTORY": {"DIRECTORY": directory},
        "docket verify --key FILE DIRECTORY": {"FILE": "/root/key.pem", "DIRECTORY": directory},
        "docket job ID": {"ID": job},
        "openssl x509 -noout -subject -issuer -enddate -in FILE": {"FILE": "/etc/stenographer/certs/client_cert.pem"},
        'sqlite3 ledger.sqlite3 ".backup …"': {"ledger": "/var/spool/docket/ledger", "…": "/root/copy.sqlite3"},
        "curl --cacert CA --cert CERT --key KEY https://127.0.0.1:1234/debug/stats": {
            "CA ": "/etc/stenographer/certs/ca_cert.pem ",
            "CERT ": "/etc/stenographer/certs/client_cert.pem ",
            "KEY ": "/etc/stenographer/certs/client_key.pem ",
        },
    }
    plain = (
        "docket verify /var/spool/docket",
        "df -h /var/spool/docket; du -xsh /var/spool/docket",
        "journalctl -u docket -u docket-collector -u 'docket-worker@*' -u docket-inspector -u docket-indexer",
        "journalctl -u docket -p err",
        "docket setup",
        "docket setup --broker-user",
        "systemctl restart docket.target",
        "systemctl start docket.target",
        "systemctl status docket-worker@em1",
        "systemctl status stenographer@em1",
        "systemctl status rabbitmq-server",
        "rabbitmqctl status",
    )
    for command, changed in page.items():
        record.run(sensor, OPERATIONS, command, changed=changed)
    for command in plain:
        record.run(sensor, OPERATIONS, command)
    record.run(sensor, "README.md", "docket verify", changed={"docket verify": f"docket verify {directory}"})
    assert record.wrong == [], record.table()
    assert sensor.run("sqlite3 /root/copy.sqlite3 'select count(*) from jobs'").strip() != "0"
    wait_well(sensor)
    assert record.run(sensor, OPERATIONS, "docket delete ID", changed={"ID": job}).as_documented, record.table()


@pytest.mark.usefixtures("installed")
def test_lost_ledger_is_made_again_by_the_page(sensor: BootedMachine, record: Record) -> None:
    """A damaged one is moved away with the page's two commands; the new one knows the results that are there."""
    sensor.try_run("docket get 'host 10.1.1.1' --after 1h --fresh -w /root/kept.pcap")
    job = last_job(sensor)
    sensor.run("mkdir -p /root/ledgers")
    moved = "mv /var/spool/docket/ledger.sqlite3* /root/"
    record.run(sensor, OPERATIONS, "systemctl stop docket-collector")
    record.run(sensor, OPERATIONS, moved, changed={"/root/": "/root/ledgers/"})
    sensor.run("systemctl start docket-collector")
    assert record.wrong == [], record.table()
    wait_well(sensor)
    assert answer(sensor, job)["packets"] == 2 * PACKETS
    sensor.run(f"docket verify /var/spool/docket/jobs/{job}")


@pytest.mark.usefixtures("installed")
def test_dead_letter_is_named_looked_at_and_purged(sensor: BootedMachine, record: Record) -> None:
    """A message that is no request makes `docket status` and health say so; the page's commands take it away."""
    url = sensor.run("grep ^bus: /etc/docket/docket.yaml").split()[1]
    for _ in range(2):
        sensor.run(f"amqp-publish --url={url} -e docket.jobs -r job.request -b nonsense")
    said = sensor.until("docket status", lambda said: "Dead letters" in said, "status to name the dead letters")
    assert "docket.dead" in said
    health = "curl -s --unix-socket /run/docket/docket.socket http://x/api/v1/health"
    sensor.until(health, lambda said: "dead letters" in said, "health to name the dead letters")
    get = "amqp-get --url=amqp://ADMIN:…@127.0.0.1/docket -q docket.dead"
    login = url.removeprefix("amqp://").partition("@")[0]
    record.run(sensor, OPERATIONS, get, changed={"ADMIN:…": login}, holds="nonsense")
    record.run(sensor, OPERATIONS, "rabbitmqctl -p docket purge_queue docket.dead")
    assert record.wrong == [], record.table()
    wait_well(sensor)


@pytest.mark.usefixtures("installed")
def test_declarations_are_put_right_by_the_page(sensor: BootedMachine, record: Record) -> None:
    """An exchange is deleted by hand while the services are stopped, and declared again."""
    command = next(one for one in commands(OPERATIONS) if "rabbit_exchange:delete" in one)
    sensor.run("systemctl stop docket.target")
    record.run(sensor, OPERATIONS, command, changed={"NAME": "docket.dead"}, holds="ok")
    assert "docket.dead" not in sensor.run("rabbitmqctl -q -p docket list_exchanges name")
    record.run(sensor, OPERATIONS, "docket topology")
    assert record.wrong == [], record.table()
    assert "docket.dead" in sensor.run("rabbitmqctl -q -p docket list_exchanges name")
    record.run_all(sensor, UNITS, ["systemctl start docket.target"])
    wait_well(sensor)


@pytest.mark.usefixtures("installed")
def test_units_are_as_their_page_says(sensor: BootedMachine, record: Record) -> None:
    """Services are added, looked at and rated; a recorder's source is written."""
    place_rockctl(sensor)
    record.run(sensor, UNITS, "rockctl status", holds="Active: active")
    record.run_all(
        sensor, UNITS, ["systemctl enable --now docket-worker@em1", "docket status", "systemd-analyze security"]
    )
    setup = "docket setup --record em1 --ring 2TB"
    sensor.run("cp /etc/docket/docket.yaml /root/recording.yaml")
    record.run(sensor, UNITS, setup, changed={"docket": "DOCKET_CONF=/root/recording.yaml docket"})
    assert record.wrong == [], record.table()
    assert "ring: 2TB" in sensor.read("/root/recording.yaml")


@pytest.mark.usefixtures("proxied")
def test_stenoread_is_set_up_by_the_page(sensor: BootedMachine, record: Record) -> None:
    """Debian's own stenoread shows the packets of both interfaces, with a client's certificate."""
    needs.program("stenoread", "stenographer-client")
    *preparing, asking = commands(ORIGINAL)
    record.run_all(sensor, ORIGINAL, preparing)
    # For systemd lighttpd has started before it listens.
    sensor.until("ss -ltn", lambda said: ":1233 " in said, "lighttpd to listen")
    # The window begins before the sensor did, so the answer is broken off where it ends.
    record.run(sensor, ORIGINAL, asking, (0, 1, 2, 18), holds=r"10\.1\.1\.1\.5353 > 10\.1\.1\.2\.53")
    assert record.wrong == [], record.table()


@pytest.mark.usefixtures("installed")
def test_original_configuration_is_taken_over(sensor: BootedMachine, record: Record) -> None:
    """`docket config migrate` and the command after it end with the services running on it."""
    sensor.run("cp -a /etc/docket/docket.yaml /root/good.yaml")
    certificates = ", ".join(
        f"{kind}: /etc/stenographer/certs/{name}.pem"
        for kind, name in (("key", "client_key"), ("cert", "client_cert"), ("ca", "ca_cert"))
    )
    instances = "".join(
        f"  - {{host: 127.0.0.1, sensor: rock01-em{i}, port: {1233 + i}, {certificates}}}\n" for i in (1, 2)
    )
    sensor.write("/etc/docket/prod.yaml", f"STENOGRAPHER_INSTANCES:\n{instances}SPOOL_DIR: /var/spool/docket\n")
    record.run_all(
        sensor,
        OPERATIONS,
        ["docket config migrate /etc/docket/prod.yaml > /etc/docket/docket.yaml", "docket setup --broker-user"],
    )
    sensor.run("docket config check && grep -q amqp://docket: /etc/docket/docket.yaml")
    # A source of before is gone, and its worker with it.
    sensor.run("systemctl enable docket-worker@em9; rm -rf /etc/docket/prod.yaml /data/pcap; docket setup --start")
    assert "docket-worker@em9" not in sensor.run("ls -R /etc/systemd/system; systemctl list-units --all 'docket*'")
    wait_well(sensor)
    # The password is another one now, and what stood in the file before is the page's.
    bus = sensor.run("grep ^bus: /etc/docket/docket.yaml").strip()
    sensor.run(f"cp -a /root/good.yaml /etc/docket/docket.yaml; sed -i 's,^bus: .*,{bus},' /etc/docket/docket.yaml")
    sensor.run("systemctl restart docket.target")
    wait_well(sensor)


@pytest.mark.usefixtures("installed")
def test_broker_lets_other_hosts_in_by_the_page(sensor: BootedMachine, record: Record) -> None:
    """TLS, users with the least rights, and a worker that comes over TLS with a certificate; the rest runs on."""
    record.run_all(sensor, CLUSTER, [one for one in blocks(CLUSTER, "Set it up") if "docket setup" not in one])
    wait_well(sensor)
    names = {
        "docket-web",
        "docket-worker",
        "docket-collector",
        "docket-inspector",
        "docket-tool",
        "docket-audit",
        "docket-asker",
        "docket-alerts",
        "docket-webhooks",
        "docket",
    }
    listed = sensor.run("rabbitmqctl -q list_users --no-table-headers")
    assert {line.split("\t")[0] for line in listed.splitlines()} == names
    done = {row.command for row in record.rows if row.page == CLUSTER}
    record.run_all(sensor, CLUSTER, [one for one in blocks(CLUSTER, "Who may do what") if one not in done])
    others = ["docket topology --print --vhost docket", "docket topology --print --users --sensor rock01"]
    record.run_all(
        sensor,
        CLUSTER,
        [*others, "CERTIFICATES=yes /usr/share/docket/deploy/rabbitmq/users", "docket setup --start"],
    )
    remote = "docket setup --bus amqps://broker.example/docket"
    record.run(sensor, CLUSTER, remote, changed={"docket setup": "DOCKET_CONF=/etc/docket/remote.yaml docket setup"})
    assert record.wrong == [], record.table()
    tls = "/etc/docket/bus-tls"
    files = f"ca: {tls}/ca.pem, cert: {tls}/docket-worker.pem, key: {tls}/docket-worker.key"
    mapping = f"bus: {{url: 'amqps://broker.example/docket', {files}}}"
    sensor.run(
        f"sed -i 's|^bus: .*|{mapping}|' /etc/docket/remote.yaml && chgrp -R docket /etc/docket && "
        "chmod -R g+rX /etc/docket"
    )
    sensor.run("echo '127.0.0.1 broker.example' >> /etc/hosts")
    drop_in = "/etc/systemd/system/docket-worker@em1.service.d/remote.conf"
    sensor.write(drop_in, "[Service]\nEnvironment=DOCKET_CONF=/etc/docket/remote.yaml\n")
    sensor.run("systemctl daemon-reload && systemctl restart docket-worker@em1")
    record.run_all(sensor, CLUSTER, ["systemctl enable --now docket-worker@em1 docket-worker@em2"])
    wait_well(sensor)
    assert "docket-worker" in sensor.run("rabbitmqctl -q list_connections user ssl | grep true")
    sensor.run(f"rm {drop_in}; systemctl daemon-reload; systemctl restart docket-worker@em1")
    wait_well(sensor)


def test_every_command_of_the_pages_was_run_as_documented(request: pytest.FixtureRequest, record: Record) -> None:
    """None is left out but those with a reason, and there are many."""
    here = {item.name for item in request.session.items if item.path == Path(__file__)}
    if not {name for name in globals() if name.startswith("test_")} <= here:
        pytest.skip("only some tests of this file run")
    run = {row.command for row in record.rows}
    left_out = {one for page in PAGES for one in commands(page)} - run - set(NOT_RUN)
    assert left_out == set()
    assert all(row.as_documented for row in record.rows), record.table()
    assert len(record.rows) >= FEWEST_ROWS


def test_every_exception_is_a_command_of_a_page() -> None:
    """The list of what is not run holds nothing that no page tells."""
    assert set(NOT_RUN) <= {one for page in PAGES for one in commands(page)}
