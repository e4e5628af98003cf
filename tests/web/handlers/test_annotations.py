"""A note, tags and a case number are written on a job after it was asked."""

from tests.web.docket_site import Site


def test_written_on_a_job_that_runs_and_one_that_has_ended(site: Site) -> None:
    """What is left out stays; the list finds it; the story has each writing once."""
    job_id = site.call("POST", "api/v1/jobs", json={"query": "port 53", "note": "first"}).json()["id"]
    address = f"api/v1/jobs/{job_id}"
    running = site.call("POST", f"{address}/annotation", json={"tags": ["c2", " c2 ", "dns  tunnel"]})
    assert (running.status_code, running.json()["tags"], running.json()["note"]) == (200, ["c2", "dns tunnel"], "first")
    site.call("POST", f"{address}/cancel")
    ended = site.call("POST", f"{address}/annotation", json={"note": "", "case": "IR-17"}).json()
    assert (ended["state"], ended["note"], ended["tags"], ended["case"]) == (
        "cancelled",
        "",
        ["c2", "dns tunnel"],
        "IR-17",
    )
    assert site.call("POST", f"{address}/annotation", json={"case": "IR-17"}).status_code == 200
    written = [event for event in site.call("GET", address).json()["events"] if event["name"] == "job.annotated"]
    assert [event["annotation"] for event in written] == [
        {"note": None, "tags": ["c2", "dns tunnel"], "case": None},
        {"note": "", "tags": None, "case": "IR-17"},
    ]
    for text in ("ir-17", "dns tunnel"):
        assert [job["id"] for job in site.call("GET", f"api/v1/jobs?text={text}").json()["jobs"]] == [job_id]
    assert site.call("GET", "api/v1/jobs?text=first").json()["jobs"] == []


def test_faults_of_an_annotation(site: Site) -> None:
    """All at once, each with its field; and a job that does not exist."""
    job_id = site.call("POST", "api/v1/jobs", json={"query": "port 53"}).json()["id"]
    bad = {"note": 7, "tags": ["x" * 61], "case": "y" * 101, "owner": "me"}
    answer = site.call("POST", f"api/v1/jobs/{job_id}/annotation", json=bad)
    assert answer.status_code == 400
    assert {(fault["field"], fault["code"]) for fault in answer.json()["errors"]} == {
        ("note", "bad-field"),
        ("tags", "too-long"),
        ("case", "too-long"),
        ("owner", "unknown-field"),
    }
    assert site.call("POST", f"api/v1/jobs/{job_id}/annotation", json={}).status_code == 400
    unknown = site.call("POST", "api/v1/jobs/01a20bb0-0000-7000-8000-000000000000/annotation", json={"note": "x"})
    assert unknown.status_code == 404
