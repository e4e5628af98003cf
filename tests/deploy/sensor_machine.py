"""A booted machine with a broker, two stenographers on cables of its own, and Docket's package beside it."""

import struct
from pathlib import Path

from tests.deploy.booted_machine import BootedMachine
from tests.services import needs

ALL = "docket.target docket.service docket-collector docket-inspector docket-worker@em1 docket-worker@em2"
WELL_S = 120.0
PACKETS = 1500
"""On each interface."""

LEFT = (
    "ls -d /usr/bin/docket /usr/lib/docket /usr/local/lib/docket /usr/lib/systemd/system/docket* /run/docket "
    "/usr/share/docket 2>/dev/null; find /etc/systemd/system -name 'docket*' -type l; "
    "systemctl list-units --all --no-legend 'docket*'"
)
"""Programs, units and links of Docket's."""

CABLES = r"""
set -e
cat > /usr/local/sbin/cables <<'C'
#!/bin/sh
for i in 1 2; do
  ip link show em$i >/dev/null 2>&1 || ip link add em$i type veth peer name wire$i
  for e in em$i wire$i; do sysctl -qw net.ipv6.conf.$e.disable_ipv6=1 || true; ip link set $e promisc on up; done
done
C
chmod 755 /usr/local/sbin/cables
cat > /etc/systemd/system/cables.service <<'C'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/cables
[Install]
WantedBy=multi-user.target
C
systemctl daemon-reload
systemctl enable --now cables
"""
"""em1 and em2, which are monitored, and the other ends, from which traffic comes."""

STENOGRAPHERS = r"""
set -e
for i in 1 2; do
  d=/data/stenographer/em$i
  install -d -o stenographer -g stenographer /data/stenographer $d $d/packets $d/index
  cat > /etc/stenographer/config.em$i <<C
{ "Threads": [ { "PacketsDirectory": "$d/packets", "IndexDirectory": "$d/index",
                 "MaxDirectoryFiles": 30000, "DiskFreePercentage": 1 } ],
  "StenotypePath": "/usr/sbin/stenotype", "Interface": "em$i", "Port": $((1233+i)), "Host": "127.0.0.1",
  "Flags": ["--filesize_mb=16","--fileage_sec=5","--blockage_sec=1","--aiops=16","--no_watchdogs",
            "--blocks=32","--seccomp=none"],
  "CertPath": "/etc/stenographer/certs" }
C
done
[ -d /etc/stenographer/certs ] && [ -n "$(ls /etc/stenographer/certs)" ] || stenokeys stenographer stenographer
rm -f /etc/stenographer/config
cat > /etc/systemd/system/stenographer@.service <<'C'
[Unit]
After=network.target cables.service
[Service]
User=stenographer
Group=stenographer
LimitFSIZE=4294967296
# It waits for the packets of its last block, and on a quiet cable there are none.
TimeoutStopSec=2
LimitNOFILE=16000
ExecStart=/usr/sbin/stenographer --config=/etc/stenographer/config.%i
Restart=on-failure
[Install]
WantedBy=multi-user.target
C
systemctl daemon-reload
systemctl enable --now stenographer@em1 stenographer@em2 rabbitmq-server
# As Debian's packages leave it; the machine around may have switched it off.
systemctl enable lighttpd 2>/dev/null || true
"""

_PACKET_FILTER = "host 10.1.1.1"


RECORDERS = r"""
set -e
dpkg --purge --force-depends stenographer-client stenographer stenographer-common >/dev/null 2>&1
for path in $(dpkg-statoverride --list | awk '$1 == "stenographer" || $2 == "stenographer" { print $4 }'); do
  dpkg-statoverride --remove "$path"
done
userdel stenographer 2>/dev/null || true
groupdel stenographer 2>/dev/null || true
rm -rf /etc/stenographer /var/lib/stenographer
cat > /etc/systemd/system/recorder@.service <<'C'
[Unit]
Requires=cables.service
After=cables.service
[Service]
ExecStartPre=/usr/bin/install -d -m 755 /data/pcap/%i
ExecStart=/usr/bin/tcpdump -U -n -Z root -i %i -G 60 -w /data/pcap/%i/%%s.pcap
Restart=on-failure
[Install]
WantedBy=multi-user.target
C
systemctl daemon-reload
systemctl enable --now recorder@em1 recorder@em2 rabbitmq-server
"""
"""Directories of captures, no stenographer, and no group of its name."""


def boot(directory: Path, package: Path, sources: str = STENOGRAPHERS) -> BootedMachine:
    """Boot it; the package is in /root/docket/dist, as the pages name it. Close it at the end."""
    needs.program("stenographer", "stenographer")
    needs.program("rabbitmqctl", "rabbitmq-server")
    needs.program("tcpdump", "tcpdump")
    needs.program("tcpreplay", "tcpreplay")
    machine = BootedMachine(directory)
    try:
        (machine.share / package.name).write_bytes(package.read_bytes())
        (machine.share / "traffic.pcap").write_bytes(traffic())
        machine.run(CABLES)
        machine.run(sources)
        machine.run("mkdir -p /root/docket && ln -sfn /srv/share /root/docket/dist")
    except BaseException:
        machine.close()
        raise
    return machine


def traffic() -> bytes:
    """A capture of UDP packets from 10.1.1.1 to 10.1.1.2, each with its number."""
    records = []
    for number in range(PACKETS):
        head = struct.pack("!BBHHHBBH", 0x45, 0, 48, number, 0, 64, 17, 0) + bytes([10, 1, 1, 1, 10, 1, 1, 2])
        payload = struct.pack("!HHHH", 5353, 53, 28, 0) + struct.pack("!I", number) * 5
        frame = b"\0" * 12 + b"\x08\0" + head + payload
        records.append(struct.pack("<IIII", 1_700_000_000, number, len(frame), len(frame)) + frame)
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"".join(records)


def send_traffic(machine: BootedMachine) -> None:
    """Let both interfaces see the packets, and wait until both sources give them back."""
    machine.run("for i in 1 2; do tcpreplay --quiet --pps=20000 -i wire$i /srv/share/traffic.pcap >/dev/null; done")
    ask = f"docket get '{_PACKET_FILTER}' --after 1h --fresh -w /root/first.pcap >/dev/null 2>&1"
    count = f"{ask}; tcpdump -r /root/first.pcap 2>/dev/null | wc -l"
    machine.until(count, lambda said: said.strip() == str(2 * PACKETS), "the packets on disk", 120)


def ensure_traffic(machine: BootedMachine) -> None:
    """The packets are on disk, each once."""
    if machine.try_run("test -e /root/traffic-was-sent").returncode != 0:
        send_traffic(machine)
        machine.run("touch /root/traffic-was-sent")


def wait_well(machine: BootedMachine) -> None:
    """Until `docket status` ends 0."""
    try:
        machine.until("docket status >/dev/null 2>&1 && echo well || true", bool, "all to be well", WELL_S)
    except TimeoutError as error:
        raise AssertionError(machine.try_run("docket status").stdout) from error


def active(machine: BootedMachine, units: str = ALL) -> set[str]:
    """The states of the units, each once."""
    return set(machine.try_run(f"systemctl is-active {units}").stdout.split())


def last_job(machine: BootedMachine) -> str:
    """The id of root's newest job that has a result."""
    return machine.run("docket jobs --json | jq -r '[.[] | select(.owner == \"root\" and .pcap)][0].id'").strip()
