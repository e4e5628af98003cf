"""The commands as their user runs them, against a running `docket run --demo`."""

import contextlib
import hashlib
import json
import re
import signal
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from docket.packet.pcap import FILE_HEADER_BYTES, scan
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import DOCKET, RunningServer, clean_environ, docket
from tests.services.waiting import wait_until

SOURCES = ("demo:em1", "demo:em2")


def ago(**how_long: float) -> str:
    """A time before now, or after it, that stays the same when it is asked for again."""
    return (datetime.now(UTC) - timedelta(**how_long)).isoformat()


def times(capture: bytes) -> list[int]:
    """The packets' times, in the order of the file."""
    return scan(capture, FILE_HEADER_BYTES)[0]


def _well(demo: RunningServer) -> subprocess.CompletedProcess[str] | None:
    """What `docket status` says when all is well, else None."""
    done = docket("status", environ=demo.environ)
    return done if done.returncode == ExitCode.OK else None


def newest_job(demo: RunningServer, query: str) -> dict[str, object]:
    listed = json.loads(docket("jobs", "--json", environ=demo.environ).stdout)
    return next(job for job in listed if job["asked"] == query)


def test_get_saves_packets_in_the_order_of_time(demo: RunningServer, tmp_path: Path) -> None:
    """`docket get` ends 0 with a whole capture, names each source's verdict and the file."""
    done = docket("get", "port 53", "--after", "1h", "-w", "out.pcap", environ=demo.environ, cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    found = times((tmp_path / "out.pcap").read_bytes())
    assert found
    assert found == sorted(found)
    assert re.fullmatch(rf"Saved {len(found):,} packets to out\.pcap \(.*\)\n", done.stdout)
    for source in SOURCES:
        assert re.search(rf"^{source}: complete\. ", done.stderr, flags=re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ["out.pcap"]


def test_file_gets_a_speaking_name_and_replaces_nothing(demo: RunningServer, tmp_path: Path) -> None:
    """Without -w each save is a new file, named by the server."""
    question = ("get", "icmp", "--after", ago(minutes=50), "--before", ago(minutes=5))
    for _ in range(2):
        assert docket(*question, environ=demo.environ, cwd=tmp_path).returncode == ExitCode.OK
    first, second = sorted(tmp_path.iterdir(), key=lambda path: len(path.name))
    assert second.name == f"{first.stem}-2.pcap"
    assert "icmp" in first.name


def test_capture_streams_to_standard_output(demo: RunningServer) -> None:
    """`-w -` gives the same bytes as the file, and everything else goes to standard error."""
    question = ("get", "port 443", "--after", "50m", "--before", "1m")
    done = subprocess.run(
        [*DOCKET, *question, "-w", "-"], env=demo.environ, capture_output=True, timeout=60.0, check=False
    )
    assert done.returncode == ExitCode.OK, done.stderr
    job = newest_job(demo, "port 443")
    pcap = job["pcap"]
    assert isinstance(pcap, dict)
    assert hashlib.sha256(done.stdout).hexdigest() == pcap["sha256"]
    assert times(done.stdout)


def test_same_question_is_the_same_job(demo: RunningServer, tmp_path: Path) -> None:
    """A question that was just answered is not asked again, unless it shall be."""
    question = ("get", "port 22", "--after", ago(minutes=50), "--before", ago(minutes=5), "-w", "x.pcap")
    ids = []
    for more in ((), (), ("--fresh",)):
        docket(*question, *more, environ=demo.environ, cwd=tmp_path)
        ids.append(newest_job(demo, "port 22")["id"])
    assert ids[0] == ids[1] != ids[2]


def test_fault_in_the_query_is_shown_at_its_place(demo: RunningServer) -> None:
    """A query that cannot be understood ends 5, with a caret below the fault."""
    done = docket("get", "host 10.1.2.3 and port 70000", "--after", "1h", environ=demo.environ)
    assert done.returncode == ExitCode.REFUSED
    message, query, caret = done.stderr.splitlines()
    assert "70000" in message
    assert query[caret.index("^") :].startswith("70000")


def test_all_faults_are_told_at_once(demo: RunningServer) -> None:
    """Query, window and sources are checked in one go."""
    done = docket("get", "port x", "--after", "yesterday", "--source", "demo:em9", environ=demo.environ)
    assert done.returncode == ExitCode.REFUSED
    assert [word in done.stderr for word in ("x", "yesterday", "demo:em9")] == [True, True, True]


def test_check_counts_before_anything_is_asked(demo: RunningServer) -> None:
    """What the question means, what each source holds, and exactly how much it would bring; no job comes of it."""
    done = docket("check", "udp and port 53", "--after", "1h", "--before", "10m", environ=demo.environ)
    assert done.returncode == ExitCode.OK
    assert re.search(r"^query: +udp and port 53$", done.stdout, re.MULTILINE)
    assert re.search(r"^estimate: Exactly [\d,]+ packets \(.+\) in \d+ of \d+ files\.$", done.stdout, re.MULTILINE)
    assert re.search(r"^demo:em1: .+; exactly [\d,]+ packets", done.stdout, re.MULTILINE)
    answer = json.loads(docket("check", "udp and port 53", "--after", "1h", "--json", environ=demo.environ).stdout)
    assert len(answer["surveys"]) == len(SOURCES)


def test_check_shows_faults_and_ends_as_a_wrong_command_line(demo: RunningServer) -> None:
    """With their places."""
    done = docket("check", "host 10.1.2.3 and port 70000", environ=demo.environ)
    assert (done.returncode, "fault: " in done.stdout) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("path", ["missing/out.pcap", "."])
def test_file_that_cannot_be_written_is_said_so(demo: RunningServer, tmp_path: Path, path: str) -> None:
    """The job is done, but the save failed: exit code 10, and no half file."""
    done = docket("get", "icmp", "--after", "1h", "-w", path, environ=demo.environ, cwd=tmp_path)
    assert done.returncode == ExitCode.NOT_SAVED
    assert "Not saved" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_interrupt_cancels_the_job(demo: RunningServer, tmp_path: Path) -> None:
    """Ctrl-C on a job that still waits cancels it on the server; the exit code says so."""
    # The sources wait for a window that ends in the future.
    command = [*DOCKET, "get", "port 53", "--after", "1m", "--before", ago(minutes=-10), "-w", "never.pcap"]
    with subprocess.Popen(
        command, env=demo.environ, cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if re.match(r"demo:em\d: Waiting until", line):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert (process.returncode, "Cancelled" in rest) == (ExitCode.CANCELLED, True), rest
    assert newest_job(demo, "port 53")["state"] == "cancelled"


def test_jobs_and_job_show_what_was_asked(demo: RunningServer, tmp_path: Path) -> None:
    """The list has a line per job, the job its verdicts, file and hash; JSON has the events."""
    docket("get", "tcp", "--after", "1h", "--note", "ticket \x1b[2J", "-w", "x", environ=demo.environ, cwd=tmp_path)
    job_id = str(newest_job(demo, "tcp")["id"])
    listed = docket("jobs", "--text", "ticket", environ=demo.environ).stdout
    assert re.search(rf"^{job_id}  completed ", listed, flags=re.MULTILINE)
    shown = docket("job", job_id, environ=demo.environ).stdout
    assert "note      ticket \\x1b[2J\n" in shown
    assert re.search(r"^SHA-256   [0-9a-f]{64}$", shown, flags=re.MULTILINE)
    story = json.loads(docket("job", job_id, "--json", environ=demo.environ).stdout)
    assert [story["events"][0]["name"], story["events"][-1]["name"]] == ["job.requested", "job.completed"]


def test_watched_job_ends_with_its_own_exit_code(demo: RunningServer, tmp_path: Path) -> None:
    """`docket job --watch` of a job that is complete ends 0 with its description."""
    docket("get", "udp", "--after", "1h", "-w", "x", environ=demo.environ, cwd=tmp_path)
    done = docket("job", str(newest_job(demo, "udp")["id"]), "--watch", environ=demo.environ)
    assert (done.returncode, "state     completed" in done.stdout) == (ExitCode.OK, True)


def test_orders_are_carried_out_or_refused(demo: RunningServer, tmp_path: Path) -> None:
    """Delete removes the capture; cancel and retry of a job that is complete are refused in words."""
    docket("get", "port 80", "--after", "1h", "-w", "x", environ=demo.environ, cwd=tmp_path)
    job_id = str(newest_job(demo, "port 80")["id"])
    for order in ("cancel", "retry"):
        refused = docket(order, job_id, environ=demo.environ)
        assert (refused.returncode, refused.stdout) == (ExitCode.REFUSED, "")
        assert refused.stderr
    assert docket("delete", job_id, environ=demo.environ).returncode == ExitCode.OK
    assert newest_job(demo, "port 80")["state"] == "expired"


def test_retry_watches_the_job_and_ends_as_it_does(demo: RunningServer, tmp_path: Path) -> None:
    """A retry that falls short again ends with the job's code, its verdicts and its new revision, and saves with -w."""
    # A window that reaches into the future, of which no source has all; nothing waits for the rest.
    window = ("--after", ago(minutes=30), "--before", ago(minutes=-30), "--no-wait")
    asked = docket("get", "icmp or port 25", *window, "-w", "first.pcap", environ=demo.environ, cwd=tmp_path)
    assert asked.returncode == ExitCode.PARTIAL, asked.stderr
    before = newest_job(demo, "icmp or port 25")
    again = docket("retry", str(before["id"]), "-w", "second.pcap", environ=demo.environ, cwd=tmp_path)
    assert again.returncode == ExitCode.PARTIAL, again.stderr
    for source in SOURCES:
        assert re.search(rf"^{source}: not-yet\. ", again.stderr, flags=re.MULTILINE)
    after = newest_job(demo, "icmp or port 25")
    assert (after["revision"], after["state"]) == (before["revision"] + 1, "partial")  # type: ignore[operator]
    pcap = after["pcap"]
    assert isinstance(pcap, dict)
    assert hashlib.sha256((tmp_path / "second.pcap").read_bytes()).hexdigest() == pcap["sha256"]
    left = docket("retry", str(before["id"]), "--no-wait", environ=demo.environ)
    assert (left.returncode, "not-yet" in left.stderr) == (ExitCode.OK, False)


def test_job_that_nobody_knows_is_refused(demo: RunningServer) -> None:
    """An unknown id ends 5 for every command that takes one."""
    unknown = "0192f0c1-0000-7000-8000-000000000000"
    for command in ("job", "cancel", "retry", "delete"):
        assert docket(command, unknown, environ=demo.environ).returncode == ExitCode.REFUSED


def test_status_says_that_all_is_well(demo: RunningServer) -> None:
    """With everything running `docket status` ends 0 and lists services and sources."""
    done = wait_until(lambda: _well(demo), "the sources to announce themselves")
    assert done is not None
    assert done.stderr == "\nOK\n"
    assert [name in done.stdout for name in ("broker", "collector", *SOURCES)] == [True] * 4
    assert json.loads(docket("status", "--json", environ=demo.environ).stdout)["well"] is True


def test_server_is_found_in_the_documented_order(demo: RunningServer, tmp_path: Path) -> None:
    """The option comes before the variable, the variable before the running server."""
    lost = {"DOCKET_SERVER": "http://127.0.0.1:1/"}
    assert docket("jobs", environ=demo.environ).returncode == ExitCode.OK
    assert docket("jobs", environ=demo.environ | lost).returncode == ExitCode.UNREACHABLE
    assert docket("jobs", "--server", demo.url, environ=demo.environ | lost).returncode == ExitCode.OK
    config = tmp_path / "docket.yaml"
    config.write_text(f"sources: []\nweb: {{listen: '{demo.url.split('/')[2]}'}}\n")
    elsewhere = clean_environ(tmp_path, DOCKET_CONF=str(config))
    assert docket("jobs", environ=elsewhere).returncode == ExitCode.OK


def test_missing_server_is_said_with_the_next_step(tmp_path: Path) -> None:
    """Without a server a command ends 6 and says how to name or start one."""
    done = docket("jobs", "--server", "http://127.0.0.1:1/", environ=clean_environ(tmp_path))
    assert (done.returncode, "Connection refused" in done.stderr) == (ExitCode.UNREACHABLE, True)
    assert "docket run --demo" in done.stderr


def test_something_else_than_docket_is_told_apart(demo: RunningServer) -> None:
    """An address that answers, but not as Docket does, is no Docket server."""
    done = docket("jobs", "--server", f"{demo.url}static/", environ=demo.environ)
    assert done.returncode in (ExitCode.UNREACHABLE, ExitCode.REFUSED)


def test_demo_takes_a_free_port_where_its_own_is_taken(demo: RunningServer, tmp_path: Path) -> None:
    """Where something else has the demo's usual address, it says so and takes another one."""
    with socket.socket() as holder:
        # Should somebody on this machine have it already, that is as good.
        with contextlib.suppress(OSError):
            holder.bind(("127.0.0.1", 8080))
            holder.listen()
        with RunningServer(tmp_path, options=("--spool", str(tmp_path / "spool"))) as second:
            assert "Port 8080 is taken; taking a free one." in second.log.read_text()
            assert docket("jobs", "--server", second.url, environ=demo.environ).returncode == ExitCode.OK
