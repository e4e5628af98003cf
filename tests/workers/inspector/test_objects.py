"""Files that were transferred, and all conversations: taken out, counted, searched, saved."""

import csv
import hashlib
import io
import json
import subprocess
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from docket.domain.job import Job
from docket.packet.pcap import file_header
from docket.workers.inspector import capture_index, rpc_conversations
from docket.workers.inspector.locked_zip import locked_zip
from docket.workers.inspector.tshark.conversation_list import community_id, write_conversations
from docket.workers.inspector.tshark.conversations import Conversation, End
from tests.faults.packets import Packet, record
from tests.services import frames
from tests.workers.inspector.inspector_harness import Office
from tests.workers.inspector.reference_tshark import Reference

MAIL = (
    b"EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
    b"From: a@x.example\r\nTo: b@x.example\r\nSubject: quarterly figures\r\n\r\nSee attachment.\r\n.\r\n"
)


def conversation(a: tuple[str, int], b: tuple[str, int], transport: str) -> Conversation:
    ends = [End(address=address, port=port, packets=1, bytes=1) for address, port in (a, b)]
    facts: dict[str, Any] = {"packets": 2, "bytes": 2, "first": "", "last": "", "stream": "", "filter": "", "query": ""}
    return Conversation(transport=transport, protocol="", a=ends[0], b=ends[1], **facts)


def test_files_are_those_that_tshark_exports(
    inspected: tuple[Office, Job], reference: Reference, tmp_path: Path
) -> None:
    """Each with its packet, host, name, type, size and hash; its bytes are the exported ones."""
    office, job = inspected
    found = office.settled("objects", job.id)["objects"]
    reference.run("-q", "--export-objects", f"http,{tmp_path}")
    exported = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {one["name"]: one["sha256"] for one in found if one["protocol"] == "http"} == {
        name: hashlib.sha256(data).hexdigest() for name, data in exported.items()
    }
    for one in found[:5]:
        _, data = office.answer("object", job.id, number=one["number"])
        assert (data, len(data)) == (exported[one["name"]], one["size"])
        printed = reference.run("-Y", f"frame.number == {one['packet']}", "-V")
        assert one["host"] in printed


def test_archive_opens_with_the_usual_password(inspected: tuple[Office, Job]) -> None:
    """And with no other; it has all files, or the one that is wanted."""
    office, job = inspected
    found = office.settled("objects", job.id)["objects"]
    heading, data = office.answer("archive", job.id)
    assert heading.name == "objects.zip"
    archive = zipfile.ZipFile(io.BytesIO(data))
    hashes = [hashlib.sha256(archive.read(name, pwd=b"infected")).hexdigest() for name in archive.namelist()]
    assert hashes == [one["sha256"] for one in found]
    with pytest.raises(RuntimeError, match="password"):
        archive.read(archive.namelist()[0], pwd=b"other")
    _, data = office.answer("archive", job.id, number=2)
    assert len(zipfile.ZipFile(io.BytesIO(data)).namelist()) == 1


def test_unpackers_read_the_archive(tmp_path: Path) -> None:
    """Not only the library: `unzip`, where it is installed."""
    path = tmp_path / "x.zip"
    path.write_bytes(b"".join(locked_zip([("a.txt", b"one" * 1000), ("b.bin", bytes(range(256)))], b"infected")))
    try:
        printed = subprocess.run(["unzip", "-P", "infected", "-p", path, "b.bin"], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("unzip is not installed")
    assert printed.stdout == bytes(range(256))


def test_mail_is_a_file(office: Office) -> None:
    """A message of SMTP, named by its subject."""
    ends, macs = ("10.1.2.3", "10.9.8.7"), ("02:00:00:00:00:01", "02:00:00:00:00:02")
    greeting, sequence = b"220 x ESMTP\r\n", 1
    packets: list[Packet] = []

    def add(source: int, ports: tuple[int, int], data: bytes, at: int, acknowledged: int) -> None:
        a, b = (ends, macs) if not source else (ends[::-1], macs[::-1])
        segment = frames.tcp(*a, ports, data, sequence=at, acknowledged=acknowledged, flags=frames.PSH | frames.ACK)
        frame = frames.ethernet(*b, frames.ip(*a, frames.TCP, segment))
        packets.append(Packet(1_790_000_000_000_000 + len(packets), frame))

    add(1, (25, 4000), greeting, 1, 1)
    replies = 1 + len(greeting)
    for line in MAIL.replace(b"DATA\r\n", b"DATA\r\n\0").split(b"\0"):
        for part in line.splitlines(keepends=True) if b"EHLO" in line else [line]:
            add(0, (4000, 25), part, sequence, replies)
            sequence += len(part)
            reply = b"354 go on\r\n" if part == b"DATA\r\n" else b"250 ok\r\n"
            add(1, (25, 4000), reply, replies, sequence)
            replies += len(reply)
    job = office.place(file_header() + b"".join(record(packet) for packet in packets))
    office.inspected(job)
    (found,) = office.settled("objects", job.id)["objects"]
    assert (found["protocol"], found["name"]) == ("smtp", "quarterly figures.eml")
    _, data = office.answer("object", job.id, number=1)
    assert b"See attachment." in data


def test_conversations_are_no_fault_before_they_are_counted(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the end of the list and the last of the counting the answer is 202, also for a result without packets."""
    monkeypatch.setattr(rpc_conversations, "WAIT_S", 0.0)
    held = threading.Event()

    def write_late(*arguments: Any) -> None:
        assert held.wait(60)
        write_conversations(*arguments)

    monkeypatch.setattr(capture_index, "write_conversations", write_late)
    job = office.place(file_header())
    heading, body = office.answer("conversations", job.id)
    assert (heading.status, json.loads(body)["state"], json.loads(body)["conversations"]) == (202, "working", [])
    held.set()
    assert office.settled("conversations", job.id)["state"] == "complete"


def test_conversations_are_whole(inspected: tuple[Office, Job]) -> None:
    """As many as the summary counts, by pages, sorted, searched, joined by address, and as CSV."""
    office, job = inspected
    summary = office.summary(job)
    assert summary is not None
    page = office.ask("conversations", job.id, limit=1000)
    assert (page["total"], page["of"]) == (summary.conversation_count, summary.conversation_count)
    sizes = [row["conversation"]["bytes"] for row in page["conversations"]]
    assert sizes == sorted(sizes, reverse=True)
    page = office.ask("conversations", job.id, sort="duration", limit=1000)
    lengths = [row["duration_s"] for row in page["conversations"]]
    assert lengths == sorted(lengths)
    page = office.ask("conversations", job.id, search="198.51.100.20 443", limit=1000)
    ends = [{str(row["conversation"][end]["port"]) for end in "ab"} for row in page["conversations"]]
    assert 0 < len(ends) < summary.conversation_count
    assert all("443" in ports for ports in ends)
    pairs = office.ask("conversations", job.id, by="pair", limit=1000)
    assert sum(row["conversation"]["packets"] for row in pairs["conversations"]) == summary.packets
    heading, data = office.answer("conversations", job.id, form="csv")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert (heading.name, len(rows)) == ("conversations.csv", summary.conversation_count)


def test_community_id_is_that_of_other_tools() -> None:
    """Known values of the specification, whichever end spoke first."""
    one, other = ("128.232.110.120", 34855), ("66.35.250.204", 80)
    for a, b in ((one, other), (other, one)):
        assert community_id(conversation(a, b, "tcp")) == "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
    assert (
        community_id(conversation(("192.168.1.52", 54585), ("8.8.8.8", 53), "udp")) == "1:d/FP5EW3wiY1vCndhwleRRKHowQ="
    )
    assert community_id(conversation(one, other, "icmp")) == ""
