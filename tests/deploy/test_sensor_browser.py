"""A sensor set up by the words of the pages, in front of a person with a browser, before and after a reboot."""

from pathlib import Path

import pytest

from docket.packet.pcap import FILE_HEADER_BYTES, scan
from tests.deploy.booted_machine import BootedMachine
from tests.deploy.browsing import ask_and_download, at_the_page
from tests.deploy.sensor_machine import PACKETS, wait_well
from tests.services import needs

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer, pytest.mark.browser, pytest.mark.timeout(900)]

PAGE = "https://sensor.example/app/docket/"


def test_person_asks_through_lighttpd_also_after_a_reboot(proxied: BootedMachine, tmp_path: Path) -> None:
    """Chromium in the sensor's network: TLS, the password of the page, live progress, and every packet in the file."""
    flags = ("--host-resolver-rules=MAP sensor.example 127.0.0.1",)
    certificate = proxied.read("/etc/docket/tls/server.pem")
    for query in ("host 10.1.1.1", "host 10.1.1.2 and udp"):
        enter = (needs.program("nsenter", "util-linux"), "-t", str(proxied.init_pid), "-n", "--")
        with at_the_page(PAGE, ("anna", "SECRET"), certificate, tmp_path, enter, flags) as person:
            saved = ask_and_download(person, query, tmp_path)
        assert len(scan(saved.read_bytes(), FILE_HEADER_BYTES)[0]) == 2 * PACKETS
        proxied.reboot()
        wait_well(proxied)
