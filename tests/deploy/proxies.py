"""The shipped configurations of lighttpd and nginx, run by the real programs before a Docket of the tests.

Only what must differ on a test machine is replaced, word by word: paths, ports and Kibana's address.
"""

import http.server
import subprocess
import threading
from pathlib import Path

from tests.services import needs
from tests.services.child import ChildProcess
from tests.services.ports import free_port, listening
from tests.services.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
PASSWORD = "correct horse"
USERS = ("anna", "ben", "root")


class Kibana:
    """Stands in for what else is on the site: says which path it was asked for."""

    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"kibana {self.path}".encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def certificates(directory: Path, *orders: str) -> None:
    """Run the shipped script once per order, such as "client anna"."""
    needs.program("openssl", "openssl")
    for order in orders:
        subprocess.run([DEPLOY / "tls/certificates", str(directory), *order.split()], check=True, capture_output=True)


def prepare_site(directory: Path) -> None:
    """Make certificates and passwords of a site."""
    tls = directory / "tls"
    certificates(tls, "ca", "server localhost 127.0.0.1", "client anna", "client docket-tool")
    for source, target in (
        ("localhost.pem", "server.pem"),
        ("localhost.key", "server.key"),
        ("ca.pem", "clients-ca.pem"),
    ):
        (tls / target).write_bytes((tls / source).read_bytes())
    command = [needs.program("openssl", "openssl"), "passwd", "-apr1", PASSWORD]
    digest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (directory / "htpasswd").write_text("".join(f"{user}:{digest}\n" for user in USERS))


class Site:
    """Where everything of one proxy is, and the shipped configuration with the paths of this place."""

    def __init__(self, directory: Path, socket: Path, spool: Path, kibana_port: int) -> None:
        self.directory = directory
        self.port, self.stenoread_port = free_port(), free_port()
        self._words = {
            "/etc/docket/": f"{directory}/",
            "/run/docket/docket.socket": str(socket),
            "/var/spool/docket/": f"{spool}/",
            "5601": str(kibana_port),
        }

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> str:
        return str(self.directory / "tls/ca.pem")

    def shipped(self, name: str, **ports: int) -> str:
        """The text of a shipped file for this place."""
        text = (DEPLOY / name).read_text()
        for word, here in {**self._words, **{f"{word}": str(port) for word, port in ports.items()}}.items():
            text = text.replace(word, here)
        return text


def start_lighttpd(site: Site, user: str | None = None) -> ChildProcess:
    """lighttpd with the shipped sensor.conf, docket.conf and stenoread.conf."""
    program = needs.program("lighttpd", "lighttpd")
    place = site.directory / "lighttpd"
    place.mkdir()
    (place / "docket.conf").write_text(site.shipped("lighttpd/docket.conf"))
    sensor = site.shipped("lighttpd/sensor.conf").replace('":443"', f'"127.0.0.1:{site.port}"')
    assert f"127.0.0.1:{site.port}" in sensor
    # Tests need not wait half a minute for the patience with idle clients to end.
    assert "server.max-read-idle = 30" in sensor
    sensor = sensor.replace("server.max-read-idle = 30", "server.max-read-idle = 5")
    (place / "sensor.conf").write_text(sensor)
    steno = site.shipped("lighttpd/stenoread.conf").replace('":1233"', f'"127.0.0.1:{site.stenoread_port}"')
    assert f"127.0.0.1:{site.stenoread_port}" in steno
    (place / "stenoread.conf").write_text(steno)
    (place / "lighttpd.conf").write_text(
        f'server.document-root = "{place}"\nserver.bind = "127.0.0.1"\nserver.port = {free_port()}\n'
        f'server.upload-dirs = ( "{place}" )\n'
        'include "sensor.conf"\ninclude "stenoread.conf"\n'
    )
    command = [program, "-f", str(place / "lighttpd.conf")]
    done = subprocess.run([*command, "-tt"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    child = ChildProcess([*command, "-D"], site.directory / "lighttpd.log", user=user)
    _wait(child, site.port)
    return child


def start_nginx(site: Site) -> ChildProcess:
    """nginx with the shipped docket.conf."""
    program = needs.program("nginx", "nginx-light")
    place = site.directory / "nginx"
    place.mkdir()
    shipped = site.shipped("nginx/docket.conf").replace("listen 443 ssl", f"listen 127.0.0.1:{site.port} ssl")
    assert f"listen 127.0.0.1:{site.port} ssl" in shipped
    # As with lighttpd.
    assert "client_header_timeout 30s" in shipped
    shipped = shipped.replace("client_header_timeout 30s", "client_header_timeout 5s")
    (place / "docket.conf").write_text(shipped)
    temporary = "".join(
        f"{name}_temp_path {place}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"user root;\ndaemon off;\npid {place}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {place}/docket.conf;\n}}\n"
    )
    child = ChildProcess([program, "-c", str(place / "nginx.conf"), "-p", str(place)], site.directory / "nginx.log")
    _wait(child, site.port)
    return child


def _wait(child: ChildProcess, port: int) -> None:
    def up() -> bool:
        child.must_run()
        return listening(port)

    wait_until(up, f"the proxy on port {port}")
