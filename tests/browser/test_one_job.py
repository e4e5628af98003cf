"""The page of one job: what came of it, in words, and how to get it."""

import hashlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.cli.running_server import RunningServer
from tests.services import needs


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_complete_job_is_told_in_words(person: Person, demo: Server) -> None:
    """Headline, scheduler with verdicts and sentences, story and question say what the job says."""
    person.ask_and_open("port 53")
    expect(person.headline).to_have_text(re.compile(r"^Complete: \d+ packets from 2 of 2 sources, exactly the window$"))
    job = demo.job(person.page.url.rpartition("/")[2])
    for source in job["sources"]:
        lane = person.lane(source["name"])
        expect(lane).to_contain_text("Complete")
        expect(lane).to_contain_text(source["sentence"])
        expect(lane).to_contain_text(f"{source['packets']} packets")
    expect(person.fact("File", "SHA-256").locator("code")).to_have_text(job["pcap"]["sha256"])
    expect(person.fact("Question", "Query")).to_have_text("port 53")
    story = person.page.locator(".story li")
    expect(story.first).to_contain_text("Asked")
    expect(story.last).to_contain_text("Completed")
    expect(story).to_have_count(len(job["events"]))
    expect(person.page).to_have_title(re.compile("^Complete: port 53 · Docket$"))


def test_the_downloaded_file_opens_in_tshark(person: Person, demo: Server, tmp_path: Path) -> None:
    """tshark reads as many packets as the page says, and the file's SHA-256 is the one on the page."""
    tshark = needs.program("tshark", "tshark")
    person.ask_and_open("tcp")
    expect(person.headline).to_contain_text("Complete")
    saved = person.download(person.page.get_by_role("link", name="Download", exact=True), tmp_path)
    job = demo.job(person.page.url.rpartition("/")[2])
    shown = person.fact("File", "SHA-256").locator("code").inner_text()
    assert (saved.name, sha256(saved)) == (job["pcap"]["name"], shown)
    listed = subprocess.run([tshark, "-r", saved, "-T", "fields", "-e", "ip.proto"], capture_output=True, check=True)
    assert len(listed.stdout.splitlines()) == job["packets"]
    expect(person.headline).to_contain_text(f"{job['packets']:,} packets")


def test_a_download_is_verified_with_the_downloaded_manifest(person: Person, tmp_path: Path) -> None:
    """The two files as the browser saves them, beside each other, are all that `docket verify` needs."""
    person.ask_and_open("udp")
    expect(person.headline).to_contain_text("Complete")
    saved = person.download(person.page.get_by_role("link", name="Download", exact=True), tmp_path)
    manifest = person.download(person.page.get_by_role("link", name="its manifest"), tmp_path)
    assert manifest.name == f"{saved.name}.json"
    command = [sys.executable, "-m", "docket", "verify", str(saved), "--server", "http://127.0.0.1:9/"]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout.endswith("  verified\n")


def test_copied_commands_fetch_the_same_bytes(
    person: Person, demo: Server, running: RunningServer, tmp_path: Path
) -> None:
    """`curl` and `docket get`, as copied, work in a shell and bring the file of the page."""
    person.ask_and_open("port 22")
    expect(person.headline).to_contain_text("Complete")
    job = demo.job(person.page.url.rpartition("/")[2])
    expected = job["pcap"]["sha256"]
    curl = person.copied("Copy a curl command for this file")
    subprocess.run(["bash", "-c", curl], cwd=tmp_path, check=True, capture_output=True)
    assert sha256(tmp_path / job["pcap"]["name"]) == expected
    (tmp_path / job["pcap"]["name"]).unlink()
    get = person.copied("Copy a docket get command that asks the same")
    words = [sys.executable, "-m", "docket", *shlex.split(get)[1:]]
    subprocess.run(words, cwd=tmp_path, env=running.environ, check=True, capture_output=True)
    assert sha256(tmp_path / job["pcap"]["name"]) == expected
    link = person.copied("Share link: copy the address of this job")
    assert link == demo.url + "jobs/" + job["id"]
    assert person.copied("Copy the SHA-256") == expected


def test_a_link_to_a_job_shows_it(visit: Visit, demo: Server) -> None:
    """Whoever gets the address needs nothing else."""
    job = demo.finished("port 9999")
    person = visit(demo.url).open("jobs/" + job["id"])
    expect(person.headline).to_have_text("Complete: no packet matched, and 2 of 2 sources had the whole window")
    expect(person.page.locator(".story li").last).to_contain_text("Completed")


def test_a_partial_job_says_what_to_do_next(visit: Visit, demo: Server) -> None:
    """Which source fell short and why, what may help; the packets that came can be downloaded."""
    job = demo.finished("port 53", after="3h", owner="mira", note="too old")
    person = visit(demo.url).open("jobs/" + job["id"])
    expect(person.headline).to_have_text(f"Partial: {job['packets']} packets; no source answered in full")
    expect(person.lane("demo:em1")).to_contain_text("Aged out")
    expect(person.lane("demo:em1")).to_contain_text("your window are gone")
    expect(person.page.get_by_role("region", name="What to do next")).to_contain_text("change the window")
    expect(person.fact("Question", "Owner")).to_have_text("mira")
    expect(person.fact("Question", "Note")).to_have_text("too old")
    expect(person.page.get_by_role("link", name="Download", exact=True)).to_be_visible()
    person.page.get_by_role("button", name="Ask again with changes").click()
    expect(person.query).to_have_value("port 53")


def test_a_limit_is_told(visit: Visit, demo: Server) -> None:
    """Stopped at the limit, which the question names."""
    job = demo.finished("", limits={"packets": 100})
    person = visit(demo.url).open("jobs/" + job["id"])
    expect(person.headline).to_contain_text("Partial: 100 packets")
    expect(person.lane("demo:em1")).to_contain_text("Limited")
    expect(person.fact("Question", "Limits")).to_contain_text("100 packets")


def test_a_failed_job_says_so(visit: Visit, demo: Server) -> None:
    """Nothing usable, no file, and what each source said."""
    job = demo.finished("port 1", after="2020-01-01T00:00:00Z", before="2020-01-01T00:05:00Z")
    assert job["state"] == "failed"
    person = visit(demo.url).open("jobs/" + job["id"])
    expect(person.headline).to_have_text("Failed: no source gave a usable answer")
    expect(person.lane("demo:em2")).to_contain_text("Aged out")
    expect(person.page.get_by_role("region", name="File")).to_contain_text("There is no file")


def test_deleted_on_its_own_page(visit: Visit, demo: Server) -> None:
    """After the confirmation the page itself tells that the file is gone."""
    job = demo.finished("port 80")
    person = visit(demo.url).open("jobs/" + job["id"])
    person.page.get_by_role("button", name="Delete").click()
    person.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(person.headline).to_contain_text("Deleted")
    expect(person.page.locator(".story li").last).to_contain_text("File removed")
    expect(person.page.get_by_role("link", name="Download", exact=True)).to_have_count(0)


@pytest.mark.parametrize(
    ("below", "text"),
    [
        ("jobs/01a20bb0-0000-7000-8000-000000000000", "There is no job"),
        ("jobs/%3Cimg%20src=x%3E", "There is no job"),
        ("nowhere/at/all", "There is no such page"),
    ],
)
def test_wrong_addresses_lead_back(visit: Visit, demo: Server, below: str, text: str) -> None:
    """A job or a page that is not there is said to be missing, with the way to the jobs."""
    person = visit(demo.url)
    person.page.goto(demo.url + below)
    if below.startswith("jobs/"):
        expect(person.page.get_by_role("alert")).to_contain_text(text)
        person.page.get_by_role("link", name="Go to the jobs").click()
        expect(person.query).to_be_visible()
    else:
        expect(person.page.locator("body")).to_contain_text("no")
