"""Docket behind the real lighttpd and the real nginx, as their shipped configurations put it there."""

import asyncio
import base64
import ssl
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from docket.packet.pcap import FILE_HEADER_BYTES, scan
from tests.deploy.conftest import Deployment, client
from tests.deploy.proxies import PASSWORD, Site
from tests.services import needs
from tests.services.stenographer import Monitored
from tests.services.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer]

BASE = "/app/docket/"


@pytest.fixture(params=["lighttpd", "nginx"])
def site(request: pytest.FixtureRequest, deployment: Deployment) -> Site:
    """Either proxy: what is tested with it holds for both."""
    found: Site = deployment.lighttpd if request.param == "lighttpd" else request.getfixturevalue("nginx")
    return found


def ask(session: requests.Session, site: Site, **question: Any) -> dict[str, Any]:
    """Ask through the proxy."""
    answer = session.post(f"{site.url}{BASE}api/v1/jobs", json={"fresh": True, **question}, timeout=30)
    assert answer.status_code in (200, 201), answer.text
    job: dict[str, Any] = answer.json()
    return job


def finished(deployment: Deployment, session: requests.Session, site: Site) -> dict[str, Any]:
    """A job that has ended, asked through the proxy."""
    job = ask(session, site, query="port 53", **recorded(deployment))
    return deployment.sensor.wait(job["id"])


def recorded(deployment: Deployment) -> dict[str, str]:
    """The window of what the stenographers hold."""
    sources = deployment.sensor.http.get(deployment.sensor.url + "api/v1/sources", timeout=10).json()["sources"]
    return {"after": max(source["oldest"] for source in sources), "before": "0s"}


@pytest.mark.parametrize(
    "path",
    ["app/docket/", "app/docket/api/v1/jobs", "app/docket/api/v1/health", "app/docket/static/app.js", "", "app/kibana"],
)
def test_without_a_password_nothing_answers(site: Site, path: str) -> None:
    """Every address asks for a password, Docket's and Kibana's, and a wrong one is none."""
    session = client(site)
    session.auth = None
    assert session.get(f"{site.url}/{path}", timeout=10, allow_redirects=False).status_code == 401
    session.auth = ("anna", "wrong")
    assert session.get(f"{site.url}/{path}", timeout=10, allow_redirects=False).status_code == 401


def test_site_is_shared_with_kibana(site: Site) -> None:
    """Docket has its path, with or without the slash, and Kibana has all the rest."""
    session = client(site)
    bare = session.get(f"{site.url}/app/docket", timeout=10, allow_redirects=False)
    assert bare.status_code == 308
    assert bare.headers["Location"].endswith("/app/docket/")
    page = session.get(f"{site.url}{BASE}", timeout=10)
    assert "<title>Docket" in page.text
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for path in ("/", "/app/kibana", "/app/docketeer", "/results/", "/results/x/y"):
        assert session.get(f"{site.url}{path}", timeout=10).text == f"kibana {path}"


def test_user_of_the_proxy_owns_the_job(site: Site) -> None:
    """The name behind the password is the owner, for the audit trail and for everybody to see."""
    assert ask(client(site, "ben"), site, query="port 1")["owner"] == "ben"


FORGED = [
    {"X-Remote-User": "root"},
    {"Forwarded": 'for=192.0.2.1;remote_user="root"'},
    {"Forwarded": 'for="'},
    {"Forwarded": 'for=a;x="\\'},
    {"X_Remote_User": "root"},
    {"Authorization": "Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode(), "X-Remote-User": "root"},
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
def test_forged_user_headers_change_nothing(site: Site, headers: dict[str, str]) -> None:
    """Whatever a client says about itself, it is the user of its password."""
    session = client(site, "anna")
    session.headers.update(headers)
    answer = session.post(f"{site.url}{BASE}api/v1/jobs", json={"query": "port 2", "fresh": True}, timeout=10)
    assert answer.status_code == 400 or answer.json()["owner"] == "anna"


@pytest.mark.parametrize("headers", FORGED, ids=str)
def test_forged_user_headers_over_tcp_name_nobody(deployment: Deployment, headers: dict[str, str]) -> None:
    """On TCP, where anybody may connect, nobody is somebody."""
    answer = requests.post(
        f"{deployment.sensor.url}api/v1/jobs", json={"query": "port 3", "fresh": True}, headers=headers, timeout=10
    )
    assert answer.json()["owner"] == ""


def test_owner_and_admin_may_change_a_job_and_nobody_else(site: Site, deployment: Deployment) -> None:
    """Ben cannot delete Anna's result; Anna can, and root could."""
    job = finished(deployment, client(site, "anna"), site)
    url = f"{site.url}{BASE}api/v1/jobs/{job['id']}"
    refused = client(site, "ben").delete(url, timeout=10)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not-owner")
    assert requests.delete(f"{deployment.sensor.url}api/v1/jobs/{job['id']}", timeout=10).status_code == 403
    assert client(site, "anna").delete(url, timeout=10).status_code in (200, 202)


def test_token_names_a_tool(deployment: Deployment) -> None:
    """A token is somebody through the proxy and over TCP; a wrong one is nobody, whatever is asked."""
    good, bad = {"Authorization": f"Bearer {deployment.token}"}, {"Authorization": "Bearer 0123456789abcdef0123"}
    for url in (f"{deployment.lighttpd.url}{BASE}", deployment.sensor.url):
        answer = requests.post(
            f"{url}api/v1/jobs",
            json={"query": "port 4", "fresh": True},
            headers=good,
            verify=deployment.lighttpd.ca,
            timeout=10,
        )
        assert (answer.status_code, answer.json()["owner"]) == (201, "siem")
        for path in ("", "api/v1/jobs", "api/v1/health", "static/app.js", "nothing"):
            refused = requests.get(f"{url}{path}", headers=bad, verify=deployment.lighttpd.ca, timeout=10)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "bad-token")


def test_proxy_sends_results_by_itself(site: Site, deployment: Deployment) -> None:
    """A download comes from the proxy, with ranges, and is the result byte by byte; Docket sends nothing of it."""
    job = finished(deployment, client(site), site)
    direct = deployment.sensor.pcap(job["id"])
    url = f"{site.url}{BASE}api/v1/jobs/{job['id']}/pcap"
    answer = client(site).get(url, timeout=20)
    assert answer.content == direct
    assert answer.headers["Content-Type"] == "application/vnd.tcpdump.pcap"
    assert job["pcap"]["name"] in answer.headers["Content-Disposition"]
    assert not {"X-Sendfile", "X-Accel-Redirect"} & set(answer.headers)
    part = client(site).get(url, headers={"Range": "bytes=24-99"}, timeout=20)
    assert (part.status_code, part.content) == (206, direct[24:100])
    assert client(site).get(f"{site.url}/results/{job['id']}/merged.pcap", timeout=20).content == direct


def test_growing_result_is_followed_through_the_proxy(site: Site, deployment: Deployment) -> None:
    """A followed download through the proxy is the finished file."""
    job = ask(client(site), site, query="port 53", **recorded(deployment))
    answer = client(site).get(f"{site.url}{BASE}api/v1/jobs/{job['id']}/pcap?follow=1", timeout=60)
    assert len(answer.content) > FILE_HEADER_BYTES
    deployment.sensor.wait(job["id"])
    assert answer.content == deployment.sensor.pcap(job["id"])


@pytest.mark.parametrize(
    "path",
    [
        "/app/docket/static/../../../etc/passwd",
        "/app/docket/static/%2e%2e/%2e%2e/etc/passwd",
        "/app/docket/static//etc/passwd",
        "/app/docket/api/v1/jobs/..%2f..%2fledger.sqlite3/pcap",
        "/results/..%2f..%2fledger.sqlite3/merged.pcap",
        "/results/00000000-0000-0000-0000-000000000000/..%2fmerged.pcap",
        "/docket-spool/ledger.sqlite3",
        "/var/spool/docket/ledger.sqlite3",
    ],
)
def test_path_tricks_lead_nowhere(site: Site, path: str) -> None:
    """No spelling of a path leads to a file that is not meant."""
    url = f"{site.url}{path}"
    command = [needs.program("curl", "curl"), "-s", "--path-as-is", "--cacert", site.ca, "-u", f"anna:{PASSWORD}"]
    done = subprocess.run([*command, "-w", "\n%{http_code}", url], capture_output=True, timeout=20, check=True)
    body, _, status = done.stdout.rpartition(b"\n")
    assert b"SQLite" not in body
    assert b"root:" not in body
    assert status in (b"400", b"403", b"404") or body.startswith(b"kibana /")


def test_large_bodies_are_refused(site: Site) -> None:
    """A body of a megabyte is refused by the proxy, and the next request is served.

    A client that does not wait for the refusal may be cut off while it sends, and never see it.
    """
    url = f"{site.url}{BASE}api/v1/jobs"
    command = [needs.program("curl", "curl"), "-s", "--cacert", site.ca, "-u", f"anna:{PASSWORD}", "-o", "/dev/null"]
    patient = ["-H", "Expect: 100-continue", "--expect100-timeout", "15"]
    done = subprocess.run(
        [*command, *patient, "-w", "%{http_code}", "--data-binary", "@-", url],
        input=b"x" * 1_000_000,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.stdout == b"413"
    assert client(site).get(f"{site.url}{BASE}api/v1/health", timeout=10).status_code == 200


def test_foreign_origin_is_refused(site: Site) -> None:
    """Another site's page cannot ask with the user's password; Docket's own can."""
    session = client(site)
    for origin, status in (("https://evil.example", 403), (site.url, 201)):
        session.headers["Origin"] = origin
        question = {"query": "port 5", "fresh": True}
        assert session.post(f"{site.url}{BASE}api/v1/jobs", json=question, timeout=10).status_code == status


async def first_message(site: Site, **headers: str) -> Any:
    """What a WebSocket through the proxy hears first."""
    login = "Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode()
    url = f"{site.url.replace('https', 'wss')}{BASE}api/v1/events"
    context = ssl.create_default_context(cafile=site.ca)
    connection = await websocket_connect(
        HTTPRequest(url, headers={"Authorization": login, **headers}, ssl_options=context, request_timeout=10)
    )
    message = await asyncio.wait_for(connection.read_message(), 10)
    connection.close()
    while await asyncio.wait_for(connection.read_message(), 10) is not None:
        pass
    assert message is not None
    return msgspec.json.decode(message)


def test_websocket_is_upgraded(site: Site) -> None:
    """The page's WebSocket goes through the proxy and knows who watches."""
    message = asyncio.run(first_message(site))
    assert (message["type"], message["user"]) == ("snapshot", "anna")


def stenoread(deployment: Deployment, *arguments: str, who: str = "anna") -> subprocess.CompletedProcess[str]:
    """Debian's stenoread, unchanged, pointed at lighttpd."""
    program = needs.program("stenoread", "stenographer-client")
    needs.program("jq", "jq")
    site = deployment.lighttpd
    place = site.directory / f"certs-{who}"
    place.mkdir(exist_ok=True)
    for source, target in (
        (f"{who}.pem", "client_cert.pem"),
        (f"{who}.key", "client_key.pem"),
        ("ca.pem", "ca_cert.pem"),
    ):
        (place / target).write_bytes((site.directory / "tls" / source).read_bytes())
    config = place / "config"
    config.write_bytes(msgspec.json.encode({"Host": "127.0.0.1", "Port": site.stenoread_port, "CertPath": str(place)}))
    environ = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "STENOGRAPHER_CONFIG": str(config)}
    return subprocess.run([program, *arguments], env=environ, capture_output=True, text=True, timeout=60, check=False)


def tcpdump_lines(capture: Path, query: str) -> list[str]:
    command = [needs.program("tcpdump", "tcpdump"), "-n", "-tt", "-r", str(capture), query]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_stenoread_prints_packets_of_both_interfaces_in_order(
    deployment: Deployment, two_stenographers: dict[str, Monitored]
) -> None:
    """`stenoread 'port 53' -n` through lighttpd prints what tcpdump sees on both interfaces, sorted by time."""
    done = stenoread(deployment, "port 53", "-n", "-tt")
    printed = done.stdout.splitlines()
    query = "(udp or tcp) and port 53"
    truths = [tcpdump_lines(one.truth, f"({query}) or (vlan and ({query}))") for one in two_stenographers.values()]
    assert all(truths)
    assert sorted(printed) == sorted(line for lines in truths for line in lines)
    times = [float(line.split(" ", 1)[0]) for line in printed]
    assert times == sorted(times)
    assert "curl:" not in done.stderr


def test_stenoread_limits_and_faults(deployment: Deployment) -> None:
    """The limits of the tool count for all sources together; a fault is a text that names it."""
    done = stenoread(deployment, "--limit-packets", "3", "port 53", "-n")
    assert (len(done.stdout.splitlines()), "curl:" in done.stderr) == (3, False)
    curl = needs.program("stenocurl", "stenographer-client")
    assert curl
    place = deployment.lighttpd.directory / "certs-anna"
    environ = {"PATH": "/usr/bin:/bin", "STENOGRAPHER_CONFIG": str(place / "config")}
    command = [curl, "/query", "-s", "-w", "%{http_code}", "-d", "host 1.2.3.4 not port 80"]
    told = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=True).stdout
    assert told.endswith("400")
    assert "not" in told


def test_partial_answer_reaches_stenoread_as_an_error(deployment: Deployment) -> None:
    """A window that begins before the oldest packet is not served as if it were whole, through lighttpd too."""
    done = stenoread(deployment, "port 53 and after 300h ago", "-n")
    assert len(done.stdout.splitlines()) > 3
    assert "curl: (" in done.stderr


def test_certificate_is_the_user_and_needed(deployment: Deployment) -> None:
    """The CN of stenoread's certificate owns the job; without a certificate nothing answers, and only /query does."""
    stenoread(deployment, "port 7", "-n", who="docket-tool")
    url = f"{deployment.sensor.url}api/v1/jobs?owner=docket-tool"
    wait_until(lambda: requests.get(url, timeout=10).json()["jobs"], "the tool's job")
    base = f"https://127.0.0.1:{deployment.lighttpd.stenoread_port}"
    with pytest.raises(requests.exceptions.RequestException):
        requests.post(f"{base}/query", data="port 53", verify=deployment.lighttpd.ca, timeout=10)
    tls = deployment.lighttpd.directory / "tls"
    answer = requests.get(
        f"{base}/app/docket/api/v1/jobs",
        verify=deployment.lighttpd.ca,
        cert=(str(tls / "anna.pem"), str(tls / "anna.key")),
        timeout=10,
    )
    assert answer.status_code == 404


def test_streamed_packets_are_a_capture(deployment: Deployment) -> None:
    """What /query sends through lighttpd is one whole classic capture."""
    tls = deployment.lighttpd.directory / "tls"
    answer = requests.post(
        f"https://127.0.0.1:{deployment.lighttpd.stenoread_port}/query",
        data="port 53",
        verify=deployment.lighttpd.ca,
        cert=(str(tls / "anna.pem"), str(tls / "anna.key")),
        timeout=30,
    )
    times, _, end = scan(answer.content, FILE_HEADER_BYTES)
    assert end == len(answer.content)
    assert list(times) == sorted(times)
