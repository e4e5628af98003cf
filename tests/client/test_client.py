"""The Python client against a running Docket, and the examples of its documentation as they stand there."""

import asyncio
import re
from pathlib import Path

import pytest

from docket.client import AsyncDocket, Docket, Job, ServerRefused, ServerUnreachable, State, Verdict
from docket.client.login import Login, find_login
from docket.client.question import new_question
from tests.cli.running_server import RunningServer
from tests.services.waiting import wait_until

ROOT = Path(__file__).parents[2]
DOCUMENTED = "http://127.0.0.1:8080/app/docket/"


def examples(page: str) -> list[str]:
    """The Python of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/client.md"])
def test_documented_examples_run(
    page: str, demo: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each saves a capture; only the address is another one here."""
    monkeypatch.chdir(tmp_path)
    for example in examples(page):
        assert DOCUMENTED in example
        exec(example.replace(DOCUMENTED, demo.url), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert "completed" in printed
    assert all(path.stat().st_size > 24 for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == len(examples(page))


def test_example_of_the_readme_has_ten_lines() -> None:
    """Without the empty one."""
    (example,) = examples("README.md")
    assert len([line for line in example.splitlines() if line]) == 10


def test_watching_ends_with_the_final_state_and_its_verdicts(demo: RunningServer) -> None:
    """The states are values with types, and the last one is final."""
    with Docket(demo.url) as docket:
        seen = list(docket.watch(docket.ask("port 53", after="30m", fresh=True)))
    assert all(isinstance(job, Job) for job in seen)
    assert seen[-1].state is State.COMPLETED
    assert {answer.verdict for answer in seen[-1].sources} <= {Verdict.COMPLETE, Verdict.EMPTY}


def test_loop_over_states_can_be_left(demo: RunningServer) -> None:
    """The thread behind it ends with it."""
    with Docket(demo.url) as docket:
        states = docket.watch(docket.ask("port 53", after="20m", fresh=True))
        first = next(states)
        states.close()  # type: ignore[attr-defined] # it is a generator
        assert wait_until(lambda: docket.job(first).is_final, "the job to end")


def test_check_tells_what_a_question_means(demo: RunningServer) -> None:
    """And which of its characters is wrong, without asking anything."""
    with Docket(demo.url) as docket:
        checked = docket.check("port 53 and host 192.0.2.1", after="10m")
        wrong = docket.check("prot 53")
    assert (checked.ok, checked.canonical) == (True, "host 192.0.2.1 and port 53")
    assert {one.source for one in checked.coverage} == set(demo_sources(demo))
    assert not wrong.ok
    assert wrong.errors[0].position is not None


def demo_sources(demo: RunningServer) -> list[str]:
    with Docket(demo.url) as docket:
        return [source.name for source in docket.sources()]


def test_refusal_carries_every_fault(demo: RunningServer) -> None:
    """Two faults in one question are two faults in one exception."""
    with Docket(demo.url) as docket, pytest.raises(ServerRefused) as caught:
        docket.ask("prot 53", after="yesteryear")
    assert {fault.field for fault in caught.value.faults} == {"query", "after"}
    assert caught.value.status == 400


def test_server_that_is_not_there_is_named() -> None:
    """With the address that was given."""
    with Docket("http://127.0.0.1:9/app/docket/") as docket, pytest.raises(ServerUnreachable, match=r"127\.0\.0\.1:9"):
        docket.sources()


def test_two_jobs_are_watched_in_one_loop(demo: RunningServer, tmp_path: Path) -> None:
    """Neither holds up the other."""

    async def both() -> list[Path]:
        async with AsyncDocket(demo.url) as docket:
            jobs = await asyncio.gather(docket.ask("port 53", after="15m"), docket.ask("port 443", after="15m"))
            final = await asyncio.gather(*(docket.wait(job) for job in jobs))
            saved = (docket.fetch(job, tmp_path / f"{number}.pcap") for number, job in enumerate(final))
            return list(await asyncio.gather(*saved))

    assert [path.name for path in asyncio.run(both())] == ["0.pcap", "1.pcap"]


def test_token_takes_the_place_of_user_and_password() -> None:
    """From DOCKET_TOKEN, unless a user is named; never shown."""
    url, login = find_login("https://rock01/app/docket/", None, None, {"DOCKET_TOKEN": "t0ken-of-a-tool-1234"})
    assert login.authorization == "Bearer t0ken-of-a-tool-1234"
    assert "t0ken" not in f"{url}{login!r}"
    environ = {"DOCKET_TOKEN": "t0ken-of-a-tool-1234", "DOCKET_PASSWORD": "s"}
    assert find_login("https://rock01/app/docket/", "anna", None, environ)[1] == Login("anna", "s")


def test_question_leaves_to_the_server_what_was_not_said() -> None:
    """Only what was given is in it, besides an id."""
    assert set(new_question("port 53")) == {"id", "query"}
    whole = new_question("", after="1h", limit_packets=5, wait_for_flush=False, fresh=True, sources=["a:b"])
    del whole["id"]
    assert whole == {
        "query": "",
        "after": "1h",
        "limits": {"packets": 5},
        "wait_for_flush": False,
        "fresh": True,
        "sources": ["a:b"],
    }
