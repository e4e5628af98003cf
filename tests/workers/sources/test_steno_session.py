"""HTTPS to a stenographer: whose certificate is believed, what each TLS failure is called, and where a body ends."""

import http.server
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docket.errors import SourceError
from docket.packet.pcap import file_header
from docket.workers.sources.stenographer.body import Body
from docket.workers.sources.stenographer.server_identity import NameMismatch, check_name
from docket.workers.sources.stenographer.session import StenoSession
from tests.faults.certificates import Authority, Pair
from tests.faults.packets import Packet
from tests.faults.stand_in import StandIn
from tests.services.needs import program

NEVER = threading.Event()


def session(steno: StandIn, client: Pair, ca: Path | None = None, server_name: str | None = None) -> StenoSession:
    return StenoSession(steno.url, client.cert, client.key, ca or steno.authority.ca.cert, server_name)


def refusal(steno: StandIn, client: Pair, ca: Path | None = None, server_name: str | None = None) -> SourceError:
    """How a request fails, without the address that every sentence begins with."""
    with pytest.raises(SourceError) as caught:
        session(steno, client, ca, server_name).get("/debug/stats")
    return caught.value


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another sensor's CA, with the same name, as all of stenographer's have."""
    return Authority(tmp_path_factory.mktemp("other") / "rock02")


def test_certificates_are_like_stenographers(server: Pair) -> None:
    """The stand-in shows what the real one of Debian 12 shows: a common name, no subjectAltName."""
    openssl = program("openssl", "openssl")
    command = [openssl, "x509", "-in", str(server.cert), "-noout", "-text"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert re.search(r"Subject: .*CN ?= ?127\.0\.0\.1$", text, re.MULTILINE)
    assert "Subject Alternative Name" not in text


def test_own_ca_and_name_are_accepted(steno: StandIn, client: Pair) -> None:
    """A certificate of the source's own CA with the right common name is good."""
    assert "oldest_timestamp" in (session(steno, client).get("/debug/stats") or "")


def test_wrong_ca_is_named(steno: StandIn, client: Pair, other: Authority) -> None:
    """A server of another CA is refused, even though both CAs have the same name."""
    error = refusal(steno, client, ca=other.ca.cert)
    assert (error.verdict, "wrong CA" in error.sentence, str(other.ca.cert) in error.sentence) == (
        "refused",
        True,
        True,
    )


def test_public_cas_are_not_trusted(steno: StandIn, client: Pair) -> None:
    """Only the one CA is in the context: requests has not added its bundle."""
    opened = session(steno, client)
    opened.get("/debug/stats")
    adapter = opened._adapter
    assert adapter._context.cert_store_stats()["x509_ca"] == 1


def test_wrong_name_is_named(packets: list[Packet], authority: Authority, client: Pair) -> None:
    """A good certificate of somebody else, a client's for instance, is refused by its name."""
    with StandIn(packets, authority, authority.issue("10.0.0.9")) as steno:
        error = refusal(steno, client)
    assert error.verdict == "refused"
    assert error.sentence.endswith("TLS: name mismatch: its certificate is for 10.0.0.9, not for 127.0.0.1")


def test_name_can_be_set(packets: list[Packet], authority: Authority, client: Pair) -> None:
    """A server that is reached under another address than its certificate tells is accepted when it is told so."""
    with StandIn(packets, authority, authority.issue("sensor7.example")) as steno:
        assert session(steno, client, server_name="sensor7.example").get("/debug/stats") is not None


def test_expired_certificate_is_named(packets: list[Packet], authority: Authority, client: Pair) -> None:
    """An expired certificate is refused as that."""
    with StandIn(packets, authority, authority.issue("127.0.0.1", expired=True)) as steno:
        error = refusal(steno, client)
    assert (error.verdict, error.sentence.endswith("its certificate has expired")) == ("refused", True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_refused_client_certificate_is_named(
    packets: list[Packet], authority: Authority, server: Pair, other: Authority, version: ssl.TLSVersion
) -> None:
    """A server that does not take our certificate is a TLS failure, also in TLS 1.3, where it says so late."""
    stranger = other.issue("127.0.0.1_client")
    with StandIn(packets, authority, server, tls_version=version) as steno:
        error = refusal(steno, stranger)
    assert (error.verdict, "did not accept Docket's client certificate" in error.sentence) == ("refused", True)


def test_missing_file_is_named(steno: StandIn, client: Pair, tmp_path: Path) -> None:
    """A certificate file that is not there is named."""
    missing = Pair(tmp_path / "none.pem", client.key)
    error = refusal(steno, missing)
    assert (error.verdict, error.sentence) == ("refused", f"TLS: the file {tmp_path}/none.pem does not exist")


def test_files_that_do_not_belong_together_are_named(steno: StandIn, client: Pair, server: Pair) -> None:
    """A key of another certificate is told before anything is sent."""
    error = refusal(steno, Pair(client.cert, server.key))
    assert "are not a certificate and its key" in error.sentence


def test_server_without_tls_is_named(authority: Authority, client: Pair) -> None:
    """Plain HTTP on that port is said to be that."""

    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as plain:
        thread = threading.Thread(target=plain.serve_forever, args=(0.02,))
        thread.start()
        url = f"https://127.0.0.1:{plain.server_address[1]}"
        with pytest.raises(SourceError, match="does not speak TLS"):
            StenoSession(url, client.cert, client.key, authority.ca.cert, None).get("/debug/stats")
        plain.shutdown()
        thread.join()


def test_connection_is_kept(steno: StandIn, client: Pair) -> None:
    """Requests of one session go over one connection, also after a whole answer to a query."""
    opened = session(steno, client)
    socks = []
    for _ in range(2):
        opened.get("/debug/stats")
        body = opened.post("/query", "port 53", {}, NEVER)
        connection = body._response.raw.connection
        assert connection is not None
        socks.append(connection.sock)
        assert b"".join(body.blocks()).startswith(file_header()[:16])
        body.leave()
    assert socks[0] is socks[1]


@pytest.mark.parametrize(
    ("names", "expected", "good"),
    [
        ([("DNS", "sensor7.example")], "SENSOR7.example", True),
        ([("DNS", "*.example")], "sensor7.example", True),
        ([("DNS", "*.example")], "a.sensor7.example", False),
        ([("DNS", "*.example")], "example", False),
        ([("IP Address", "0:0:0:0:0:0:0:1")], "::1", True),
        ([("DNS", "other.example")], "127.0.0.1", False),
    ],
)
def test_alternative_names_count_before_the_common_name(
    names: list[tuple[str, str]], expected: str, good: bool
) -> None:
    """With a subjectAltName the common name counts for nothing; a star stands for one label."""
    certificate = {"subject": ((("commonName", "127.0.0.1"),),), "subjectAltName": tuple(names)}
    if good:
        check_name(certificate, expected)
    else:
        with pytest.raises(NameMismatch):
            check_name(certificate, expected)


class _Blocks:
    """In place of the stream: hands the data to the body in blocks that the test has cut."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.blocks = blocks


def chunks_of(blocks: list[bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """Take the framing off blocks of a chunked body."""
    monkeypatch.setattr("docket.workers.sources.stenographer.body._blocks", lambda stream: iter(stream.blocks))
    body = Body.__new__(Body)
    body._where = "test"
    return map(b"".join, body._chunked(_Blocks(blocks)))  # type: ignore[arg-type]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges) if begin < end]


@settings(max_examples=300)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=50) | st.just(b"\r\n5\r\n"), max_size=6),
    places=st.lists(st.integers(0, 500), max_size=12),
    extension=st.sampled_from([b"", b";name=value", b" "]),
    trailer=st.sampled_from([b"", b"X-More: 1\r\n"]),
)
def test_chunks_come_out_whole_wherever_the_blocks_end(
    chunks: list[bytes], places: list[int], extension: bytes, trailer: bytes
) -> None:
    """The framing of HTTP's chunks is taken off, however the stream is cut into blocks."""
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    whole = framed + b"0\r\n" + trailer + b"\r\n"
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert b"".join(chunks_of(cut(whole, places), monkeypatch)) == b"".join(chunks)


@settings(max_examples=300)
@given(keep=st.integers(0, 200), places=st.lists(st.integers(0, 500), max_size=6))
def test_chunked_body_without_its_last_chunk_is_cut(keep: int, places: list[int]) -> None:
    """Wherever a chunked body breaks off, that is an error and never an end."""
    whole = b"".join(b"%x\r\n%b\r\n" % (size, b"x" * size) for size in (3, 70, 16)) + b"0\r\n\r\n"
    part = whole[: min(keep, len(whole) - 1)]
    with pytest.MonkeyPatch.context() as monkeypatch, pytest.raises(SourceError) as caught:
        list(chunks_of(cut(part, places), monkeypatch))
    assert caught.value.verdict == "cut"


@pytest.mark.parametrize(
    "framing",
    [b"-3\r\nabc\r\n", b"0x3\r\nabc\r\n", b"3_0\r\nabc\r\n", b"\r\n3\r\nabc\r\n", b"3\r\nabcXY0\r\n\r\n", b"z" * 2000],
)
def test_nonsense_in_place_of_a_chunk_is_cut(framing: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no framing is not guessed at."""
    with pytest.raises(SourceError):
        list(chunks_of([framing + b"0\r\n\r\n"], monkeypatch))


def test_short_question_does_not_wait_for_ever(steno: StandIn, client: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts a connection and then says nothing is given up."""
    monkeypatch.setattr("docket.workers.sources.stenographer.session.SHORT_ANSWER_S", 0.3)
    monkeypatch.setattr(StandIn, "statistics", lambda _: NEVER.wait(2) or {})
    with pytest.raises(SourceError) as caught:
        session(steno, client).get("/debug/stats")
    assert (caught.value.verdict, "no answer in time" in caught.value.sentence) == ("unreachable", True)
