"""An inspector with the sample traffic of both interfaces in one result."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from docket.domain.job import Job
from tests.services import needs
from tests.workers.inspector.inspector_harness import Office, merged
from tests.workers.inspector.reference_tshark import Reference


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An inspector at work, with an empty spool."""
    needs.program("tshark", "tshark")
    running = Office(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def sample() -> bytes:
    """HTTP, DNS, TLS, SSH, syslog, ICMP, ARP, fragments, IPv6, VLAN and VXLAN; see docket/demo/README.md."""
    folder = resources.files("docket.demo")
    return merged((folder / "em1.pcap").read_bytes(), (folder / "em2.pcap").read_bytes())


@pytest.fixture(scope="session")
def reference(sample: bytes, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What tshark itself says about the sample."""
    needs.program("tshark", "tshark")
    path = tmp_path_factory.mktemp("reference") / "sample.pcap"
    path.write_bytes(sample)
    return Reference(path)


@pytest.fixture(scope="module")
def inspected(sample: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Job]]:
    """The sample as the result of a job that has been inspected; for tests that only look."""
    needs.program("tshark", "tshark")
    running = Office(tmp_path_factory.mktemp("office"))
    try:
        running.start()
        job = running.place(sample)
        running.inspected(job)
        yield running, job
    finally:
        running.close()
