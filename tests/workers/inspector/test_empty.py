"""A result without any packet is looked into like others: what is counted in it is empty, and nothing is a fault."""

import subprocess
from pathlib import Path

import pytest

from docket.packet.pcap import file_header
from docket.packet.pcapng import Interface, beginning
from tests.services import needs
from tests.workers.inspector.inspector_harness import Office

PCAPNG = beginning([Interface(name="rock01:em1", linktype=1)], application="Docket", comment="")


@pytest.mark.parametrize("capture", [file_header(), PCAPNG], ids=["pcap", "pcapng"])
@pytest.mark.parametrize("listed", [True, False])
def test_everything_is_empty(office: Office, capture: bytes, listed: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Whether its list is made already or not, and in either format."""
    job = office.place(capture, sound=capture != PCAPNG)
    if listed:
        assert office.inspected(job).packets == 0
    assert office.settled("objects", job.id)["objects"] == []
    assert office.settled("packets", job.id)["rows"] == []
    assert office.settled("packets", job.id, filter="tcp.port == 80")["rows"] == []
    assert office.settled("packets", job.id, sources=("rock01:em1",))["rows"] == []
    assert office.settled("conversations", job.id)["conversations"] == []
    assert office.answer("archive", job.id)[0].faults == ()
    counted = office.settled("transactions", job.id)["found"]
    assert (counted["dns"], counted["tls"], counted["http"]) == ([], [], [])
    assert [fault.code for fault in office.answer("packet", job.id, number=1)[0].faults] == ["no-such-packet"]
    for protocol in ("tcp", "udp", "tls", "http"):
        assert office.settled("stream", job.id, protocol=protocol)["pieces"] == []
        assert office.answer("transcript", job.id, protocol=protocol, form="text")[0].faults == ()
    assert "Traceback" not in caplog.text


def test_capture_that_tcpdump_left_empty(office: Office, sample: bytes, tmp_path: Path) -> None:
    """A filter that nothing fits: the same as of our own results."""
    program, whole, empty = needs.program("tcpdump", "tcpdump"), tmp_path / "whole.pcap", tmp_path / "empty.pcap"
    whole.write_bytes(sample)
    subprocess.run([program, "-r", whole, "-w", empty, "port 1"], check=True, capture_output=True)
    job = office.place(empty.read_bytes())
    assert office.settled("objects", job.id)["objects"] == []
    assert office.settled("transactions", job.id)["found"]["dns_total"] == 0


@pytest.mark.parametrize("ask", ["transactions", "objects"])
def test_cut_in_its_first_packet(office: Office, ask: str, caplog: pytest.LogCaptureFixture) -> None:
    """The dissector says what is wrong with the file."""
    job = office.place(file_header() + bytes(8), sound=False)
    for fault in office.answer(ask, job.id)[0].faults:
        assert (fault.code, "cut short" in fault.message) == ("not-dissected", True)
    assert "Traceback" not in caplog.text
