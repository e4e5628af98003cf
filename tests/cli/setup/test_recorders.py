"""`docket setup` finds the directories in which the recorders of a machine keep their captures."""

from pathlib import Path

import pytest

from docket.cli.setup.recorders import find_directories
from docket.config.loader import load_config
from docket.config.model import CaptureFilesConfig
from docket.runtime.exit_codes import ExitCode
from tests.cli.running_server import clean_environ, docket

SURICATA = """\
%YAML 1.1
---
default-log-dir: /var/log/suricata/
outputs:
  - fast: {enabled: yes}
  - pcap-log:
      enabled: yes
      filename: log.%n.%t.pcap
      mode: multi
      lz4-checksum: no
      dir: pcaps
"""

HEDGEHOG = """\
export CAPTURE_INTERFACE=eth2,eth3
export PCAP_PATH="/capture"
"""

MACHINES: dict[str, tuple[dict[str, str], str, list[tuple[str, str]]]] = {
    "Security Onion": ({}, "/nsm/suripcap/1", [("s:suripcap", "/nsm/suripcap")]),
    "Suricata": (
        {"/etc/suricata/suricata.yaml": SURICATA},
        "/var/log/suricata/pcaps",
        [("s:suricata", "/var/log/suricata/pcaps")],
    ),
    "Arkime": (
        {"/opt/arkime/etc/config.ini": "[default]\ninterface=eth1\npcapDir = /opt/arkime/raw\n"},
        "/opt/arkime/raw",
        [("s:eth1", "/opt/arkime/raw")],
    ),
    "Malcolm": ({}, "/home/ana/Malcolm/pcap/processed", [("s:malcolm-processed", "/home/ana/Malcolm/pcap/processed")]),
    "Hedgehog": (
        {"/opt/sensor/sensor_ctl/control_vars.conf": HEDGEHOG},
        "/capture",
        [("s:eth2", "/capture")],
    ),
    "netsniff-ng": (
        {
            "/etc/systemd/system/ng.service": "[Service]\nExecStart=/usr/sbin/netsniff-ng --in eth4 --out /srv/ng/ \\\n"
            " --interval 1GiB -s\n"
        },
        "/srv/ng",
        [("s:eth4", "/srv/ng")],
    ),
    "n2disk": (
        {"/etc/n2disk/n2disk-eth5.conf": "# storage\n-i=eth5\n-o=/storage/n2disk/eth5\n-m=1024\n"},
        "/storage/n2disk/eth5",
        [("s:eth5", "/storage/n2disk/eth5")],
    ),
    "dumpcap": (
        {"/proc/77/cmdline": "dumpcap\0-i\0eth6\0-b\0filesize:1000\0-w\0/srv/ring/x.pcapng\0"},
        "/srv/ring",
        [("s:eth6", "/srv/ring")],
    ),
    "tcpdump": (
        {"/proc/78/cmdline": "/usr/bin/tcpdump\0-ieth7\0-C\01000\0-w/srv/td/x.pcap\0"},
        "/srv/td",
        [("s:eth7", "/srv/td")],
    ),
    "own": ({}, "/data/pcap/em1", [("s:em1", "/data/pcap/em1")]),
    "nothing": ({"/etc/suricata/suricata.yaml": "outputs: [pcap-log: {enabled: no}]\n"}, "/var/log/suricata", []),
    "damaged": ({"/etc/suricata/suricata.yaml": "outputs: [\n"}, "/var/log/suricata", []),
    "to standard output": ({"/proc/1/cmdline": "tcpdump\0-w\0-\0"}, "/srv", []),
}


def machine(root: Path, files: dict[str, str], directory: str) -> Path:
    """A file system with these files and a directory."""
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return root


@pytest.mark.parametrize("name", MACHINES)
def test_directories_of_recorders_are_found(tmp_path: Path, name: str) -> None:
    """Each recorder's own way to say where it writes."""
    files, directory, expected = MACHINES[name]
    found = find_directories(machine(tmp_path, files, directory))
    assert [(entry["name"], entry["path"]) for entry in found.sources("s", [])] == expected


def test_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A configuration may tell of a directory that was never made."""
    files, _, _ = MACHINES["Arkime"]
    found = find_directories(machine(tmp_path, files, "/srv"))
    assert (found.found, found.left_out) == ([], ["Arkime: /opt/arkime/raw is left out, as it is no directory"])


def test_names_are_told_apart(tmp_path: Path) -> None:
    """Two recorders on one interface are two sources."""
    for name in ("Arkime", "own"):
        files, directory, _ = MACHINES[name]
        machine(tmp_path, files, directory)
    names = [entry["name"] for entry in find_directories(tmp_path).sources("s", ["s:eth1"])]
    assert names == ["s:eth1-2", "s:em1"]


def test_setup_writes_them(tmp_path: Path) -> None:
    """The sources stand in the configuration, and the command says where each is from."""
    files, directory, _ = MACHINES["Suricata"]
    root = machine(tmp_path / "machine", files, directory)
    (root / directory.lstrip("/")).chmod(0o750)
    config = tmp_path / "docket.yaml"
    arguments = ["setup", "--stenographer", str(tmp_path / "none"), "--root", str(root), "--sensor", "rock01"]
    done = docket("--config", str(config), *arguments, environ=clean_environ(tmp_path))
    assert (done.returncode, "/var/log/suricata/pcaps  of Suricata" in done.stdout) == (ExitCode.OK, True)
    assert "is closed to others" in done.stderr
    (source,) = load_config(config, {}).sources
    assert isinstance(source, CaptureFilesConfig)
    assert (source.name, str(source.path), source.flush_lag_s) == ("rock01:suricata", "/var/log/suricata/pcaps", 60)
