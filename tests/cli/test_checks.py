"""`docket status` looks at queues and certificates, and says what to do."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from docket.cli.checks import certificates, queues
from docket.config.model import Config, StenographerConfig
from docket.domain.api import Check
from docket.runtime.cert_expiry import not_after
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import RunningServer, docket
from tests.services import needs
from tests.services.certificates import make_certificates
from tests.services.waiting import wait_until

METRICS = """\
# TYPE docket_queue_messages gauge
docket_queue_messages{queue="docket.dead"} 2
docket_queue_messages{queue="docket.collector"} 0
docket_queue_messages{queue="docket.source.rock01:em1"} 3
docket_queue_messages{queue="docket.inspector"} 0
docket_queue_consumers{queue="docket.dead"} 0
docket_queue_consumers{queue="docket.collector"} 1
docket_queue_consumers{queue="docket.source.rock01:em1"} 0
docket_queue_consumers{queue="docket.inspector"} 0
"""


def test_queue_without_a_reader_and_dead_letters_are_not_well() -> None:
    """Each queue says what the server's checks say about it."""
    checks = [
        Check(name="dead letters", ok=False, message="2", advice="Dead letters"),
        Check(name="queue docket.source.rock01:em1", ok=False, message="no reader", advice="docket-worker@em1"),
        Check(name="queue docket.source.rock01:em2", ok=False, message="no reader", advice="docket-worker@em2"),
    ]
    states = {state.name: state for state in queues(METRICS, checks)}
    assert {name: state.advice for name, state in states.items() if not state.ok} == {
        "docket.dead": "Dead letters",
        "docket.source.rock01:em1": "docket-worker@em1",
    }
    assert states["docket.source.rock01:em1"].messages == 3


def openssl_end(path: Path) -> datetime:
    """The end of a certificate as openssl reads it."""
    command = [
        needs.program("openssl", "openssl"),
        "x509",
        "-noout",
        "-enddate",
        "-dateopt",
        "iso_8601",
        "-in",
        str(path),
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().partition("=")[2]
    return datetime.fromisoformat(text.replace(" ", "T").replace("Z", "+00:00"))


def test_end_of_a_certificate_is_what_openssl_says(tmp_path: Path) -> None:
    """Certificates of version 1, as stenokeys makes them, and of version 3, with both ways to write a year."""
    made = make_certificates(tmp_path / "steno")
    paths = [made.ca, made.cert]
    for days in (10, 40_000):
        path = tmp_path / f"{days}.pem"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"]
        command = [needs.program("openssl", "openssl"), "req", "-x509", *key, "-subj", "/CN=x", "-days", str(days)]
        subprocess.run([*command, "-out", str(path)], capture_output=True, check=True)
        paths.append(path)
    assert [not_after(path) for path in paths] == [openssl_end(path) for path in paths]


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_told(tmp_path: Path, text: str) -> None:
    """A file that holds something else is an error in words."""
    path = tmp_path / "x.pem"
    path.write_text(text)
    with pytest.raises(ValueError):
        not_after(path)


def test_certificate_about_to_end_is_not_well(tmp_path: Path) -> None:
    """Within thirty days of its end, after it, and where it cannot be read, a certificate is not well."""
    made = make_certificates(tmp_path / "steno")
    source = StenographerConfig("a:b", "https://127.0.0.1:1", made.cert, made.key, made.ca)
    config = Config(sources=(source,), bus_tls={"ca": str(tmp_path / "missing.pem")})
    end = not_after(made.cert)
    for now, well in ((end - timedelta(days=40), True), (end - timedelta(days=20), False), (end, False)):
        states = {Path(state.path).name: state for state in certificates(config, now)}
        assert (states["client_cert.pem"].ok, states["missing.pem"].ok) == (well, False)
    assert "20 days" in certificates(config, end - timedelta(days=20))[-1].advice
    assert certificates(Config(sources=()), datetime.now(UTC)) == []


def test_status_shows_queues_and_ends_well(demo: RunningServer) -> None:
    """The one screen has services, sources and queues, without colours where no terminal is."""
    outcomes = []

    def well() -> bool:
        outcomes.append(docket("status", environ=demo.environ))
        return outcomes[-1].returncode == ExitCode.OK

    wait_until(well, "docket status to find all well", timeout_s=30.0)
    done = outcomes[-1]
    assert [word for word in ("SERVICE", "SOURCE", "QUEUE", "docket.source.demo:em1") if word not in done.stdout] == []
    assert "\x1b" not in done.stdout
