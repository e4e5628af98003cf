"""Filters that cost much are refused or bounded in processor time, end at once, and keep no other user waiting."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docket.domain.job import Job, State, Verdict
from tests.services import frames
from tests.services.waiting import wait_until
from tests.web.docket_site import Site, running
from tests.web.handlers.test_packets import inspector
from tests.web.handlers.test_refinements import answered
from tests.web.scripted import ScriptedWorker
from tests.workers.inspector.processes import dissectors

__all__ = ["inspector"]

FILTERS = "docket.workers.inspector.tshark.filters"
ANNA, BEN = {"X-Remote-User": "anna"}, {"X-Remote-User": "ben"}
SLOW = 'data matches "(a|aa)+$"'
"""Tenths of a second for each packet of MADE."""
MADE = [
    frames.ethernet(
        "02:00:00:00:00:01",
        "02:00:00:00:00:02",
        frames.ip("10.0.0.1", "10.0.0.2", 17, frames.udp("10.0.0.1", "10.0.0.2", (4000 + n, 4000), b"a" * 200 + b"!")),
    )
    for n in range(2_000)
]
COSTLY = {
    "ports": " or ".join(f"port {number}" for number in range(320)),
    "ranges": " or ".join(f"portrange {number}-{number + 9}" for number in range(180)),
}
"""Packet filters that tcpdump compiles for about 5 s."""

pytestmark = pytest.mark.usefixtures("inspector")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A Docket whose proxy names users."""
    with running(Site(tmp_path, user_header="X-Remote-User", trusted_proxies=("127.0.0.1",))) as site:
        yield site


@pytest.fixture
def parent(site: Site, em1: ScriptedWorker) -> Job:
    return answered(site, em1, MADE)


def refine(site: Site, parent: Job, user: dict[str, str], **order: Any) -> str:
    answer = site.call("POST", f"api/v1/jobs/{parent.id}/refine", json=order, headers=user)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def look(site: Site, parent: Job, user: dict[str, str], text: str) -> Any:
    answer = site.call("GET", f"api/v1/jobs/{parent.id}/packets", params={"filter": text, "limit": 1}, headers=user)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("kind", COSTLY)
def test_packet_filter_that_compiles_long_is_refused(
    site: Site, parent: Job, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Beyond its processor time it is no filter, and the sentence says what to ask for instead."""
    monkeypatch.setattr(f"{FILTERS}.CHECK_CPU_S", 1.0)
    answer = site.call("POST", f"api/v1/jobs/{parent.id}/refine", json={"bpf": COSTLY[kind]})
    fault = answer.json()["error"]
    assert (answer.status_code, fault["code"], fault["field"]) == (400, "costly-filter", "bpf"), answer.text
    assert "processor time" in fault["message"]
    assert "networks and ranges" in fault["message"]


@pytest.mark.parametrize("text", ["(" * 1_900 + "udp" + ")" * 1_900, "not " * 900 + "udp", "!" * 3_000 + "udp"])
def test_nested_display_filter_is_answered(site: Site, parent: Job, text: str) -> None:
    """Thousands of parentheses are a filter, or a fault with a sentence; the inspector does not fail."""
    answer = site.call("GET", f"api/v1/jobs/{parent.id}/packets", params={"filter": text})
    assert answer.status_code in (200, 400, 422), answer.text
    assert "inspector failed" not in answer.text


def test_regular_expression_has_an_end(site: Site, parent: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refinement and a list whose filter uses up its processor time say so, and end."""
    monkeypatch.setattr(f"{FILTERS}.filter_cpu_s", lambda _: 0.5)
    job = site.final(refine(site, parent, ANNA, filter=SLOW))
    assert (job.state, job.sources[0].verdict) == (State.FAILED, Verdict.REFUSED)
    assert "0.5 s of processor time" in (job.sources[0].sentence or "")
    wait_until(lambda: look(site, parent, ANNA, SLOW)["state"] != "working", "the end", 60)
    assert "processor time" in look(site, parent, ANNA, SLOW)["note"]


def test_slow_expressions_let_others_through(site: Site, parent: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside two slow refinements and two slow lists of one user, both of another's are done; the slow ones go on."""
    monkeypatch.setattr("docket.workers.interface.scheduler.LONG_S", 0.2)
    slow = [refine(site, parent, ANNA, filter=f"{SLOW} or udp.port == {port}", fresh=True) for port in (1, 2)]
    for port in (1, 2):
        look(site, parent, ANNA, f"udp.port == {port} or {SLOW}")
    done = site.final(refine(site, parent, BEN, filter="udp.port == 4007"))
    assert (done.state, done.packets) == (State.COMPLETED, 1)
    wait_until(lambda: look(site, parent, BEN, "udp.port == 4008")["state"] == "complete", "the other's list", 60)
    assert look(site, parent, BEN, "udp.port == 4008")["total"] == 1
    assert [site.job(job_id).is_final for job_id in slow] == [False, False]
    for job_id in slow:
        site.call("POST", f"api/v1/jobs/{job_id}/cancel", headers=ANNA)
        assert site.final(job_id).state is State.CANCELLED


def test_cancelled_refinement_ends_its_compilation(site: Site, parent: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the worker compiles a costly filter, the job's end is the program's end."""
    monkeypatch.setattr("docket.web.handlers.refine_handlers.RefineHandler._check_filters", _unchecked)
    monkeypatch.setattr(f"{FILTERS}.CHECK_CPU_S", 60.0)
    job_id = refine(site, parent, ANNA, bpf=COSTLY["ports"])
    wait_until(lambda: any(_compiles(pid) for pid in dissectors()), "the compilation")
    site.call("POST", f"api/v1/jobs/{job_id}/cancel", headers=ANNA)
    assert site.final(job_id).state is State.CANCELLED
    wait_until(lambda: not any(_compiles(pid) for pid in dissectors()), "its end", 3)


async def _unchecked(*_: object) -> None:
    """A tool on the bus is not asked what its filter costs."""


def _compiles(pid: int) -> bool:
    try:
        return b"tcpdump" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
