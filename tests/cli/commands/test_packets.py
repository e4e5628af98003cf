"""`docket summary`, `packets` and `refine` against a running `docket run --demo`."""

import json
from pathlib import Path

import pytest

from docket.packet.pcap import FILE_HEADER_BYTES, scan
from docket.runtime.exit_codes import ExitCode
from tests.cli.commands.test_commands import ago
from tests.cli.running_server import RunningServer, docket
from tests.services import needs


@pytest.fixture(scope="module")
def job(demo: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A complete job with traffic of both sample interfaces; gives its id."""
    needs.program("tshark", "tshark")
    folder = tmp_path_factory.mktemp("job")
    question = ("get", "host 10.1.2.3", "--after", ago(minutes=55), "--before", ago(minutes=3))
    assert docket(*question, "-w", "out.pcap", environ=demo.environ, cwd=folder).returncode == ExitCode.OK
    return str(json.loads(docket("jobs", "--json", "--limit", "1", environ=demo.environ).stdout)[0]["id"])


def test_summary_says_what_is_in_it(demo: RunningServer, job: str) -> None:
    """Protocols, conversations, names and findings, on one page."""
    done = docket("summary", job, environ=demo.environ)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "All packets were looked at." in done.stdout
    for title in ("sources", "protocols", "conversations", "names asked (DNS)", "servers (TLS)", "hosts (HTTP)"):
        assert f"\n{title}" in done.stdout
    assert "www.example.org" in done.stdout


def test_packets_are_listed_through_a_filter(demo: RunningServer, job: str) -> None:
    """Only what the display filter shows, page after page."""
    done = docket("packets", job, "--filter", "dns.flags.response == 0", "--limit", "5", environ=demo.environ)
    lines = done.stdout.splitlines()
    assert done.returncode == ExitCode.OK, done.stderr
    assert len(lines) == 5
    assert all("Standard query 0x" in line for line in lines)
    assert "--offset 5 shows the next ones" in done.stderr


def test_fault_of_a_filter_is_told(demo: RunningServer, job: str) -> None:
    """What tshark says about a filter is what the user reads."""
    done = docket("packets", job, "--filter", "ip.addr == zzz", environ=demo.environ)
    assert done.returncode == ExitCode.REFUSED
    assert done.stderr == '"zzz" is not a valid hostname or IPv4 address.\n'


def test_part_is_saved(demo: RunningServer, job: str, tmp_path: Path) -> None:
    """`docket refine -w` ends 0 with the new job's capture, and says what was kept."""
    order = ("refine", job, "--query", "port 53", "--from", "10.1.2.3", "--snaplen", "60", "-w", "dns.pcap")
    done = docket(*order, environ=demo.environ, cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    packets = len(scan((tmp_path / "dns.pcap").read_bytes(), FILE_HEADER_BYTES)[0])
    assert f"Saved {packets:,} packets to dns.pcap" in done.stdout
    assert f"of job {job}, {packets:,} were kept. Packets that were cut to 60 bytes: " in done.stderr
