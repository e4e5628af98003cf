"""`docket verify` against a running `docket run --demo`, and without it."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from docket.runtime.exit_codes import ExitCode
from tests.cli.commands.test_commands import ago
from tests.cli.running_server import RunningServer, clean_environ, docket

NOWHERE = "http://127.0.0.1:9/"


class Saved(NamedTuple):
    """A download, and the job that it is of."""

    path: Path
    job_id: str


@pytest.fixture(scope="module")
def saved(demo: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("saved")
    question = ("get", "port 53", "--after", ago(minutes=50), "--before", ago(minutes=4), "--fresh")
    done = docket(*question, "-w", "out.pcap", environ=demo.environ, cwd=folder)
    assert done.returncode == ExitCode.OK, done.stderr
    return Saved(folder / "out.pcap", json.loads(docket("jobs", "--json", environ=demo.environ).stdout)[0]["id"])


def test_download_is_verified_with_the_servers_manifest(demo: RunningServer, saved: Saved) -> None:
    """The server knows the capture by its SHA-256."""
    done = docket("verify", str(saved.path), environ=demo.environ)
    assert done.returncode == ExitCode.OK, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{saved.path}: job {saved.job_id}, revision 1, completed"
    assert lines[-1] == "  verified"
    assert "  ok     in time order" in lines
    assert any(line.startswith("  demo:em1: complete, ") for line in lines)


def test_download_is_verified_without_a_server(demo: RunningServer, saved: Saved, tmp_path: Path) -> None:
    """The manifest comes over HTTP once, and lies beside the capture from then on."""
    manifest = requests.get(f"{demo.url}api/v1/jobs/{saved.job_id}/manifest", timeout=10)
    assert manifest.status_code == 200
    assert manifest.headers["Content-Disposition"].endswith('.pcap.json"')
    copy = Path(shutil.copy(saved.path, tmp_path / "evidence.pcap"))
    environ = clean_environ(tmp_path, DOCKET_SERVER=NOWHERE)
    assert docket("verify", str(copy), environ=environ).returncode == ExitCode.UNREACHABLE
    (tmp_path / "evidence.pcap.json").write_bytes(manifest.content)
    assert docket("verify", str(copy), environ=environ).returncode == ExitCode.OK
    (tmp_path / "evidence.pcap.json").rename(tmp_path / "other")
    assert docket("verify", str(copy), "--manifest", str(tmp_path / "other"), environ=environ).returncode == ExitCode.OK


def test_changed_download_is_not_verified(demo: RunningServer, saved: Saved, tmp_path: Path) -> None:
    """One changed byte: no job has that SHA-256, and the job that it is said to be of does not have it either."""
    content = bytearray(saved.path.read_bytes())
    content[-1] ^= 1
    changed = tmp_path / "changed.pcap"
    changed.write_bytes(content)
    done = docket("verify", str(changed), environ=demo.environ)
    assert done.returncode == ExitCode.NOT_VERIFIED
    assert "no result at" in done.stderr
    done = docket("verify", str(changed), "--job", saved.job_id, "--json", environ=demo.environ)
    assert done.returncode == ExitCode.NOT_VERIFIED
    [found] = json.loads(done.stdout)
    assert found["ok"] is False
    assert [check["what"].partition(":")[0] for check in found["checks"] if not check["ok"]] == [
        "SHA-256 of the result"
    ]


def test_whole_spool_is_verified(demo: RunningServer, saved: Saved) -> None:
    """Every job in it; one that was tampered with is named."""
    [spool] = demo.scratch.glob("docket-demo-*/spool")
    done = docket("verify", str(spool), environ=demo.environ)
    assert done.returncode == ExitCode.OK, done.stdout
    assert f"{spool / 'jobs' / saved.job_id}: job {saved.job_id}, revision 1, completed" in done.stdout
    assert docket("verify", str(spool / "jobs" / saved.job_id), environ=demo.environ).returncode == ExitCode.OK
    job_file = spool / "jobs" / saved.job_id / "job.pcap"
    assert docket("verify", str(job_file), environ=demo.environ).returncode == ExitCode.OK


def test_nothing_to_verify_is_said(demo: RunningServer, tmp_path: Path) -> None:
    """Neither a capture nor a job's directory."""
    done = docket("verify", str(tmp_path / "nothing"), environ=demo.environ)
    assert (done.returncode, done.stderr) == (ExitCode.NOT_VERIFIED, f"there is no {tmp_path / 'nothing'}\n")
    done = docket("verify", str(tmp_path), environ=demo.environ)
    assert done.returncode == ExitCode.NOT_VERIFIED
    assert f"{tmp_path / 'job.json'} cannot be read: no such file or directory" in done.stderr
