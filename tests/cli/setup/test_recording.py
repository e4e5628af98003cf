"""`docket setup --record` makes an interface a source with a ring, and keeps those that have one."""

from __future__ import annotations

from pathlib import Path

import pytest

from docket.config.loader import load_config
from docket.config.model import CaptureFilesConfig
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import clean_environ, docket


def setup(tmp_path: Path, *options: str) -> tuple[int, str]:
    arguments = ["--config", str(tmp_path / "docket.yaml"), "setup", "--sensor", "rock01"]
    arguments += ["--root", str(tmp_path / "machine"), "--stenographer", str(tmp_path / "none"), *options]
    done = docket(*arguments, environ=clean_environ(tmp_path))
    return done.returncode, done.stdout + done.stderr


def rings(tmp_path: Path) -> dict[str, tuple[str, int | None]]:
    config = load_config(tmp_path / "docket.yaml", {})
    return {one.name: (str(one.path), one.ring_bytes) for one in config.sources if isinstance(one, CaptureFilesConfig)}


def test_an_interface_becomes_a_source_that_is_recorded(tmp_path: Path) -> None:
    """The source, its directory, and the service that records into it."""
    code, said = setup(tmp_path, "--record", "em1", "--ring", "2TB")
    assert code == ExitCode.OK, said
    assert rings(tmp_path) == {"rock01:em1": ("/data/pcap/em1", 2 * 10**12)}
    assert (tmp_path / "machine/data/pcap/em1").is_dir()
    assert "docket-worker@em1 docket-record@em1" in said


def test_recorded_interfaces_stay(tmp_path: Path) -> None:
    """A later setup adds, changes the ring of the interface that it names, and forgets none."""
    setup(tmp_path, "--record", "em1", "--ring", "2TB")
    setup(tmp_path, "--record", "em2", "--ring", "50GB")
    setup(tmp_path, "--record", "em1", "--ring", "1TB")
    code, said = setup(tmp_path, "--record", "em2", "--ring", "60GB")
    assert code == ExitCode.OK, said
    assert rings(tmp_path) == {
        "rock01:em1": ("/data/pcap/em1", 10**12),
        "rock01:em2": ("/data/pcap/em2", 60 * 10**9),
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--record", "../em1"), "is not the name of an interface"),
        (("--record", "em1", "--ring", "many"), "--ring"),
        (("--record", "em1", "--ring", "1kB"), "less than 10MB"),
    ],
)
def test_faults_are_told(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    """Nothing is written then."""
    code, text = setup(tmp_path, *options)
    assert code == ExitCode.CONFIG
    assert said in text
    assert not (tmp_path / "docket.yaml").exists()


def test_record_needs_a_source_with_a_ring(tmp_path: Path) -> None:
    """The sentence says how it gets one."""
    config = tmp_path / "docket.yaml"
    config.write_text("sources: [{name: 'a:em1', kind: capture-files, path: /tmp}]\n")
    done = docket("--config", str(config), "record", "em1", environ=clean_environ(tmp_path))
    assert done.returncode == ExitCode.CONFIG
    assert "docket setup --record em1 --ring" in done.stderr
