"""Health that is true, under a real systemd: each fault is named by status, health, sources and figures, until it is
mended."""

import json
from typing import Any

import pytest

from tests.deploy.booted_machine import BootedMachine
from tests.deploy.sensor_machine import active, wait_well

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer, pytest.mark.timeout(600)]

AT_SOCKET = "curl -s -m 20 --unix-socket /run/docket/docket.socket http://x/api/v1"
SEEN_S = 240.0


def health(sensor: BootedMachine) -> dict[str, Any]:
    return dict(json.loads(sensor.run(f"{AT_SOCKET}/health")))


def wait_named(sensor: BootedMachine, name: str, word: str) -> None:
    """Until a check of the health that is not well has this name, and this word in its message or its advice."""

    def named(said: str) -> bool:
        checks = json.loads(said)["checks"] if said.startswith("{") else []
        bad = [one for one in checks if not one["ok"] and one["name"] == name]
        return any(word in one["message"] + one["advice"] and one["advice"] for one in bad)

    sensor.until(f"{AT_SOCKET}/health", named, f"health to name {name}", SEEN_S)


def assert_status(sensor: BootedMachine, *words: str) -> None:
    """`docket status` ends 9 and shows the words."""
    done = sensor.try_run("docket status")
    assert done.returncode == 9, done.stdout + done.stderr
    assert [word for word in words if word not in done.stdout] == [], done.stdout


def figures(sensor: BootedMachine) -> str:
    return sensor.run("curl -s -m 20 --unix-socket /run/docket/docket.socket http://x/app/docket/metrics")


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


def test_failed_unit_is_named(installed: BootedMachine) -> None:
    """An inspector that ends by itself."""
    sensor = installed
    drop_in = "/run/systemd/system/docket-inspector.service.d"
    sensor.write(f"{drop_in}/x.conf", "[Service]\nExecStart=\nExecStart=/bin/false\nRestart=no\n")
    sensor.try_run("systemctl daemon-reload; systemctl restart docket-inspector")
    wait_named(sensor, "unit docket-inspector.service", "journalctl -u docket-inspector.service")
    assert_status(sensor, "docket-inspector.service", "NOT OK")
    assert 'docket_fault{fault="unit docket-inspector.service"} 1' in figures(sensor)
    sensor.run(f"rm -r {drop_in}; systemctl daemon-reload; systemctl start docket.target")
    wait_well(sensor)


def test_broker_alarm_is_named(installed: BootedMachine) -> None:
    """While questions are refused, health is 503 and says why; figures answer; it is well again by itself."""
    sensor = installed
    sensor.run("rabbitmqctl -q set_vm_memory_high_watermark 0.00001")
    wait_named(sensor, "broker", "short of memory")
    code = sensor.run(f"{AT_SOCKET}/health -o /dev/null -w '%{{http_code}}'")
    assert code == "503"
    assert_status(sensor, "rabbitmqctl", "short of memory")
    assert 'docket_fault{fault="broker"} 1' in figures(sensor)
    sensor.run("rabbitmqctl -q set_vm_memory_high_watermark 0.4")
    wait_well(sensor)


def test_stenographer_that_refuses_is_named(installed: BootedMachine) -> None:
    """Its source is online and has an error, with the cause."""
    sensor = installed
    sensor.run("systemctl stop stenographer@em2")
    wait_named(sensor, "source rock01:em2", "refused")
    assert_status(sensor, "Connection refused", "stenographer@em2")
    sources = json.loads(sensor.run(f"{AT_SOCKET}/sources"))["sources"]
    assert [one["name"] for one in sources if one["error"]] == ["rock01:em2"]
    assert 'docket_source_error{source="rock01:em2"} 1' in figures(sensor)
    sensor.run("systemctl start stenographer@em2")
    wait_well(sensor)


def test_certificate_about_to_end_is_named(installed: BootedMachine) -> None:
    """The client's, of ten days."""
    sensor = installed
    sensor.run(
        "cd /etc/stenographer/certs && cp --dereference client_cert.pem /root/client_cert.pem && "
        "openssl req -new -key client_key.pem -subj /CN=127.0.0.1 -out /root/client.csr && "
        "openssl x509 -req -in /root/client.csr -CA ca_cert.pem -CAkey ca_key.pem -CAcreateserial -days 10 "
        "-out /root/short.pem && cat /root/short.pem > client_cert.pem"
    )
    sensor.run("systemctl restart docket-worker@em1 docket-worker@em2")
    wait_named(sensor, "certificate of rock01:em1", "ends in 9 days")
    assert_status(sensor, "client_cert.pem", "ends in 9 days")
    assert 'docket_fault{fault="certificate of rock01:em1"} 1' in figures(sensor)
    sensor.run("cat /root/client_cert.pem > /etc/stenographer/certs/client_cert.pem")
    sensor.run("systemctl restart docket-worker@em1 docket-worker@em2")
    wait_well(sensor)


def test_queue_without_a_reader_is_named(installed: BootedMachine) -> None:
    """The collector's, and a worker's."""
    sensor = installed
    sensor.run("systemctl stop docket-collector docket-worker@em2")
    wait_named(sensor, "queue docket.collector", "systemctl status docket-collector")
    assert_status(sensor, "docket.source.rock01:em2  NOT OK", "systemctl status docket-worker@em2")
    assert 'docket_queue_consumers{queue="docket.collector"} 0' in figures(sensor)
    sensor.run("systemctl start docket-collector docket-worker@em2")
    wait_well(sensor)


def test_directory_that_is_not_written_to_is_named(installed: BootedMachine) -> None:
    """A recorder stopped an hour ago; its source answers, and is not well. Then setup takes its worker away."""
    sensor = installed
    sensor.run(
        "mkdir -p /data/old && cp /srv/share/traffic.pcap /data/old/old.pcap && "
        "touch -d '1 hour ago' /data/old/old.pcap"
    )
    sensor.run("cp -a /etc/docket/docket.yaml /root/good.yaml")
    sensor.run("echo '- {name: \"rock01:old\", kind: capture-files, path: /data/old}' >> /etc/docket/docket.yaml")
    sensor.run(
        "docket config check && systemctl enable --now docket-worker@old && systemctl restart docket docket-collector"
    )
    wait_named(sensor, "recording rock01:old", "minutes")
    assert_status(sensor, "recording rock01:old", "is its recorder running")
    assert 'docket_fault{fault="recording rock01:old"} 1' in figures(sensor)
    sensor.run(
        "cp -a /root/good.yaml /etc/docket/docket.yaml; rm -r /data/old; docket setup --start && "
        "docket source forget rock01:old"
    )
    wait_well(sensor)
