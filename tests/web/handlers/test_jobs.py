"""Asking, listing and giving orders over HTTP, with the real collector behind it."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from docket.bus import topology
from docket.bus.addressing import HEADER
from docket.domain.ids import new_id
from docket.domain.job import Job, State, Verdict
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.timewindow import parse_time_us
from docket.web.jobs import service
from tests.services.waiting import wait_until
from tests.web.docket_site import SOURCES, Site
from tests.web.scripted import ScriptedWorker

AFTER, BEFORE = "2026-11-24T14:02:00Z", "2026-11-24T14:10:00Z"
START_US = parse_time_us(AFTER, None)
WINDOW = {"after": AFTER, "before": BEFORE}


def test_question_becomes_a_job(site: Site) -> None:
    """The answer is 201 with the queued job, canonical and explained, and where it is."""
    answer = site.call(
        "POST", "api/v1/jobs", json={"query": "port 443 and host 10.1.2.3", "note": "ticket 4711", **WINDOW}
    )
    job = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/app/docket/api/v1/jobs/{job['id']}"
    facts = {name: job[name] for name in ("state", "asked", "note", "after", "before", "pcap", "packets")}
    assert facts == {
        "state": "queued",
        "asked": "port 443 and host 10.1.2.3",
        "note": "ticket 4711",
        "after": "2026-11-24T14:02:00.000000Z",
        "before": "2026-11-24T14:10:00.000000Z",
        "pcap": None,
        "packets": 0,
    }
    assert [source["name"] for source in job["sources"]] == list(SOURCES)
    assert job["explanation"]


def test_job_is_found_right_after_it_was_asked_even_without_a_collector(site: Site) -> None:
    """What was answered with 201 is never 404, however long the collector takes."""
    site.stop_collector()
    job = site.ask(query="port 53")
    assert site.job(job.id) == job
    site.start_collector()
    wait_until(lambda: site.job(job.id).state is not State.QUEUED or _events(site, job.id), "the ledger to have it")
    assert _events(site, job.id)[0]["name"] == "job.requested"


def test_job_of_a_web_process_that_died_is_found_once_the_collector_has_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh web process waits a moment for a job whose id was made just now, instead of denying it."""
    monkeypatch.setattr(service, "ARRIVAL_S", 20.0)
    site.stop_collector()
    job = site.ask(query="port 53")
    site.stop_web()
    site.start_web()
    with ThreadPoolExecutor(1) as executor:
        answer = executor.submit(site.call, "GET", f"api/v1/jobs/{job.id}")
        site.start_collector()
        assert (answer.result().status_code, answer.result().json()["id"]) == (200, job.id)


@pytest.mark.parametrize("job_id", ["74921bb8-0893-48e2-8462-9d0f52567c3b", "0192f0c1-0000-7000-8000-000000000000"])
def test_id_without_a_time_of_just_now_is_denied_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, job_id: str
) -> None:
    """Nobody waits for an id that no web process made within the last minute."""
    monkeypatch.setattr(service, "ARRIVAL_S", 3600)
    assert site.call("GET", f"api/v1/jobs/{job_id}").status_code == 404


def test_few_wait_for_unknown_jobs_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up ids with today's time in them do not hold more than a bounded number of requests."""
    monkeypatch.setattr(service, "ARRIVAL_S", 3600)
    monkeypatch.setattr(service, "MOST_AWAITED", 0)
    assert site.call("GET", f"api/v1/jobs/{new_id()}").status_code == 404


def test_children_of_a_job_are_listed(site: Site) -> None:
    """`parent` shows the jobs that were taken from its result, and stays in the address of the next page."""
    first, other = site.ask(query="port 53", **WINDOW), site.ask(query="port 54", **WINDOW)
    with ScriptedWorker(site.broker, SPOOL_SOURCE):
        wait_until(
            lambda: len(site.call("GET", "api/v1/sources").json()["sources"]) > len(SOURCES), "the spool's source"
        )
        filters = [{"filter": f"tcp.stream == {number}"} for number in range(3)]
        children = [site.ask(parent=first.id, refine=refine, **WINDOW) for refine in filters]
        site.ask(parent=other.id, refine=filters[0], **WINDOW)
        wait_until(lambda: site.call("GET", "api/v1/jobs").json()["total"] == 6, "the ledger to have all")
    page = site.call("GET", f"api/v1/jobs?parent={first.id}&limit=2").json()
    rest = site.session.get(site.root + page["next"], timeout=20).json()
    assert [job["id"] for job in page["jobs"] + rest["jobs"]] == [child.id for child in reversed(children)]
    assert (page["total"], rest["next"]) == (3, None)


def test_job_runs_to_its_end(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> None:
    """The job of two answers is completed, with its counts, its result's address and its story."""
    job = site.ask(query="port 53", **WINDOW)
    em1.take().answer([(START_US, b"a" * 60), (START_US + 2, b"b" * 60)])
    em2.take().answer([(START_US + 1, b"c" * 60)])
    done = site.final(job.id)
    assert (done.state, done.packets, [answer.verdict for answer in done.sources]) == (
        State.COMPLETED,
        3,
        [Verdict.COMPLETE, Verdict.COMPLETE],
    )
    assert done.pcap is not None
    assert done.pcap.url == f"/app/docket/api/v1/jobs/{job.id}/pcap"
    names = [event["name"] for event in _events(site, job.id)]
    assert (names[0], names[-1]) == ("job.requested", "job.completed")


def test_request_is_addressed_to_its_sources(site: Site, em1: ScriptedWorker) -> None:
    """Headers of the message name them, so that it comes to no other worker; one for all comes to all."""
    site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    reading = em1.take()
    waiting = [site.broker.depth(topology.source_queue(name)).messages for name in SOURCES]
    site.ask(query="port 54", **WINDOW)
    em1.take()
    assert (waiting, site.broker.depth(topology.source_queue(SOURCES[1])).messages) == ([0, 0], 1)
    assert reading.headers == {HEADER: SOURCES[0], topology.source_header(SOURCES[0]): "1"}


def test_identical_question_is_the_same_job(site: Site) -> None:
    """While it runs, the same question in other words is answered with 200 and its job; `fresh` asks anew."""
    first = site.ask(query="host 10.1.2.3 and port 443", **WINDOW)
    again = site.call("POST", "api/v1/jobs", json={"query": "(host 10.1.2.3) and port 443", **WINDOW})
    fresh = site.call("POST", "api/v1/jobs", json={"query": "host 10.1.2.3 and port 443", "fresh": True, **WINDOW})
    assert (again.status_code, again.json()["id"]) == (200, first.id)
    assert fresh.status_code == 201
    assert fresh.json()["id"] != first.id


def test_identical_question_is_served_from_the_spool(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> None:
    """A completed job answers the same question; one that ended otherwise does not."""
    first = site.ask(query="port 53", **WINDOW)
    em1.take().answer([(START_US, b"x" * 60)])
    em2.take().answer([])
    site.final(first.id)
    again = site.call("POST", "api/v1/jobs", json={"query": "port 53", **WINDOW})
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, first.id, "completed")

    second = site.ask(query="port 80", **WINDOW)
    for worker in (em1, em2):
        refusing = worker.take()
        refusing.begin()
        refusing.end(Verdict.REFUSED, "no")
    assert site.final(second.id).state is State.FAILED
    third = site.ask(query="port 80", **WINDOW)
    assert third.id != second.id


def test_identical_questions_at_once_are_one_job(site: Site) -> None:
    """Eight askers at the same moment get one job; exactly one of them made it."""
    answers: list[tuple[int, str]] = []

    def ask() -> None:
        answer = site.call("POST", "api/v1/jobs", json={"query": "port 99", **WINDOW})
        answers.append((answer.status_code, answer.json()["id"]))

    executor = [threading.Thread(target=ask) for _ in range(8)]
    for thread in executor:
        thread.start()
    for thread in executor:
        thread.join(20)
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({job_id for _, job_id in answers}) == 1


def test_same_id_twice_is_one_job(site: Site) -> None:
    """A client that lost the answer may send the same request again; another question under the id is refused."""
    job_id = str(uuid.uuid4())
    first = site.call("POST", "api/v1/jobs", json={"id": job_id, "query": "port 53", "fresh": True, **WINDOW})
    again = site.call("POST", "api/v1/jobs", json={"id": job_id, "query": "port 53", "fresh": True, **WINDOW})
    other = site.call("POST", "api/v1/jobs", json={"id": job_id, "query": "port 54", **WINDOW})
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 409]
    assert (again.json()["id"], other.json()["error"]["code"]) == (job_id, "id-taken")


def test_byte_limit_is_capped_by_the_configuration(site: Site) -> None:
    """A job without a limit, or with a higher one, gets the configured most."""
    most = site.config.jobs.max_bytes
    jobs = [
        site.ask(query="port 1", limits={"bytes": most * 2}),
        site.ask(query="port 2", limits={"bytes": 1000, "packets": 5}),
        site.ask(query="port 3"),
    ]
    limits = [(job.limits.bytes, job.limits.packets) for job in jobs]
    assert limits == [(most, None), (1000, 5), (most, None)]


def test_list_is_filtered_and_paged(site: Site) -> None:
    """Pages follow each other by cursor and by link, newest first; filters and total belong together."""
    asked = [site.ask(query=f"port {port}", note=f"number {port}").id for port in range(1, 8)]
    wait_until(lambda: site.call("GET", "api/v1/jobs").json()["total"] == 7, "seven jobs in the ledger")
    page = site.call("GET", "api/v1/jobs?limit=3&state=queued,running").json()
    found = [job["id"] for job in page["jobs"]]
    assert (page["total"], len(found)) == (7, 3)
    by_cursor = site.call(
        "GET", "api/v1/jobs", params={"limit": "3", "state": "queued,running", "cursor": page["cursor"]}
    ).json()
    by_link = site.session.get(site.root + page["next"], timeout=20).json()
    assert by_cursor == by_link
    found += [job["id"] for job in by_link["jobs"]]
    last = site.session.get(site.root + by_link["next"], timeout=20).json()
    found += [job["id"] for job in last["jobs"]]
    assert (found, last["cursor"], last["next"]) == (asked[::-1], None, None)
    some = site.call("GET", "api/v1/jobs?text=NUMBER+4").json()
    assert [job["id"] for job in some["jobs"]] == [asked[3]]
    assert site.call("GET", "api/v1/jobs?owner=nobody").json()["jobs"] == []


def test_cancel_stops_the_job(site: Site, em1: ScriptedWorker) -> None:
    """The answer to a cancel is the cancelled job; what arrived can be downloaded. A second cancel is refused."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    reading = em1.take()
    reading.begin()
    reading.data([(START_US, b"x" * 60)], through_us=START_US + 1)
    wait_until(lambda: site.job(job.id).packets == 1, "the packet")
    answer = site.call("POST", f"api/v1/jobs/{job.id}/cancel", json={"keep": True})
    assert (answer.status_code, answer.json()["state"], answer.json()["packets"]) == (200, "cancelled", 1)
    assert site.call("GET", f"api/v1/jobs/{job.id}/pcap").status_code == 200
    again = site.call("POST", f"api/v1/jobs/{job.id}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not-running")


def test_cancel_without_keeping_leaves_nothing(site: Site, em1: ScriptedWorker) -> None:
    """With keep false there is no result afterwards."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    em1.take().begin()
    answer = site.call("POST", f"api/v1/jobs/{job.id}/cancel", json={"keep": False})
    assert (answer.status_code, answer.json()["state"], answer.json()["pcap"]) == (200, "cancelled", None)
    gone = site.call("GET", f"api/v1/jobs/{job.id}/pcap")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "no-result")


def test_order_that_nobody_carries_out_yet_is_accepted(site: Site) -> None:
    """While the collector is away a cancel is answered with 202 and the job as it still is."""
    job = site.ask(query="port 53")
    wait_until(lambda: _events(site, job.id), "the ledger to have it")
    site.stop_collector()
    answer = site.call("POST", f"api/v1/jobs/{job.id}/cancel")
    assert (answer.status_code, answer.json()["state"] in ("queued", "running")) == (202, True)
    site.start_collector()
    assert site.final(job.id).state is State.CANCELLED


def test_retry_asks_again_what_fell_short(site: Site, em1: ScriptedWorker, em2: ScriptedWorker) -> None:
    """A partial job is retried once: the next revision is complete, and then there is nothing to retry."""
    job = site.ask(query="port 53", **WINDOW)
    em1.take().answer([(START_US, b"x" * 60)])
    short = em2.take()
    short.begin()
    short.end(Verdict.UNREACHABLE, "gone")
    assert site.final(job.id).state is State.PARTIAL
    answer = site.call("POST", f"api/v1/jobs/{job.id}/retry", json={"deadline_s": 600})
    assert (answer.status_code, answer.json()["revision"], answer.json()["state"]) == (200, 2, "running")
    early = site.call("POST", f"api/v1/jobs/{job.id}/retry")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "not-final")
    em2.take().answer([(START_US + 1, b"y" * 60)])
    done = site.final(job.id)
    assert (done.state, done.packets, done.revision) == (State.COMPLETED, 2, 2)
    late = site.call("POST", f"api/v1/jobs/{job.id}/retry")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "nothing-to-retry")


def test_delete_removes_the_result(site: Site, em1: ScriptedWorker) -> None:
    """The record stays, expired; a running job cannot be deleted, a deleted one can again."""
    job = site.ask(query="port 53", sources=[SOURCES[0]], **WINDOW)
    reading = em1.take()
    running = site.call("DELETE", f"api/v1/jobs/{job.id}")
    assert (running.status_code, running.json()["error"]["code"]) == (409, "still-running")
    reading.answer([(START_US, b"x" * 60)])
    site.final(job.id)
    deleted = site.call("DELETE", f"api/v1/jobs/{job.id}")
    assert (deleted.status_code, deleted.json()["state"], deleted.json()["pcap"]) == (200, "expired", None)
    assert site.call("DELETE", f"api/v1/jobs/{job.id}").status_code == 200
    gone = site.call("GET", f"api/v1/jobs/{job.id}/pcap")
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "expired")
    retry = site.call("POST", f"api/v1/jobs/{job.id}/retry")
    assert (retry.status_code, retry.json()["error"]["code"]) == (409, "expired")


def test_rejected_question_ends_as_failed(site: Site) -> None:
    """Should the collector refuse what the web app let through, the job says so instead of waiting for ever."""
    site.stop_collector()
    job = site.ask(query="port 53")
    queue = site.broker.receiver("test", [topology.COLLECTOR_QUEUE], prefetch=10)
    delivery = wait_until(lambda: queue.receive(0.1), "the request")
    assert delivery is not None
    delivery.ack()
    queue.close()
    body = msgspec.json.encode(
        {
            "schema": "docket.event/1",
            "event": "job.rejected",
            "at": "2026-11-24T14:00:00.000000Z",
            "job_id": job.id,
            "reason": "not today",
        }
    )
    site.broker.publisher("test").publish(topology.EVENTS, "job.rejected", body)
    wait_until(lambda: site.job(job.id).is_final, "the job to fail")
    failed = site.job(job.id)
    assert (failed.state, failed.reason) == (State.FAILED, "not today")


@pytest.mark.parametrize("sort", ["created", "-created", "packets", "-bytes", "state", "owner", "-finished"])
def test_list_can_be_sorted(site: Site, sort: str) -> None:
    """Every documented order is accepted."""
    assert site.call("GET", f"api/v1/jobs?sort={sort}").status_code == 200


def _events(site: Site, job_id: str) -> list[dict[str, object]]:
    events: list[dict[str, object]] = site.call("GET", f"api/v1/jobs/{job_id}").json()["events"]
    return events


def test_answer_is_the_job_of_the_contract(site: Site) -> None:
    """The body of POST and GET decodes as the domain's job, and has every field that the design names."""
    job = site.ask(query="port 53")
    body = site.call("GET", f"api/v1/jobs/{job.id}").json()
    named = (
        "id state query asked explanation after before owner note created_at finished_at deadline packets bytes"
        " revision pcap sources events"
    )
    assert set(named.split()) <= set(body)
    answer = "name verdict sentence packets bytes trimmed first last progress attempt sent"
    assert set(answer.split()) <= set(body["sources"][0])
    assert msgspec.convert(body, Job).id == job.id
