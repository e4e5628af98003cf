"""`docket export` against a running `docket run --demo`; openssl and sha256sum check what is in the zip."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from docket.runtime.exit_codes import ExitCode
from tests.cli.commands.test_commands import ago
from tests.cli.running_server import RunningServer, docket

VERIFY = "openssl pkeyutl -verify -pubin -inkey signing-key.pem -rawin -in job.json -sigfile job.json.sig"
SUMS = "sha256sum -c SHA256SUMS"


@pytest.fixture
def case(demo: RunningServer, tmp_path: Path) -> Path:
    """The unpacked zip of a finished job."""
    question = ("get", "port 53", "--after", ago(minutes=50), "--before", ago(minutes=4), "--fresh")
    done = docket(*question, "-w", "out.pcap", environ=demo.environ, cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    job_id = json.loads(docket("jobs", "--json", environ=demo.environ).stdout)[0]["id"]
    done = docket("export", job_id, "-o", "case.zip", environ=demo.environ, cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    with zipfile.ZipFile(tmp_path / "case.zip") as archive:
        archive.extractall(tmp_path / "case")
    assert (tmp_path / "case" / "job.pcap").read_bytes() == (tmp_path / "out.pcap").read_bytes()
    return tmp_path / "case"


def succeeds(command: str, folder: Path) -> bool:
    done = subprocess.run(command.split(), cwd=folder, capture_output=True, check=False, timeout=30)
    return done.returncode == 0


def test_other_programs_check_the_case(case: Path) -> None:
    """The commands that its README.txt gives hold for what was exported, and for nothing that was changed."""
    page = (case / "README.txt").read_text()
    assert VERIFY in page
    assert SUMS in page
    assert succeeds(VERIFY, case)
    assert succeeds(SUMS, case)
    manifest = json.loads((case / "job.json").read_bytes())
    summed = subprocess.run(["sha256sum", "job.pcap"], cwd=case, capture_output=True, text=True, check=True)
    assert summed.stdout.split()[0] == manifest["result"]["sha256"]
    assert manifest["result"]["sha256"] in page
    events = [json.loads(line) for line in (case / "audit.jsonl").read_text().splitlines()]
    assert events
    capture = (case / "job.pcap").read_bytes()
    (case / "job.pcap").write_bytes(capture[:-1] + bytes([capture[-1] ^ 1]))
    assert not succeeds(SUMS, case)
    (case / "job.json").write_bytes((case / "job.json").read_bytes().replace(b"port 53", b"port 54"))
    assert not succeeds(VERIFY, case)


def test_docket_checks_the_case(demo: RunningServer, case: Path) -> None:
    """With the key that lies in it, also as a directory; a changed capture is found."""
    words = ("verify", "--key", str(case / "signing-key.pem"))
    for path in (case, case / "job.pcap", case.parent / "case.zip"):
        done = docket(*words, str(path), environ=demo.environ)
        assert done.returncode == ExitCode.OK, done.stdout + done.stderr
    (case / "job.json.sig").write_bytes(bytes(64))
    assert docket(*words, str(case), environ=demo.environ).returncode == ExitCode.NOT_VERIFIED


@pytest.mark.parametrize("name", ["audit.jsonl", "README.txt", "signing-key.pem", "SHA256SUMS", "job.json.sig"])
def test_changes_beside_the_capture_are_found(demo: RunningServer, case: Path, name: str) -> None:
    """Also without a key: in the audit lines, the page, the key, the sums and the signature, unpacked or in a zip."""
    assert docket("verify", str(case), environ=demo.environ).returncode == ExitCode.OK
    body = bytearray((case / name).read_bytes())
    body[len(body) // 2] ^= 1
    (case / name).write_bytes(body)
    again = case.parent / "again.zip"
    with zipfile.ZipFile(again, "w") as archive:
        for path in case.iterdir():
            archive.write(path, path.name)
    for path in (case, again):
        assert docket("verify", str(path), environ=demo.environ).returncode == ExitCode.NOT_VERIFIED
