"""`docket setup` finds stenographers, `docket config migrate` takes over the original's configuration."""

import json
from pathlib import Path

import pytest
import yaml

from docket.cli.setup.migrate import migrate
from docket.cli.setup.stenographers import find, sensor_name, with_section
from docket.config.loader import load_config
from docket.config.model import StenographerConfig
from docket.errors import ConfigError
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import clean_environ, docket


def stenographer(path: Path, interface: str, port: int, host: str = "127.0.0.1") -> None:
    """A configuration as stenographer has it."""
    settings = {
        "Threads": [{"PacketsDirectory": "/data", "IndexDirectory": "/index"}],
        "Interface": interface,
        "Port": port,
        "Host": host,
        "CertPath": "/etc/stenographer/certs",
    }
    path.write_text(json.dumps(settings))


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Two interfaces, the plain configuration for the first of them, and something else."""
    directory = tmp_path / "stenographer"
    directory.mkdir()
    stenographer(directory / "config.em1", "em1", 1234)
    stenographer(directory / "config.em2", "em2", 1235, "0.0.0.0")
    stenographer(directory / "config", "em1", 1234)
    (directory / "certs").mkdir()
    return directory


def setup(tmp_path: Path, etc: Path, *options: str) -> Path:
    config = tmp_path / "docket.yaml"
    arguments = ["--config", str(config), "setup", "--stenographer", str(etc), "--sensor", "rock01", *options]
    arguments += ["--root", str(tmp_path / "machine")]
    done = docket(*arguments, environ=clean_environ(tmp_path))
    assert done.returncode == ExitCode.OK, done.stderr
    return config


def test_setup_writes_each_stenographer_once(tmp_path: Path, etc: Path) -> None:
    """Every interface is a source with its port and certificates; the plain file is the same one again."""
    config = load_config(setup(tmp_path, etc, "--bus", "amqp://docket-worker:secret@broker/docket"), {})
    assert [(one.name, one.url) for one in config.sources if isinstance(one, StenographerConfig)] == [
        ("rock01:em1", "https://127.0.0.1:1234"),
        ("rock01:em2", "https://127.0.0.1:1235"),
    ]
    assert str(config.sources[0].ca) == "/etc/stenographer/certs/ca_cert.pem"  # type: ignore[union-attr]
    assert config.bus == "amqp://docket-worker:secret@broker/docket"


def test_same_port_at_another_address_is_another_one(tmp_path: Path, etc: Path) -> None:
    """Two stenographers that tell themselves apart by address are two sources; one that has both is named and left."""
    stenographer(etc / "config.em3", "em3", 1234, "192.0.2.7")
    done = setup(tmp_path, etc)
    urls = [one.url for one in load_config(done, {}).sources if isinstance(one, StenographerConfig)]
    assert urls == ["https://127.0.0.1:1234", "https://127.0.0.1:1235", "https://192.0.2.7:1234"]
    stenographer(etc / "config.em4", "em4", 1234, "192.0.2.7")
    found = find(etc)
    assert len(found.found) == 3
    assert "config.em3 is for the same address, 192.0.2.7:1234" in found.faults[0]


def test_certificates_of_a_container_are_where_it_has_them_from(tmp_path: Path) -> None:
    """Security Onion 2 runs stenographer in one, and its configuration names a path in there."""
    stenographer(tmp_path / "config", "bond0", 1234)
    (found,) = find(tmp_path, Path("/opt/so/conf/steno/certs")).found
    assert found.source("so1")["ca"] == "/opt/so/conf/steno/certs/ca_cert.pem"


def test_setup_changes_its_sections_alone(tmp_path: Path, etc: Path) -> None:
    """What else is in the file stays, comments and mode as well; a second time changes nothing."""
    config = tmp_path / "docket.yaml"
    config.write_text(
        "# ours\nsources:\n  - {name: 'old:em1', kind: capture-files, path: /x}\n# kept\nspool: {keep: 1h}\n"
    )
    config.chmod(0o600)
    setup(tmp_path, etc)
    text = config.read_text()
    assert text.startswith("# ours\nsources:\n- name: rock01:em1\n")
    assert text.endswith("spool: {keep: 1h}\n")
    assert "old:em1" not in text
    assert config.stat().st_mode & 0o777 == 0o600
    setup(tmp_path, etc)
    assert config.read_text() == text


def test_dry_run_prints_and_writes_nothing(tmp_path: Path, etc: Path) -> None:
    """`--dry-run` shows the whole file."""
    assert not setup(tmp_path, etc, "--dry-run").exists()


def test_setup_without_a_stenographer_says_so(tmp_path: Path, etc: Path) -> None:
    """Nothing found, or a file that is none of stenographer's, is an error that names it."""
    environ = clean_environ(tmp_path)
    done = docket("setup", "--stenographer", str(tmp_path / "nowhere"), "--root", str(tmp_path), environ=environ)
    assert (done.returncode, "nowhere" in done.stderr) == (ExitCode.CONFIG, True)
    (etc / "config.em3").write_text("not JSON")
    done = docket("setup", "--stenographer", str(etc), environ=environ)
    assert (done.returncode, "config.em3" in done.stderr) == (ExitCode.CONFIG, True)


@pytest.mark.parametrize(("host", "name"), [("rock01.example.org", "rock01"), ("", "sensor"), ("-x", "sensor")])
def test_name_of_the_sensor(host: str, name: str) -> None:
    """The first part of the host's name, where it can be one."""
    assert sensor_name(host) == name


def test_section_is_added_where_it_is_missing() -> None:
    """A file without the section gets it at its end."""
    assert with_section("a: 1", "sources", "sources: []\n") == "a: 1\nsources: []\n"
    assert with_section("", "sources", "sources: []\n") == "sources: []\n"


ORIGINAL = """\
---
STENOGRAPHER_INSTANCES:
    - { host: 127.0.0.1, sensor: rock01-em1, port: 1234, key: /c/key.pem, cert: /c/cert.pem, ca: /c/ca.pem }
    - { host: 192.0.2.7, sensor: sensor, port: 1235, key: /c/key.pem, cert: /c/cert.pem, ca: /c/ca.pem }
SECRET_KEY: CHANGE_THIS
CELERY_URL: redis://localhost:6379
SPOOL_DIR: /data/docket/
WEB_ROOT: /api
LOG_LEVEL: info
TIME_WINDOW: 60
LONG_AGO: 12h
QUERY_TIMEOUT: 720.0
WEIGHT_THRESHOLD: 22MB
EXPIRE_SPACE: 500MB
EXPIRE_TIME: 48h
FREE_BYTES: 200MB
SOMETHING: else
"""


def test_migration_carries_over_and_says_what_it_cannot(tmp_path: Path) -> None:
    """Sources, spool, times and limits are taken over; every other setting is named with the reason."""
    old = tmp_path / "prod.yaml"
    old.write_text(ORIGINAL)
    done = docket("config", "migrate", str(old), environ=clean_environ(tmp_path))
    assert done.returncode == ExitCode.OK, done.stderr
    new = tmp_path / "docket.yaml"
    new.write_text(done.stdout)
    config = load_config(new, {})
    assert [one.name for one in config.sources] == ["rock01:em1", "sensor:1235"]
    assert (str(config.spool.path), config.spool.keep_s, config.spool.min_free_bytes) == (
        "/data/docket",
        172800,
        500 * 10**6,
    )
    assert (config.jobs.default_window_s, config.jobs.deadline_s) == (43200, 720)
    told = {line.strip().partition(":")[0] for line in done.stderr.splitlines() if line.startswith("  ")}
    assert told == {"SECRET_KEY", "CELERY_URL", "WEB_ROOT", "LOG_LEVEL", "TIME_WINDOW", "WEIGHT_THRESHOLD", "SOMETHING"}


def test_nothing_of_the_original_is_lost_in_silence() -> None:
    """Each setting is in the new file or in the list."""
    migration = migrate(ORIGINAL)
    taken = {
        "STENOGRAPHER_INSTANCES",
        "SPOOL_DIR",
        "LONG_AGO",
        "QUERY_TIMEOUT",
        "EXPIRE_SPACE",
        "EXPIRE_TIME",
        "FREE_BYTES",
    }
    assert set(yaml.safe_load(ORIGINAL)) == taken | {name for name, _ in migration.left_out}
    assert all(why for _, why in migration.left_out)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "not YAML"),
        ("[]", "not a configuration"),
        ("A: 1", "STENOGRAPHER_INSTANCES"),
        ("STENOGRAPHER_INSTANCES: [{host: a}]", "needs host, port and sensor"),
        ("STENOGRAPHER_INSTANCES: [{host: a, port: 1, sensor: s}]\nEXPIRE_TIME: long", "EXPIRE_TIME"),
    ],
)
def test_faults_of_the_original_are_told(text: str, fault: str) -> None:
    """What cannot be understood is an error, not half a configuration."""
    with pytest.raises(ConfigError) as caught:
        migrate(text)
    assert fault in str(caught.value)
