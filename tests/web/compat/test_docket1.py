"""The original Docket's documented requests, replayed with curl against a running Docket, answer in its shapes."""

import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from docket.packet.pcap import FILE_HEADER_BYTES, scan
from tests.cli.running_server import RunningServer
from tests.services import needs
from tests.web.compat.original import (
    Answer,
    Original,
    asks,
    cleans_nothing,
    is_ids,
    is_jobs,
    is_pcap,
    is_stats,
    is_status,
    is_urls,
    leads_to_page,
    refuses,
    window,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    """The demo, with two jobs that have ended."""
    needs.program("tcpdump", "tcpdump")
    with RunningServer(tmp_path_factory.mktemp("legacy")) as server:
        running = Original(server)
        first = running.finished("{base}api/", "-d", "port=53", "-d", "after-ago=30m")
        second = running.finished("{base}api/", "-d", "proto-name=icmp", "-d", "after-ago=30m")
        running.names |= {"id": first, "hex": first.replace("-", ""), "id2": second}
        yield running


JSON = ("-H", "Content-Type: application/json", "-d")
DNS = "host 10.1.20.5 and udp and port 53"

TABLE: list[tuple[tuple[str, ...], Callable[[Answer], None]]] = [
    # Forms
    (("{base}api/", "-d", "host=10.1.20.5", "-d", "proto-name=udp", "-d", "port=53", "-d", "after-ago=3m"), asks(DNS)),
    (("{base}api", "-d", "host=1.2.3.4", "-d", "host=4.5.6.7"), asks("host 1.2.3.4 and host 4.5.6.7")),
    (("{root}api/", "-d", "net=1.2.3.0/24"), asks("net 1.2.3.0/24")),
    (("{base}api/", "-d", "port=80"), asks("port 80")),
    (("{base}api/", "-d", "proto=6"), asks("tcp")),
    (("{base}api/", "-d", "proto=47"), asks("ip proto 47")),
    (("{base}api/", "-d", "proto-name=TCP", "-d", "port=80"), asks("tcp and port 80")),
    (("{base}api/", "-d", "proto-name=ICMP"), asks("icmp")),
    (("{base}api/", "-d", "port=80"), window(24 * 3600)),
    (("{base}api/", "-d", "port=80", "-d", "after={t1}", "-d", "before={t2}"), window(20 * 60)),
    (("{base}api/", "--data-urlencode", "after={plus}", "-d", "before={t2}"), window(20 * 60)),
    (("{base}api/", "-d", "after={plus}", "-d", "before={t2}"), window(20 * 60)),
    (("{base}api/", "-d", "port=81", "-d", "after-ago=3h30m", "-d", "before-ago=45m"), window(165 * 60)),
    (("{base}api/", "-d", "port=81", "-d", "after-ago=3h30"), window(210 * 60)),
    (("{base}api/", "-d", "port=81", "-d", "after-ago=3.5h"), window(210 * 60)),
    (("{base}api/", "-d", "port=81", "-d", "after-ago=2w1d"), window(15 * 86400)),
    (("{base}api/", "-d", "port=81", "-d", "after=90s"), window(90)),
    (("{base}api/", "-d", "port=81", "-d", "sensor=em1"), asks("port 81")),
    (("{base}api/", "-d", "port=81", "-d", "sensor=demo", "-d", "ignore-weight=1"), asks("port 81")),
    (("{base}api/", "-F", "port=82", "-F", "proto-name=udp"), asks("udp and port 82")),
    (("{base}api/", "-d", "port=82", "-H", "Steno-Limit-Packets: 3"), asks("port 82")),
    (("{base}api/", "-d", "port=82", "-d", "Steno-Limit-Bytes=1000"), asks("port 82")),
    # JSON
    (("{base}api/", *JSON, '{{"host": "10.1.20.5", "proto-name": "udp", "port": 53, "after-ago": "3m"}}'), asks(DNS)),
    (("{base}api/", *JSON, '{{"port": [80, "443"]}}'), asks("port 80 and port 443")),
    (("{base}api/", "-d", '{{"net": ["1.2.3.0/24"], "proto": 17}}'), asks("net 1.2.3.0/24 and udp")),
    # Paths
    (("{base}api/uri/host/1.2.3.4/",), leads_to_page),
    (("{base}api/uri/host/1.2.3.4/host/4.5.6.7",), leads_to_page),
    (("{base}api/uri/net/1.2.3.0/24/",), leads_to_page),
    (("{base}api/uri/port/80/",), leads_to_page),
    (("{base}api/uri/proto/6/",), leads_to_page),
    (("{root}api/uri/tcp/",), leads_to_page),
    (("{base}api/uri/tcp/port/80/",), leads_to_page),
    (("{base}api/uri/icmp/before/{day}/",), leads_to_page),
    (("{base}api/uri/udp/before/{t1}/",), leads_to_page),
    (("{base}api/uri/udp/before/45m/",), leads_to_page),
    (("{base}api/uri/udp/after/3h/",), leads_to_page),
    (("{base}api/uri/udp/after/3h30m/",), leads_to_page),
    (("{base}api/uri/udp/after/3.5h",), leads_to_page),
    (("{base}api/uri/host/10.1.20.5/port/80/udp/after/3m/",), leads_to_page),
    (("{base}api/uri/host/1.2.3.4/port/80/host/4.5.6.7/port/4444/after/{old}/",), leads_to_page),
    (("{base}api/uri/PORT/80/IGNORE-WEIGHT/sensor/em2/Steno-Limit-Packets/5/",), leads_to_page),
    # Stenographer's own words
    (("{base}api/raw/host+1.2.3.4+and+port+80/",), asks("host 1.2.3.4 and port 80")),
    (("{base}api/raw/host%201.2.3.4%20and%20after%203m%20ago",), asks("host 1.2.3.4")),
    (("{base}api/raw/port+80+and+after+{plus}/",), asks("port 80")),
    (("{base}api/query/", "-d", "host 1.2.3.4 and port 80"), asks("host 1.2.3.4 and port 80")),
    (("{base}api/query", "-d", "query=host+1.2.3.4+or+port+80"), asks("(host 1.2.3.4 or port 80)")),
    (("{base}api/query/", "-d", '{{"query": "port 80 and before 5m ago"}}'), asks("port 80")),
    # Looking
    (("{base}api/ids/",), is_ids()),
    (("{base}api/ids",), is_ids()),
    (("{base}api/ids/{id}/",), is_ids(1)),
    (("{base}api/ids/{hex},{id2}",), is_ids(2)),
    (("{base}api/ids/00000000000000000000000000000000,nonsense/",), is_ids(0)),
    (("{base}api/urls/",), is_urls),
    (("{root}api/urls/{id},{id2}/",), is_urls),
    (("{base}api/status/",), is_status()),
    (("{base}api/status/{id}",), is_status("{id}")),
    (("{base}api/status/{id},{id2}/",), is_status("{id}", "{id2}")),
    (("{base}api/stats/",), is_stats("demo:em1", "demo:em2")),
    (("{base}api/stats/em1",), is_stats("demo:em1")),
    (("{base}api/jobs/",), is_jobs),
    (("{base}api/jobs",), is_jobs),
    (("{base}api/clean/",), cleans_nothing),
    (("{base}api/cleanup",), cleans_nothing),
    (("{root}results/{id}/merged.pcap",), is_pcap),
    (("{base}results/{hex}/merged.pcap",), is_pcap),
    # What is wrong is told, all of it
    (("{base}api/", "-d", "host=1.2.3.400", "-d", "port=70000"), refuses(400, "host", "port")),
    (("{base}api/", "-d", "colour=red"), refuses(400, "colour")),
    (("{base}api/", "-d", "proto-name=smtp"), refuses(400, "proto-name")),
    (("{base}api/", "-d", "sensor=em9"), refuses(400, "em9")),
    (("{base}api/", "-d", "after=yesterday"), refuses(400, "yesterday")),
    (("{base}api/", *JSON, "[1]"), refuses(400, "JSON object")),
    (("{base}api/", "-d", "Steno-Limit-Bytes=many"), refuses(400, "Steno-Limit-Bytes")),
    (("{base}api/uri/colour/red/",), refuses(400, "colour")),
    (("{base}api/uri/host/",), refuses(400, "host")),
    (("{base}api/uri/net/1.2.3.0/",), refuses(400, "net")),
    (("{base}api/raw/host+1.2.3.4+not+port+80/",), refuses(400, "not")),
    (("{base}api/ids/", "-X", "DELETE"), refuses(405)),
    (("{base}api/uri/port/80/", "-X", "DELETE"), refuses(405)),
    (("{base}api/query/",), refuses(405)),
    (("{base}api/nothing/",), refuses(404)),
    (("{root}results/{id}/query.yaml",), refuses(404)),
    (("{root}results/nonsense/merged.pcap",), refuses(404)),
]


@pytest.mark.parametrize(("arguments", "check"), TABLE, ids=[" ".join(words) for words, _ in TABLE])
def test_documented_request_is_answered_in_its_shape(
    original: Original, arguments: tuple[str, ...], check: Callable[[Answer], None]
) -> None:
    """Each request that the original documented works, in both slash forms, and says that it is deprecated."""
    answer = original.curl(*arguments)
    check(answer)
    if answer.status < 400:
        assert answer.headers["deprecation"].startswith("@")
        assert 'rel="successor-version"' in answer.headers["link"]


def test_limits_and_sensors_count(original: Original) -> None:
    """What the original ignored counts: three packets of one sensor are three packets of one sensor."""
    job_id = original.finished("{base}api/", "-d", "sensor=em1", "-d", "after-ago=2h", "-H", "Steno-Limit-Packets: 3")
    told = original.curl(f"{original.base}api/status/{job_id}").json[job_id]
    assert list(told["requests"]) == ["demo:em1"]
    body = original.curl(f"{original.root}results/{job_id}/merged.pcap").body
    assert len(scan(body, FILE_HEADER_BYTES)[0]) == 3
    assert told["state"] == "Error"
    assert told["requests"]["demo:em1"]["state"] == "Error"


def test_states_of_a_whole_answer(original: Original) -> None:
    """A complete job is Completed, each sensor's request is complete, and each is a success."""
    told = original.curl("{base}api/status/{id}").json[original.names["id"]]
    assert told["state"] == "Completed"
    assert [request["state"] for request in told["requests"].values()] == ["Request Complete"] * 2
    assert len(told["successes"]) == 2
    assert told["events"][0]["state"] == "Created"


def test_second_click_leads_to_the_same_job(original: Original) -> None:
    """A link of Kibana's asks the sensors once, however often it is followed, and its window has an end."""
    link = "{base}api/uri/host/10.1.20.5/port/53/host/10.1.1.1/port/40000/after/{old}/"
    told = [original.curl(link).json for _ in range(3)]
    assert len({job["id"] for job in told}) == 1
    ends = [datetime.fromisoformat(part.split(" ")[1]) for part in told[0]["query"].split(" and ")[-2:]]
    assert ends[1] - ends[0] == timedelta(hours=1)


def test_link_to_the_present_ends_within_a_minute(original: Original) -> None:
    """The window of a recent link ends with the current minute, and two clicks at once are one question."""
    recent = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    link = f"{original.base}api/uri/host/10.1.20.5/port/53/after/{recent}/"
    urls = [link, "-o", "/dev/null", link, "-o", "/dev/null", "--parallel", "-w", "%{redirect_url}\\n"]
    done = subprocess.run(
        [needs.program("curl", "curl"), "-sS", *urls], capture_output=True, text=True, timeout=60, check=True
    )
    led = done.stdout.split()
    assert len(led) == 2
    assert len(set(led)) == 1
    job = original.curl(led[0].replace("/jobs/", "/api/v1/jobs/")).json
    ahead_s = datetime.fromisoformat(job["before"]).timestamp() - time.time()
    assert ahead_s <= 60
    assert job["before"].endswith(":00.000000Z")


def test_foreign_pages_cannot_ask_but_link(original: Original) -> None:
    """An image of another site asks nothing; a link there may be followed."""
    image = ["-H", "Sec-Fetch-Site: cross-site", "-H", "Sec-Fetch-Mode: no-cors", "-H", "Sec-Fetch-Dest: image"]
    followed = ["-H", "Sec-Fetch-Site: cross-site", "-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Dest: document"]
    link = "{base}api/uri/port/99/after/{old}/"
    assert original.curl(link, *image).status == 403
    assert original.curl(link, *followed).status == 302


def raw(original: Original, text: str, *options: str) -> Answer:
    return original.curl("{root}query", "-d", text, *options)


def test_raw_query_streams_the_merged_packets(original: Original) -> None:
    """`POST query` answers with one PCAP of all sources, in the order of time."""
    answer = raw(original, "port 53 and after 30m ago")
    is_pcap(answer)
    times = scan(answer.body, FILE_HEADER_BYTES)[0]
    assert list(times) == sorted(times)
    downloaded = original.curl(f"{original.base}api/v1/jobs/{answer.headers['x-docket-job']}/pcap").body
    assert answer.body == downloaded


@pytest.mark.parametrize(
    ("text", "options", "packets"),
    [
        ("port 53 and after 30m ago", ["-H", "Steno-Limit-Packets: 3"], 3),
        ("port 53", ["-H", "Steno-Limit-Packets:2"], 2),
        ("host 192.0.2.77 and after 30m ago", [], 0),
    ],
)
def test_raw_query_keeps_limits_and_ends_well(original: Original, text: str, options: list[str], packets: int) -> None:
    """A limit that was asked for, and nothing found, are proper ends."""
    answer = raw(original, text, *options)
    assert answer.status == 200
    assert len(scan(answer.body, FILE_HEADER_BYTES)[0]) == packets


def test_raw_query_with_a_fault_is_refused_in_words(original: Original) -> None:
    """Errors are text and a status, as stenographer has them."""
    answer = raw(original, "host 1.2.3.4 not port 80")
    assert (answer.status, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert b"not" in answer.body
    assert raw(original, "port 53", "-H", "Steno-Limit-Bytes: many").status == 400


def test_partial_answer_is_no_clean_end(original: Original) -> None:
    """A window that begins before the oldest packet was asked for: what is there comes, and curl hears of the rest."""
    command = [needs.program("curl", "curl"), "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{original.root}query"]
    done = subprocess.run(
        [*command, "-d", "port 53 and after 40h ago"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "200"
    assert done.returncode in (18, 56)


def test_documentation_names_every_route() -> None:
    """The page about the original interface has each of its routes."""
    page = (Path(__file__).parents[3] / "docs" / "original.md").read_text()
    routes = ["api/", "api/uri/", "api/raw/", "api/query/", "ids", "urls", "status", "stats", "jobs", "clean"]
    assert [route for route in [*routes, "/results/ID/merged.pcap", "POST /query"] if route not in page] == []
