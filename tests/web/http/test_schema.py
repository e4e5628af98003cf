"""Whatever is sent to an address that OpenAPI describes, the answer is never a fault of the server."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running_server import RunningServer
from tests.services import needs

EXAMPLES = 8
"""Per operation and phase: a search that takes seconds. `make` one with more by hand when the API has changed."""

LONGEST_S = 400
"""It takes 90 s on a machine with nothing else to do."""


@pytest.mark.timeout(LONGEST_S + 60)
def test_no_generated_request_is_a_fault_of_the_server(tmp_path: Path) -> None:
    """schemathesis, fed with our OpenAPI and bounded in number, finds no 5xx."""
    needs.program("tcpdump", "tcpdump")
    program = Path(sys.executable).with_name("schemathesis")
    with RunningServer(tmp_path) as server:
        command = [str(program), "run", f"{server.url}api/v1/openapi.json", "--url", server.url.rstrip("/")]
        bounds = ["--max-examples", str(EXAMPLES), "--phases", "coverage,fuzzing", "--request-timeout", "20"]
        checks = ["--checks", "not_a_server_error", "--generation-deterministic", "--no-color"]
        done = subprocess.run(
            [*command, *bounds, *checks], capture_output=True, text=True, timeout=LONGEST_S, check=False, cwd=tmp_path
        )
        log = server.log.read_text()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "Tested: 0" not in done.stdout
    assert "Traceback" not in log, log[log.index("Traceback") - 200 :][:6_000]
