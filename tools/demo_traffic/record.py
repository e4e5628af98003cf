"""The recipe of the sample traffic: real programs talk through a router, and tcpdump listens on both its sides.

As root: `python -m tools.demo_traffic.record [DIRECTORY]`. It writes em1.pcap (the side of the clients) and
em2.pcap (the side of the servers) in about a minute. Nobody imports this. Besides what stage.py needs: tcpdump,
dnsmasq, dig, curl, openssl, ssh, sshd, ping, logger and socat.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tools.demo_traffic.network import Host, add_cable, wait_for

CLIENT, LAPTOP, PHONE = "10.1.2.3", "10.1.2.4", "10.20.0.10"
CLIENT6, WEB6 = "2001:db8:1::3", "2001:db8:2::20"
WEB, MAIL, NAMES, SHOP = "198.51.100.20", "198.51.100.25", "198.51.100.53", "203.0.113.80"
TUNNEL, TUNNEL_ID = ("10.42.0.1", "10.42.0.2"), 42
VLAN = 20
SYSLOG_PORT, CLOSED_PORTS = 514, (23, 3389, 8080)

_NAMES = {
    "www.example.org": f"{WEB},{WEB6}",
    "static.example.org": WEB,
    "updates.example.org": WEB,
    "api.example.com": SHOP,
    "shop.example.com": SHOP,
    "mail.example.net": MAIL,
    "intranet.example.net": MAIL,
}
_PAGES = {
    "index.html": 2_400,
    "style.css": 1_100,
    "news.html": 5_200,
    "logo.png": 9_000,
    "prices.json": 3_000,
    "report.csv": 14_000,
}
_RECORD_S = 45.0


def main() -> int:
    """Record the traffic into the directory of the command line, or beside this file."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    if os.geteuid() != 0:
        print("root is needed to make network namespaces", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="docket-demo-")))
        work.chmod(0o755)
        client, router, server = _set_the_stage(work, stack)
        _open_the_servers(server, work)
        captures = _listen(router, work)
        _play(client, server, work)
        for capture in captures:
            capture.terminate()
            capture.wait()
        for name in ("em1.pcap", "em2.pcap"):
            shutil.copyfile(work / name, target / name)
            print(f"{target / name}: {(target / name).stat().st_size} bytes")
    return 0


def _set_the_stage(work: Path, stack: ExitStack) -> tuple[Host, Host, Host]:
    """Make the machines, their cables, addresses and routes."""
    resolv_conf = work / "resolv.conf"
    resolv_conf.write_text(f"nameserver {NAMES}\n")
    client, router, server = (Host(name, resolv_conf) for name in ("client", "router", "server"))
    for host in (client, router, server):
        stack.callback(host.close)
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    add_cable((client, "eth0", "02:00:00:00:01:03"), (router, "em1", "02:00:00:00:01:01"))
    add_cable((server, "eth0", "02:00:00:00:02:20"), (router, "em2", "02:00:00:00:02:01"))
    client.add_vlan("eth0", VLAN)
    router.add_vlan("em1", VLAN)
    client.settle(
        f"address add {CLIENT}/24 dev eth0",
        f"address add {LAPTOP}/24 dev eth0",
        f"address add {CLIENT6}/64 dev eth0 nodad",
        "route add default via 10.1.2.1",
        "-6 route add default via 2001:db8:1::1",
        f"address add {PHONE}/24 dev vlan{VLAN}",
        # What comes from the address on the VLAN goes back through the VLAN.
        f"rule add from {PHONE} table 20",
        f"route add default via 10.20.0.1 dev vlan{VLAN} table 20",
    )
    router.settle(
        "address add 10.1.2.1/24 dev em1",
        "address add 2001:db8:1::1/64 dev em1 nodad",
        "address add 198.51.100.1/24 dev em2",
        "address add 203.0.113.1/24 dev em2",
        "address add 2001:db8:2::1/64 dev em2 nodad",
        f"address add 10.20.0.1/24 dev vlan{VLAN}",
    )
    server.settle(
        *(f"address add {address}/24 dev eth0" for address in (WEB, MAIL, NAMES, SHOP)),
        f"address add {WEB6}/64 dev eth0 nodad",
        "route add default via 198.51.100.1",
        "-6 route add default via 2001:db8:2::1",
    )
    for host, own, far, inside in ((client, CLIENT, WEB, TUNNEL[0]), (server, WEB, CLIENT, TUNNEL[1])):
        host.settle(
            f"link add vx0 type vxlan id {TUNNEL_ID} local {own} remote {far} dstport 4789",
            f"address add {inside}/24 dev vx0",
            f"link set vx0 address 02:00:00:00:42:0{inside[-1]} mtu 1400 up",
        )
    return client, router, server


def _open_the_servers(server: Host, work: Path) -> None:
    """Start every server and wait until it listens; keys and certificates are made for this once."""
    chance = random.Random(20)
    site = work / "site"
    site.mkdir()
    for name, size in _PAGES.items():
        body = chance.randbytes(size) if name.endswith(".png") else f"<p>{name}: sample text</p>\n".encode() * size
        (site / name).write_bytes(body[:size])
    hosts = [f"--host-record={name},{addresses}" for name, addresses in _NAMES.items()]
    server.start(
        *["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"],
        f"--pid-file={work}/dnsmasq.pid",
        *hosts,
        *(f"--local=/{zone}/" for zone in ("org", "com", "net")),
        "--mx-host=example.net,mail.example.net,10",
        "--txt-record=example.org,v=spf1 -all",
        "--cname=ftp.example.org,www.example.org",
    )
    server.start(sys.executable, "-m", "http.server", "80", "--bind", "::", cwd=site)
    certificate = ["-keyout", f"{work}/tls.key", "-out", f"{work}/tls.crt", "-days", "3650"]
    names = ",".join(f"DNS:{name}" for name in _NAMES)
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            *("-subj", "/CN=www.example.org", "-addext", f"subjectAltName={names}"),
            *certificate,
        ],
        check=True,
        capture_output=True,
    )
    server.start(*f"openssl s_server -WWW -accept 443 -cert {work}/tls.crt -key {work}/tls.key".split(), cwd=site)
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", f"{work}/{key}"], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    options = {
        "HostKey": f"{work}/host_key",
        "AuthorizedKeysFile": f"{work}/user_key.pub",
        "StrictModes": "no",
        "PermitRootLogin": "yes",
        "DebianBanner": "no",
        "PidFile": "none",
    }
    server.start("/usr/sbin/sshd", "-D", "-f", "/dev/null", *(f"-o{name}={value}" for name, value in options.items()))
    server.start("socat", "-u", f"UDP-RECV:{SYSLOG_PORT}", "OPEN:/dev/null")
    for port in (53, 80, 443, 22):
        wait_for(lambda port=port: server.listens(port), f"a server on port {port}")  # type: ignore[misc]


def _listen(router: Host, work: Path) -> list[subprocess.Popen[bytes]]:
    """Start tcpdump on both sides of the router and wait until it listens."""
    captures = []
    for interface in ("em1", "em2"):
        log = work / f"{interface}.log"
        with log.open("wb") as output:
            options = f"-i {interface} -n -U -Z root --time-stamp-precision=micro -w {work}/{interface}.pcap"
            captures.append(subprocess.Popen(router.command("tcpdump", *options.split()), stderr=output))
        wait_for(lambda log=log: b"listening on" in log.read_bytes(), "tcpdump")  # type: ignore[misc]
    return captures


def _play(client: Host, server: Host, work: Path) -> None:
    """Run everything that is said on the wire, each at its second, and wait for the last word."""
    began = time.monotonic()
    running = []
    for at_s, speaker, command in sorted(_script(client, server, work), key=lambda line: line[0]):
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        running.append(speaker.start(*command))
    for process in running:
        process.wait(60.0)
    # The last acknowledgement may still be on its way to the files.
    time.sleep(max(1.0, began + _RECORD_S - time.monotonic()))


def _script(client: Host, server: Host, work: Path) -> list[tuple[float, Host, list[str]]]:
    """Who says what, and when, in seconds from the beginning."""
    chance = random.Random(7)

    def at() -> float:
        return chance.uniform(0.0, _RECORD_S - 8.0)

    def web(*options: str) -> list[str]:
        return ["curl", "--silent", "--insecure", "--max-time", "20", "--output", "/dev/null", *options]

    lines: list[tuple[float, Host, list[str]]] = []
    for name in list(_NAMES) * 3:
        for page in chance.sample(sorted(_PAGES), 2):
            scheme = chance.choice(("http", "https"))
            lines.append(
                (at(), client, web("-4", "--interface", chance.choice((CLIENT, LAPTOP)), f"{scheme}://{name}/{page}"))
            )
    for page in ("index.html", "report.csv", "news.html"):
        lines.append((at(), client, web("-6", f"http://www.example.org/{page}")))
        lines.append((at(), client, web("-6", f"https://www.example.org/{page}")))
        lines.append((at(), client, web("--interface", PHONE, f"http://{MAIL}/{page}")))
    lines += [
        (at(), client, web("http://intranet.example.net/missing.html")),
        (at(), client, web("--head", "http://static.example.org/logo.png")),
        (at(), client, web("--data", "name=sample&colour=blue", "http://api.example.com/orders")),
        (at(), client, web("--tls-max", "1.2", "https://shop.example.com/prices.json")),
        (at(), client, web(f"http://{TUNNEL[1]}/news.html")),
        (at(), client, ["ping", "-c", "5", "-i", "0.5", TUNNEL[1]]),
        (at(), client, ["ping", "-c", "6", "-i", "0.5", "-I", PHONE, "10.20.0.1"]),
        (at(), client, ["ping", "-c", "8", "-i", "0.5", WEB]),
        (at(), client, ["ping", "-c", "3", "-s", "3000", SHOP]),
        (at(), client, ["ping", "-c", "2", "-t", "1", WEB]),
        (at(), client, ["ping", "-6", "-c", "6", "-i", "0.5", WEB6]),
        (at(), server, ["ping", "-c", "4", "-i", "0.5", "198.51.100.1"]),
        (at(), client, ["dig", "+tries=1", "+time=1", "-p", "5300", f"@{WEB}", "closed.example.org"]),
    ]
    lines += [(at(), client, web("--connect-timeout", "2", f"http://{SHOP}:{port}/")) for port in CLOSED_PORTS]
    questions = [("example.net", "MX"), ("example.org", "TXT"), ("ftp.example.org", "A"), ("nobody.example.org", "A")]
    questions += [(name, kind) for name in _NAMES for kind in ("A", "AAAA")] * 2
    lines += [(at(), client, ["dig", "+tries=1", f"@{NAMES}", *question]) for question in questions]
    lines.append((at(), client, ["dig", "+tcp", f"@{NAMES}", "www.example.org", "A"]))
    for number in range(12):
        message = f"backup step {number + 1} of 12 done"
        syslog = f"--udp --server {MAIL} --port {SYSLOG_PORT} --rfc3164 --socket-errors=off -t backup".split()
        lines.append((3.0 * number, client, ["logger", *syslog, message]))
    ssh = f"ssh -F none -i {work}/user_key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    remote = "for n in 1 2 3 4 5 6 7 8 9 10; do echo line $n; sleep 0.4; done"
    for host in (MAIL, WEB):
        lines.append((at(), client, [*ssh.split(), "-o", "LogLevel=ERROR", f"root@{host}", remote]))
    return lines


if __name__ == "__main__":
    sys.exit(main())
