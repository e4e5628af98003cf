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
    "Suricata, with includes": (
        {
            "/etc/suricata/suricata.yaml": "default-log-dir: '/var/log/suricata'\ninclude: a.yaml\ninclude: [b.yaml]\n"
            "outputs: !include outputs.yaml\n",
            "/etc/suricata/a.yaml": "default-log-dir: /srv/logs\ninclude: suricata.yaml\n",
            "/etc/suricata/b.yaml": 'default-log-dir: "/srv/suri logs"\n',
            "/etc/suricata/outputs.yaml": "- pcap-log: {enabled: 'Yes', dir: full packets}\n",
        },
        "/srv/suri logs/full packets",
        [("s:suricata", "/srv/suri logs/full packets")],
    ),
    "Suricata, by its command line": (
        {
            "/etc/suricata/suricata.yaml": "outputs: [pcap-log: {enabled: no}]\n",
            "/srv/em1.yaml": "outputs:\n  - pcap-log: {enabled: true}\n  #- pcap-log: {enabled: yes, dir: /old}\n",
            "/etc/systemd/system/suri.service": "ExecStart=/usr/bin/suricata -D -c /srv/em1.yaml -l /srv/em1\n",
        },
        "/srv/em1",
        [("s:suricata", "/srv/em1")],
    ),
    "Arkime, several nodes": (
        {
            "/opt/arkime/etc/config.ini": "[default]\n#pcapDir=/old\nincludes=more.ini\ninterface=zc:eth1@0\n"
            '[n1]\npcapDir = "/arkime/raw"\n',
            "/opt/arkime/etc/more.ini": "[n2]\n; pcapDir=/older\ninterface=eth2;eth3\npcapDir=/nowhere; /arkime/raw2\n",
        },
        "/arkime/raw/../raw2",
        [("s:eth1", "/arkime/raw"), ("s:eth2", "/arkime/raw2")],
    ),
    "Arkime, in YAML": (
        {"/opt/arkime/etc/config.yaml": "default: {interface: eth1, pcapDir: [/nowhere, /arkime/raw]}\n"},
        "/arkime/raw",
        [("s:eth1", "/arkime/raw")],
    ),
    "Malcolm, with captures elsewhere": (
        {
            "/srv/malcolm/docker-compose.yml": "services:\n  arkime:\n    volumes:\n"
            "      - {type: bind, source: /storage/pcap, target: /data/pcap}\n"
        },
        "/storage/pcap/arkime-live",
        [("s:malcolm-arkime-live", "/storage/pcap/arkime-live")],
    ),
    "n2disk, several directories": (
        {"/etc/n2disk/n2disk-eth5.conf": '#-o=/old\n--interface=zc:eth5\n-o="/n2/a"\n-o /n2/b # two disks\n'},
        "/n2/a/../b",
        [("s:eth5", "/n2/a"), ("s:eth5-2", "/n2/b")],
    ),
    "a template, its instances, and their environment": (
        {
            "/usr/lib/systemd/system/cap@.service": "[Service]\nEnvironmentFile=-/etc/default/cap-%i\n"
            "#ExecStart=/usr/bin/tcpdump -w /old/x.pcap\nExecStart=/usr/bin/tcpdump -w /older/x.pcap\n",
            "/etc/systemd/system/cap@.service.d/ours.conf": "[Service]\nExecStart=\nExecStart=-/usr/bin/nice -n 5 "
            "/usr/bin/tcpdump -i %i -nnUw ${RING}/%%Y/%i.pcap\n",
            "/etc/systemd/system/multi-user.target.wants/cap@eth8.service": "",
            "/etc/default/cap-eth8": "# RING=/old\nexport RING='/srv/ring 8'\n",
        },
        "/srv/ring 8",
        [("s:eth8", "/srv/ring 8")],
    ),
    "a directory of its own for each instance": (
        {
            "/etc/systemd/system/cap@.service": "[Service]\nExecStart=/usr/bin/tcpdump -i %i -w /srv/all/%i/%%s.pcap\n",
            "/etc/systemd/system/multi-user.target.wants/cap@eth8.service": "",
            "/etc/systemd/system/multi-user.target.wants/cap@eth9.service": "",
        },
        "/srv/all/eth8/../eth9",
        [("s:eth8", "/srv/all/eth8"), ("s:eth9", "/srv/all/eth9")],
    ),
    "by a shell": (
        {
            "/etc/systemd/system/x.service": "ExecStart=/bin/bash -lc 'sleep 5; exec dumpcap -q -i eth9 -w /srv/x/a'\n",
            "/etc/cron.d/x": "#@reboot root tcpdump -w /old/a\n",
        },
        "/srv/x",
        [("s:eth9", "/srv/x")],
    ),
    "by cron": (
        {"/etc/cron.d/x": "@reboot root /usr/sbin/netsniff-ng -i eth9 -o /srv/x -P a- >/dev/null 2>&1\n"},
        "/srv/x",
        [("s:eth9", "/srv/x")],
    ),
    "for the moment": ({"/proc/5/cmdline": "tcpdump\0-w\0/tmp/x.pcap\0"}, "/tmp", []),
    "into the root of all": ({"/proc/5/cmdline": "tcpdump\0-w\0/x.pcap\0"}, "/srv", []),
    "with two slashes": (
        {"/opt/arkime/etc/config.ini": "[default]\ninterface=eth1\npcapDir=//srv/raw;raw\n"},
        "/srv/raw",
        [("s:eth1", "/srv/raw")],
    ),
    "beside files that cannot be read": (
        {
            "/etc/suricata/suricata.yaml": "\0" * 4096,
            "/etc/suricata/date.yaml": "since: 2024-99-99\n",
            "/etc/suricata/deep.yaml": "[" * 3000,
            "/etc/suricata/name.yaml": 'include: "\\0"\n',
            "/opt/arkime/etc/config.yaml": "default: {since: 2024-99-99}\n",
            "/proc/5/cmdline": "tcpdump\0-i\0eth1\0-w\0//srv/raw/x.pcap\0",
        },
        "/srv/raw",
        [("s:eth1", "/srv/raw")],
    ),
    "in YAML that is no configuration": ({"/etc/suricata/suricata.yaml": "- a\n- b\n"}, "/srv", []),
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


def test_a_directory_within_another_one_is_no_source_of_its_own(tmp_path: Path) -> None:
    """Nor is one by another name: its packets would come twice."""
    files = {
        "/proc/5/cmdline": "tcpdump\0-i\0eth1\0-w\0/srv/captures/x.pcap\0",
        "/proc/6/cmdline": "tcpdump\0-i\0eth2\0-w\0/srv/captures/em2/x.pcap\0",
        "/proc/7/cmdline": "tcpdump\0-i\0eth3\0-w\0x.pcap\0",
    }
    machine(tmp_path, files, "/srv/captures/em2")
    (tmp_path / "link").symlink_to(tmp_path / "srv/captures")
    (tmp_path / "proc/7/cwd").symlink_to("/link")
    found = find_directories(tmp_path)
    assert [(entry["name"], entry["path"]) for entry in found.sources("s", [])] == [("s:eth1", "/srv/captures")]
    assert found.left_out == ["tcpdump: /srv/captures/em2 is left out, as /srv/captures holds it"]


def test_a_directory_below_a_closed_one_is_said(tmp_path: Path) -> None:
    """The rights of the directory alone do not tell whether it can be read."""
    files, directory, _ = MACHINES["tcpdump"]
    machine(tmp_path, files, directory)
    tmp_path.chmod(0o755)
    (tmp_path / "srv/td").chmod(0o755)
    assert find_directories(tmp_path).not_readable(tmp_path) == []
    (tmp_path / "srv").chmod(0o750)
    (sentence,) = find_directories(tmp_path).not_readable(tmp_path)
    assert sentence.startswith("/srv is closed to others: let the worker read it, setfacl -m u:docket:x /srv, and ")


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
