"""Two servers on one machine: each command that speaks with a server asks the one that was named, never the other."""

import argparse
import contextlib
import io
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docket.cli import main, make_parser
from docket.cli.client.discovery import announced

JOB = "0192f0c1-0000-7000-8000-000000000000"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "coverage", "arguments": {}}}
COMMANDS = {
    "get": ["port 53", "-w", "-"],
    "check": ["port 53"],
    "jobs": [],
    "job": [JOB],
    "cancel": [JOB],
    "retry": [JOB],
    "delete": [JOB],
    "packets": [JOB],
    "summary": [JOB],
    "refine": [JOB, "--query", "port 53"],
    "verify": ["capture.pcap"],
    "export": [JOB, "-o", "export.zip"],
    "status": [],
    "source": ["forget", "rock01:em9"],
    "mcp": [],
    "extcap": ["--capture", "--fifo", "fifo"],
}
WAYS = ("--server", "--config")
"""Variables go after both, and test_login has them."""


class Server:
    """Refuses everything, and counts."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        heard = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                heard.append(f"{self.command} {self.path}")
                body = json.dumps({"error": {"code": "none", "message": "no"}}).encode()
                self.send_response(404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Not on the terminal."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._http.server_port}"
        self.url = f"http://{self.address}/app/docket/"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """The one that runs and is found by itself, and the one that is meant."""
    both = Server(), Server()
    yield both
    for server in both:
        server.close()


def subcommands() -> dict[str, argparse.ArgumentParser]:
    parser = make_parser()
    return next(dict(one.choices) for one in parser._actions if isinstance(one, argparse._SubParsersAction))


def test_no_command_is_left_out() -> None:
    """Every one that takes `--server` is in the table."""
    takes = {name for name, parser in subcommands().items() if "--server" in parser._option_string_actions}
    assert takes == set(COMMANDS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_server_that_was_named_is_asked(
    servers: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, way: str
) -> None:
    """What is on the command line goes before variables, and both before what runs."""
    running, meant = servers
    for server in servers:
        server.requests.clear()
        (tmp_path / server.address).write_text(f"sources: []\nweb: {{listen: ['{server.address}']}}\n")
    (tmp_path / "capture.pcap").write_bytes(b"no capture")
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    environ |= {"DOCKET_CONF": str(tmp_path / running.address), "DOCKET_SERVER": running.url}
    file = str(tmp_path / meant.address)
    rest = [command, *COMMANDS[command]]
    arguments = [*rest, "--server", meant.url] if way == "--server" else ["--config", file, *rest]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", environ)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(CALL).encode() + b"\n")))
    with announced(running.url, environ), contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        main(arguments)
    assert (running.requests, bool(meant.requests)) == ([], True)
