"""The addresses that the recipes give to other programs are those of a running Docket."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import requests

from docket.client import Docket
from tests.cli.running_server import RunningServer
from tests.services import needs
from tests.services.waiting import wait_until

PAGE = (Path(__file__).parents[2] / "docs/neighbours/README.md").read_text()
LINKS = re.findall(r"^    DOCKET(/api/uri/\S+)$", PAGE, flags=re.MULTILINE)

FILLED = {
    r"\{\{event\.source\.ip\}\}|\$src_ip\$|\{value\}|%TEXT%": "10.1.2.3",
    r"\{\{event\.destination\.ip\}\}|\$dest_ip\$": "192.0.2.7",
    r"\{\{event\.destination\.port\}\}|\$dest_port\$": "443",
    r"\{\{event\.timestamp\}\}": "2026-11-24T14:02:33.120Z",
    r"\$_time\$": "1795528953.120",
}
"""What the other program writes in each place."""


@pytest.mark.parametrize("link", LINKS)
def test_link_of_a_recipe_leads_to_a_job(link: str, demo: RunningServer) -> None:
    """A GET makes a job, or finds it, and leads to its page."""
    for pattern, value in FILLED.items():
        link = re.sub(pattern, value, link)
    answer = requests.get(demo.url.rstrip("/") + link, allow_redirects=False, timeout=30)
    assert (answer.status_code, "/jobs/" in answer.headers.get("Location", "")) == (302, True), answer.text


def test_body_of_the_webhook_is_a_question(demo: RunningServer) -> None:
    """As it stands in the page."""
    (body,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    answer = requests.post(f"{demo.url}api/v1/jobs", json=json.loads(body), timeout=30)
    assert answer.status_code in (200, 201), answer.text


def test_there_are_links_to_try() -> None:
    """Kibana's, Splunk's, and that for one value."""
    assert len(LINKS) == 3


def test_pages_that_tools_fetch_are_there(demo: RunningServer) -> None:
    """The job, its file and its conversations."""
    with Docket(demo.url) as docket:
        job = docket.wait(docket.ask("port 443", after="20m"))
        for path in ("", "/pcap", "/conversations?text=1:hO%2BsN4H"):
            assert requests.get(f"{demo.url}api/v1/jobs/{job.id}{path}", timeout=30).status_code in (200, 202, 503)


def test_community_id_finds_its_conversation(demo: RunningServer, tmp_path: Path) -> None:
    """As tshark computes it, by the code of its own that follows the specification Zeek and Suricata share."""
    tshark = needs.program("tshark", "tshark")
    with Docket(demo.url) as docket:
        job = docket.wait(docket.ask("tcp port 443", after="50m"))
    path = tmp_path / "result.pcap"
    path.write_bytes(requests.get(f"{demo.url}api/v1/jobs/{job.id}/pcap", timeout=30).content)
    command = [tshark, "-r", str(path), "--enable-protocol", "communityid", "-T", "fields", "-e", "communityid"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said
    address = f"{demo.url}api/v1/jobs/{job.id}/conversations"
    wait_until(lambda: requests.get(address, timeout=30).status_code == 200, "the conversations", 30)
    for one in sorted(set(said))[:5]:
        (conversation,) = requests.get(address, params={"text": one}, timeout=30).json()["conversations"]
        assert one in json.dumps(conversation, ensure_ascii=False)
