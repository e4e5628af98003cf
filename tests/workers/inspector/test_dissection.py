"""Dissected in another way: decode as, and TLS decrypted with a key log that the client itself has written."""

import contextlib
import ssl
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from docket.domain.job import Job
from docket.errors import InvalidRequest
from docket.packet.pcap import file_header
from docket.spool.dissector_settings import check_decode_as, check_key_log, key_log_path
from tests.faults.packets import Packet, record
from tests.services import frames, needs
from tests.workers.inspector.inspector_harness import Office

ENDS = ("10.1.2.3", "198.51.100.20")
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
PORTS = (51_544, 9_191)
ASKED = b"GET /the-secret HTTP/1.1\r\nHost: hidden.example\r\n\r\n"
ANSWERED = b"HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n"
START_US = 1_795_528_931_000_000
TLS = "tcp.port==9191,tls"


@dataclass
class Wire:
    """Two ends of OpenSSL in memory; what they send is kept in its order."""

    ends: list[ssl.SSLObject] = field(default_factory=list)
    bios: list[tuple[ssl.MemoryBIO, ssl.MemoryBIO]] = field(default_factory=list)
    sent: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, context: ssl.SSLContext, *, server: bool) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.bios.append((incoming, outgoing))
        self.ends.append(context.wrap_bio(incoming, outgoing, server_side=server))

    def pump(self) -> None:
        for sender in (0, 1):
            data = self.bios[sender][1].read()
            if data:
                self.sent.append((sender, data))
                self.bios[1 - sender][0].write(data)

    def talk(self) -> None:
        for _ in range(4):
            for end in self.ends:
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                self.pump()
        client, server = self.ends
        client.write(ASKED)
        self.pump()
        assert server.read(4096) == ASKED
        server.write(ANSWERED)
        self.pump()
        assert client.read(4096) == ANSWERED


def capture_of(sent: list[tuple[int, bytes]]) -> bytes:
    """A TCP connection in which each end sent these pieces in this order."""
    sequence = [1, 1]
    packets = []
    for number, (sender, data) in enumerate(sent):
        ends, ports, macs = (ENDS, PORTS, MACS) if sender == 0 else (ENDS[::-1], PORTS[::-1], MACS[::-1])
        segment = frames.tcp(
            ends[0],
            ends[1],
            (ports[0], ports[1]),
            data,
            sequence=sequence[sender],
            acknowledged=sequence[1 - sender],
            flags=frames.PSH | frames.ACK,
        )
        sequence[sender] += len(data)
        frame = frames.ethernet(macs[0], macs[1], frames.ip(ends[0], ends[1], frames.TCP, segment))
        packets.append(Packet(START_US + number * 1000, frame))
    return file_header() + b"".join(record(packet) for packet in packets)


@pytest.fixture
def encrypted(tmp_path: Path) -> tuple[bytes, str]:
    """One HTTPS request on a port that nothing is known of, and the client's key log."""
    openssl = needs.program("openssl", "openssl")
    key, cert, log = (tmp_path / name for name in ("key.pem", "cert.pem", "keys.log"))
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=hidden.example", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(cert, key)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.keylog_filename = str(log)
    wire = Wire()
    wire.add(client, server=False)
    wire.add(server, server=True)
    wire.talk()
    return capture_of(wire.sent), log.read_text()


def uris(office: Office, job: Job) -> list[str]:
    found = office.settled("transactions", job.id)["found"]
    return [one["uri"] for one in found["http"]]


def shown(office: Office, job: Job, text: str) -> int:
    total: int = office.settled("packets", job.id, filter=text)["total"]
    return total


def test_keys_decrypt_and_rules_decode(office: Office, encrypted: tuple[bytes, str]) -> None:
    """List, filter, stream, detail and figures; without them it is as before, and the keys are not given out."""
    capture, key_log = encrypted
    job = office.place(capture)
    office.inspected(job)
    assert (shown(office, job, "http.request"), uris(office, job)) == (0, [])
    set_ = office.ask("dissect", job.id, decode_as=(TLS, "tls.port==9191,http"), key_log=key_log)
    assert set_ == {
        "job": job.id,
        "decode_as": [TLS, "tls.port==9191,http"],
        "keys": len(key_log.splitlines()) - key_log.count("#"),
    }
    assert shown(office, job, "http.request") == 1
    assert uris(office, job) == ["/the-secret"]
    summary = office.settled("summary", job.id)
    assert summary["http"][0]["name"] == "hidden.example"
    stream = office.settled("stream", job.id, number=0, protocol="tls")
    assert "GET /the-secret" in "".join(piece["content"] for piece in stream["pieces"])
    number = office.settled("packets", job.id, filter="http.request")["rows"][0]["number"]
    assert "hidden.example" in str(office.ask("packet", job.id, number=number)["tree"])
    directory = office.spool.job_directory(job.id)
    assert stat.S_IMODE(key_log_path(directory).stat().st_mode) == 0o600
    assert office.ask("dissection", job.id)["keys"] > 0
    office.ask("dissect", job.id, decode_as=(), key_log="")
    assert not key_log_path(directory).exists()
    assert shown(office, job, "http.request") == 0
    assert office.settled("summary", job.id)["http"] == []


def test_what_is_left_out_stays(office: Office, encrypted: tuple[bytes, str]) -> None:
    """Rules without keys, keys without rules."""
    capture, key_log = encrypted
    job = office.place(capture)
    office.ask("dissect", job.id, key_log=key_log)
    after = office.ask("dissect", job.id, decode_as=(TLS,))
    assert (after["decode_as"], after["keys"] > 0) == ([TLS], True)
    assert office.ask("dissect", job.id, key_log="")["decode_as"] == [TLS]


def test_rule_that_tshark_does_not_know(office: Office, encrypted: tuple[bytes, str]) -> None:
    """Refused with what tshark says, and nothing changes."""
    job = office.place(encrypted[0])
    heading, _ = office.answer("dissect", job.id, decode_as=("tcp.port==9191,nonsense",))
    assert (heading.status, heading.faults[0].code) == (400, "bad-decode-as")
    assert office.ask("dissection", job.id)["decode_as"] == []


@pytest.mark.parametrize(
    "rule", ["", "tls", "-Xlua_script:/tmp/x", "tcp.port==1,tls\n", "tcp.port==1;tls", "tcp.port==" + "1" * 99 + ",tls"]
)
def test_what_is_no_rule(rule: str) -> None:
    """Only a selector, a value and a protocol."""
    with pytest.raises(InvalidRequest):
        check_decode_as([rule])


def test_what_is_no_key_log() -> None:
    """The line is named; comments and empty lines are none, RSA session ids and secrets are."""
    text = "# made by x\n\nCLIENT_RANDOM " + "ab" * 32 + " " + "cd" * 48 + "\nRSA " + "ab" * 8 + " " + "cd" * 48 + "\n"
    assert len(check_key_log(text)) == 2
    with pytest.raises(InvalidRequest) as fault:
        check_key_log(text + "-----BEGIN PRIVATE KEY-----")
    assert "line 5" in str(fault.value)
