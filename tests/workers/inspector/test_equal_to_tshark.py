"""What the inspector shows is what tshark prints for the same file: list, details, bytes, streams, filters."""

import re
from typing import Any

import pytest

from docket.domain.job import Job
from tests.workers.inspector.inspector_harness import Office, flat
from tests.workers.inspector.reference_tshark import Reference

PACKETS = {
    "an HTTP request": "http.request and not vlan and not vxlan",
    "an HTTP response of several segments": "http.response",
    "an HTTP request over IPv6": "http.request and ipv6",
    "a DNS question": "dns.flags.response == 0 and udp",
    "a DNS answer": "dns.flags.response == 1 and dns.count.answers > 1",
    "a name that does not exist": "dns.flags.rcode == 3",
    "DNS over TCP": "dns and tcp",
    "a TLS client's greeting": "tls.handshake.type == 1",
    "a TLS server's greeting": "tls.handshake.type == 2",
    "TLS application data": "tls.record.content_type == 23",
    "SSH's key exchange": "ssh.message_code == 20",
    "SSH under way": "ssh and not ssh.message_code and not ssh.protocol",
    "IPv6 neighbours": "icmpv6.type == 135",
    "an IPv6 echo": "icmpv6.type == 128",
    "a tagged frame": "vlan and http",
    "a ping in a VLAN": "vlan and icmp",
    "HTTP inside VXLAN": "vxlan and http.request",
    "ARP inside VXLAN": "vxlan and arp",
    "ARP": "arp and not vxlan",
    "an error that quotes a packet": "icmp.type == 11",
    "a fragment": "ip.flags.mf == 1",
    "syslog": "syslog",
    "a connection refused": "tcp.flags.reset == 1",
}

STREAMS = {
    "HTTP": ("tcp", "http and not vlan and not vxlan"),
    "HTTP as messages": ("http", "http.response"),
    "HTTP inside VXLAN": ("tcp", "vxlan and http.request"),
    "HTTP in a VLAN": ("tcp", "vlan and http"),
    "TLS": ("tcp", "tls.handshake.type == 1"),
    "TLS without its keys": ("tls", "tls.handshake.type == 1"),
    "TLS over IPv6": ("tcp", "tls.handshake.type == 2 and ipv6"),
    "SSH": ("tcp", "ssh"),
    "DNS": ("udp", "dns and udp"),
    "DNS over TCP": ("tcp", "dns and tcp"),
    "syslog": ("udp", "syslog"),
}

FILTERS = (
    "http",
    'dns.qry.name contains "example"',
    "tcp.port == 443 and tls.handshake",
    "ssh or syslog",
    "ipv6 and tcp",
    "vlan.id == 20",
    "vxlan.vni == 42 and icmp",
    "ip.addr == 203.0.113.80 and tcp.flags.syn == 1 and tcp.flags.ack == 0",
    "tcp.analysis.flags",
    "frame.number >= 100 and frame.number <= 110",
    "ip.src == 10.1.2.0/24 and not icmp",
    'http.request.method == "POST" || http.response.code == 404',
    "tcp.stream eq 3",
    "frame.len > 1000",
    "ip.addr == 192.0.2.77",
)


def test_list_is_tsharks(inspected: tuple[Office, Job], reference: Reference) -> None:
    """Every cell of every row: number, time, source, destination, protocol, length, info."""
    office, job = inspected
    shown = [
        [
            str(row["number"]),
            f"{row['relative_s']:.6f}",
            row["source"],
            row["destination"],
            row["protocol"],
            str(row["length"]),
            row["info"],
        ]
        for offset in range(0, job.packets, 1_000)
        for row in office.ask("packets", job.id, offset=offset, limit=1_000)["rows"]
    ]
    assert shown == [[cell.strip() for cell in row[:-1]] + row[-1:] for row in reference.rows()]


@pytest.mark.parametrize("kind", PACKETS)
def test_packet_is_tsharks(inspected: tuple[Office, Job], reference: Reference, kind: str) -> None:
    """The tree has the lines of `tshark -V` with their depths, the bytes are those of `tshark -x`, and fields mark the
    bytes from which their values can be read again."""
    office, job = inspected
    number = reference.first(PACKETS[kind])
    detail = office.ask("packet", job.id, number=number)
    assert flat(detail["tree"]) == reference.detail(number)
    assert dump(detail["bytes"]) == reference.dump(number)
    assert read_again(detail) >= 2


@pytest.mark.parametrize("kind", STREAMS)
def test_stream_is_tsharks(inspected: tuple[Office, Job], reference: Reference, kind: str) -> None:
    """A followed stream has the words of `tshark -z follow` as text, hex and raw, each sender's in its place."""
    office, job = inspected
    protocol, display_filter = STREAMS[kind]
    number = stream_of(reference, protocol, display_filter)
    for form, theirs in (("text", "ascii"), ("hex", "hex"), ("raw", "raw")):
        page = office.settled("stream", job.id, protocol=protocol, number=number, form=form, limit=1_000_000)
        assert transcript(page) == reference.follow(protocol, theirs, number)


@pytest.mark.parametrize("form", ["text", "hex"])
def test_saved_stream_is_tsharks(inspected: tuple[Office, Job], reference: Reference, form: str) -> None:
    """A stream that is saved as a file is the transcript that tshark prints."""
    office, job = inspected
    number = stream_of(reference, "tcp", "http.response")
    heading, body = office.answer("transcript", job.id, number=number, form=form)
    assert heading.name == f"tcp-{number}-both.txt"
    assert body.decode() == reference.follow("tcp", {"text": "ascii"}.get(form, form), number)


@pytest.mark.parametrize(("direction", "sender"), [("first", 0), ("second", 1)])
def test_one_direction_is_saved_alone(
    inspected: tuple[Office, Job], reference: Reference, direction: str, sender: int
) -> None:
    """The bytes of one sender are its lines of tshark's raw output."""
    office, job = inspected
    number = stream_of(reference, "tcp", "http.response")
    lines = reference.follow("tcp", "raw", number).splitlines()
    expected = "".join(line.strip() for line in lines if line.startswith("\t") == bool(sender))
    _, body = office.answer("transcript", job.id, number=number, form="raw", direction=direction)
    assert body.hex() == expected


@pytest.mark.parametrize("display_filter", FILTERS)
def test_filter_shows_what_tshark_shows(
    inspected: tuple[Office, Job], reference: Reference, display_filter: str
) -> None:
    """The same packets, with the numbers that they have in the file."""
    office, job = inspected
    page = office.settled("packets", job.id, filter=display_filter, limit=1_000)
    shown = [row["number"] for row in page["rows"]]
    expected = reference.numbers(display_filter)
    assert (page["total"], shown) == (len(expected), expected[:1_000])


def test_filter_of_a_finding_shows_its_packets(inspected: tuple[Office, Job], reference: Reference) -> None:
    """Exactly the packets in which tshark has a message of this kind."""
    office, job = inspected
    fields = ("-T", "fields", "-E", "aggregator=|", "-e", "frame.number", "-e", "_ws.expert.message")
    lines = [line.partition("\t") for line in reference.run(*fields).splitlines()]
    findings = office.ask("summary", job.id)["findings"]
    for finding in findings:
        begins = finding["message"].partition(" frame …")[0]
        expected = [
            int(number) for number, _, messages in lines if any(text.startswith(begins) for text in messages.split("|"))
        ]
        shown = [
            row["number"] for row in office.settled("packets", job.id, filter=finding["filter"], limit=1_000)["rows"]
        ]
        assert (finding["message"], shown) == (finding["message"], expected)
    assert len(findings) > 3


def test_hierarchy_is_tsharks(inspected: tuple[Office, Job], reference: Reference) -> None:
    """The summary's protocols are those of `-z io,phs`, with their counts."""
    office, job = inspected
    printed = reference.run("-q", "-z", "io,phs")
    lines = [line for line in printed.splitlines() if "frames:" in line]
    assert [
        f"{'  ' * depth}{one['name']} frames:{one['packets']} bytes:{one['bytes']}"
        for depth, one in protocols(office.ask("summary", job.id)["protocols"])
    ] == [re.sub(r"(\S) +frames", r"\1 frames", line.rstrip()) for line in lines]


def read_again(detail: dict[str, Any]) -> int:
    """Check addresses and plain numbers against the bytes that they mark; gives how many there were."""
    buffers = [bytes.fromhex(one["hex"]) for one in detail["bytes"]]
    seen = 0
    for node in every_node(detail["tree"]):
        marked = buffers[node["buffer"]][node["start"] : node["start"] + node["length"]]
        if node["name"] in ("eth.dst", "eth.src"):
            value = marked.hex(":")
        elif node["name"] in ("ip.src", "ip.dst"):
            value = ".".join(map(str, marked))
        elif node["name"] in ("tcp.srcport", "udp.dstport", "dns.count.queries", "ip.len"):
            value = str(int.from_bytes(marked))
        else:
            continue
        assert node["filter"] == f"{node['name']} == {value}"
        seen += 1
    return seen


def every_node(tree: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [inner for node in tree for inner in (node, *every_node(node["children"]))]


def protocols(tree: list[dict[str, Any]], depth: int = 0) -> list[tuple[int, dict[str, Any]]]:
    return [pair for one in tree for pair in ((depth, one), *protocols(one["children"], depth + 1))]


def stream_of(reference: Reference, protocol: str, display_filter: str) -> int:
    """The stream of the first packet that the filter shows; in a tunnel, the innermost."""
    field = "udp.stream" if protocol == "udp" else "tcp.stream"
    printed = reference.run("-Y", f"({display_filter}) and {field}", "-T", "fields", "-e", field)
    return int(printed.split()[0].rpartition(",")[2])


def transcript(page: dict[str, Any]) -> str:
    """A page of pieces as tshark prints them."""
    lines = []
    for piece in page["pieces"]:
        indent = "\t" * piece["sender"]
        if page["form"] == "text":
            lines.append(f"{indent}{piece['length']}\n{piece['content']}\n")
        else:
            lines += [f"{indent}{line}\n" for line in piece["content"].split("\n")]
    return "".join(lines)


def dump(buffers: list[dict[str, str]]) -> str:
    """Buffers as `tshark -x` dumps them."""
    blocks = []
    for buffer in buffers:
        data = bytes.fromhex(buffer["hex"])
        lines = [f"{buffer['name']} ({len(data)} bytes):"] if len(buffers) > 1 else []
        for place in range(0, len(data), 16):
            row = data[place : place + 16]
            text = "".join(chr(byte) if 0x20 <= byte <= 0x7E else "." for byte in row)
            lines.append(f"{place:04x}  {' '.join(f'{byte:02x}' for byte in row):<47}   {text}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)
