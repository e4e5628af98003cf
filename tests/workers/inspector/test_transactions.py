"""DNS by registered domain, TLS connections with their fingerprints, HTTP requests with their status."""

import hashlib
import re
import subprocess
from collections import Counter

import pytest

from docket.domain.job import Job
from docket.workers.inspector.transactions import dns_domains
from docket.workers.inspector.transactions.dns_domains import DnsCounter
from docket.workers.inspector.transactions.field_values import Values
from docket.workers.inspector.transactions.ja4 import ClientHello, ja4
from docket.workers.inspector.transactions.registered_domain import registered_domain
from tests.workers.inspector.inspector_harness import Office
from tests.workers.inspector.reference_tshark import Reference

CIPHERS = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
EXTENSIONS = "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
ALGORITHMS = "0403 0804 0401 0503 0805 0501 0806 0601"


def numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def test_ja4_of_its_specification() -> None:
    """The example of the specification, with GREASE, which counts nowhere; and the least that a client can offer."""
    versions = [0x1A1A, 0x0304, 0x0303]
    ciphers, extensions = [0x2A2A, *numbers(CIPHERS)], [0x3A3A, *numbers(EXTENSIONS)]
    hello = ClientHello("t", 0x0303, versions, ciphers, extensions, numbers(ALGORITHMS), ["h2", "http/1.1"])
    assert ja4(hello) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    least = ClientHello("q", 0x0302, [], [], [], [], [])
    assert ja4(least) == "q11i000000_000000000000_000000000000"
    odd = ClientHello("t", 0x0303, [], [0x0035], [0x0010], [], ["\xab1"])
    assert ja4(odd).startswith("t12i0101c1_")


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("www.example.org", "example.org"),
        ("EXAMPLE.org.", "example.org"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("x.y.de", "y.de"),
        ("localhost", "localhost"),
        ("", ""),
        ("4.3.2.10.in-addr.arpa", "in-addr.arpa"),
    ],
)
def test_registered_domain(name: str, domain: str) -> None:
    """By rule: the last two labels, three below a division of a country."""
    assert registered_domain(name) == domain


def test_dns_is_counted_by_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Distinct names whatever their capitals, questions, answers by code; what is beyond the bounds is said."""
    monkeypatch.setattr(dns_domains, "MOST_DOMAINS", 2)
    places = {name: place for place, name in enumerate(("dns.qry.name", "dns.flags.response", "dns.flags.rcode"))}
    counter = DnsCounter()
    for line in (
        "a.evil.example\t0\t",
        "A.evil.example\tFalse\t",
        "b.evil.example\tTrue\t3",
        "evil.example\t1\t0",
        'x".tab.example\t0\t',
        "third.test\t0\t",
    ):
        counter.add(Values(places, line))
    first, second = counter.domains()
    assert (first.domain, first.names, first.asked, first.answered, first.longest) == ("evil.example", 3, 2, 2, 14)
    assert [(code.name, code.count) for code in first.codes] == [("NXDOMAIN", 1), ("NOERROR", 1)]
    assert second.domain == "tab.example"
    assert counter.truncated


def test_dns_of_the_sample(inspected: tuple[Office, Job], reference: Reference) -> None:
    """The figures are those of tshark, and the filters show these packets and no others."""
    office, job = inspected
    found = office.settled("transactions", job.id)["found"]
    printed = reference.run(
        "-Y", "dns.qry.name", "-T", "fields", "-e", "frame.number", "-e", "dns.qry.name", "-e", "dns.flags.response"
    )
    rows = [line.split("\t") for line in printed.splitlines()]
    assert found["dns_total"] == len(found["dns"]) > 1
    for domain in found["dns"]:
        own = [row for row in rows if registered_domain(row[1]) == domain["domain"]]
        assert domain["names"] == len({row[1].lower() for row in own})
        assert domain["asked"] + domain["answered"] == len(own)
        assert sum(code["count"] for code in domain["codes"]) == domain["answered"]
        assert reference.numbers(domain["filter"]) == sorted(int(row[0]) for row in own)
        for code in domain["codes"]:
            assert len(reference.numbers(code["filter"])) == code["count"]


def test_tls_of_the_sample(inspected: tuple[Office, Job], reference: Reference) -> None:
    """Server names and JA3 are tshark's, JA4 too where it knows it, certificates those that openssl reads."""
    office, job = inspected
    found = office.settled("transactions", job.id)["found"]
    fields = ("tcp.stream", "tls.handshake.extensions_server_name", "tls.handshake.ja3")
    printed = reference.run(
        "-Y", "tls.handshake.type == 1", "-T", "fields", *(x for one in fields for x in ("-e", one))
    )
    hellos = Counter(tuple(line.split("\t")[1:]) for line in sorted(set(printed.splitlines())))
    counted: Counter[tuple[str, ...]] = Counter()
    for kind in found["tls"]:
        counted[kind["server_name"], kind["ja3"]] += kind["count"]
        assert re.fullmatch(r"[tqd]\w{9}_[0-9a-f]{12}_[0-9a-f]{12}", kind["ja4"])
        shown = set(reference.run("-Y", kind["filter"], "-T", "fields", "-e", "tcp.stream").split())
        assert len(shown) == kind["count"]
        for name in ("server_name_filter", "ja3_filter", "ja4_filter"):
            assert reference.numbers(kind[name])
    assert counted == hellos
    assert found["tls_total"] == sum(hellos.values())
    digits = set(
        reference.run("-Y", "tls.handshake.type == 11", "-T", "fields", "-e", "tls.handshake.certificate").split()
    )
    seen = {kind["certificate"]["sha256"]: kind["certificate"] for kind in found["tls"] if kind["certificate"]}
    assert set(seen) == {hashlib.sha256(bytes.fromhex(one)).hexdigest() for one in digits}
    for one in digits:
        data = bytes.fromhex(one)
        certificate = seen[hashlib.sha256(data).hexdigest()]
        command = ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253"]
        subject = subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()
        assert subject == f"subject={certificate['subject']}"
        assert reference.numbers(certificate["filter"])


def test_http_of_the_sample(inspected: tuple[Office, Job], reference: Reference) -> None:
    """Each request with the status of its answer, as tshark pairs them."""
    office, job = inspected
    found = office.settled("transactions", job.id)["found"]
    asked = reference.run("-Y", "http.request", "-T", "fields", "-e", "frame.number", "-e", "http.request.method",
                          "-e", "http.host", "-e", "http.request.uri")  # fmt: skip
    answers = reference.run("-Y", "http.response", "-T", "fields", "-e", "http.request_in", "-e", "http.response.code")
    status = dict(line.split("\t") for line in answers.splitlines())
    rows = [line.split("\t") for line in asked.splitlines()]
    expected = Counter((*row[1:], status.get(row[0], "None")) for row in rows)
    assert {
        (one["method"], one["host"], one["uri"], str(one["status"])): one["count"] for one in found["http"]
    } == expected
    assert found["http_total"] == len(rows)
    for one in found["http"]:
        assert one["packet"] in reference.numbers(one["filter"])
