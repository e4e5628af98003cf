"""Real stenographers for the tests: fixtures `stored_stenographer`, `two_stenographers`, `recordings`.

A StoredStenographer serves finished files of stenotype and is there within a fraction of a second; a
LiveStenographer captures on a cable of its own, with a flush as lazy as on a sensor. bench/ may use both.
"""

import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services import needs, traffic
from tests.services.certificates import Certificates, make_certificates
from tests.services.child import ChildProcess
from tests.services.ports import free_port
from tests.services.recording import STENOGRAPHER_USER, Recording, StoredFile, record
from tests.services.waiting import wait_until

HOST = "127.0.0.1"

_PACKAGE = "stenographer"
_numbers = itertools.count(1)


class Stenographer:
    """Debian's stenographer as a child process; address, certificates and data stay over stop and start."""

    def __init__(
        self,
        directory: Path,
        *,
        stenotype: str,
        interface: str,
        flags: Sequence[str] = (),
        certificates: Certificates | None = None,
    ) -> None:
        """Prepare a server below the directory, which is made and must be reachable for user stenographer."""
        self._program = needs.program("stenographer", _PACKAGE)
        self._curl = needs.program("curl", "curl")
        self._user = STENOGRAPHER_USER if os.geteuid() == 0 else None
        self._process: ChildProcess | None = None
        self.directory = directory
        self.port = free_port()
        self.host = HOST
        self.url = f"https://{HOST}:{self.port}"
        self.packets, self.index = directory / "packets", directory / "index"
        self._scratch = directory / "tmp"
        for path in (self.packets, self.index, self._scratch):
            path.mkdir(parents=True)
            self._give(path)
        self.certificates = certificates or make_certificates(directory / "certs", HOST)
        self._give(self.certificates.server_key)
        self.config = directory / "config"
        self.config.write_text(json.dumps(self._settings(stenotype, interface, flags)))

    def _give(self, path: Path) -> None:
        """Let the server's user own a path."""
        if self._user is not None:
            shutil.chown(path, self._user, self._user)

    def _settings(self, stenotype: str, interface: str, flags: Sequence[str]) -> dict[str, object]:
        """The server's configuration, as in /etc/stenographer/config."""
        thread = {
            "PacketsDirectory": str(self.packets),
            "IndexDirectory": str(self.index),
            "MaxDirectoryFiles": 30000,
            # The least it knows (0 means its default): a disk that is filling up must not cost the test its files.
            "DiskFreePercentage": 1,
        }
        return {
            "Threads": [thread],
            "StenotypePath": stenotype,
            "Interface": interface,
            "Port": self.port,
            "Host": HOST,
            "Flags": list(flags),
            "CertPath": str(self.certificates.directory),
        }

    @property
    def ca(self) -> Path:
        """The certificate of the CA that this server, and only this, belongs to."""
        return self.certificates.ca

    @property
    def cert(self) -> Path:
        """The certificate of a client of this server."""
        return self.certificates.cert

    @property
    def key(self) -> Path:
        """The client's private key."""
        return self.certificates.key

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError("this stenographer is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers from all its files; on the same port each time."""
        if self.running:
            return
        command = [self._program, f"--config={self.config}", "--syslog=false"]
        # It leaves its directory of links behind when it is stopped, so it gets a place of its own for it.
        env = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(self._scratch)}
        self._process = ChildProcess(command, self.directory / "stenographer.log", env=env, user=self._user)
        wait_until(self._answers, f"stenographer on port {self.port}", timeout_s=20.0)

    def _answers(self) -> bool:
        assert self._process is not None
        self._process.must_run()
        try:
            return self.stats().get("current_files", 0) >= self._files_expected()
        except subprocess.CalledProcessError:
            return False

    def _files_expected(self) -> int:
        return 0

    def stop(self) -> None:
        """Stop the server (SIGTERM)."""
        if self._process is not None:
            self._process.stop()
        self._process = None

    def kill(self) -> None:
        """Kill the server (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
        self._process = None

    def close(self) -> None:
        """End the server for good."""
        self.stop()

    def log(self) -> str:
        """Give the server's log; it has a line for every request."""
        return (self.directory / "stenographer.log").read_text()

    def curl(self, path: str, *options: str) -> bytes:
        """Fetch a path with curl and the client certificate; raises CalledProcessError on any fault."""
        identity = ["--cert", str(self.cert), "--key", str(self.key), "--cacert", str(self.ca)]
        command = [self._curl, "--silent", "--fail", "--max-time", "60", *identity, *options, self.url + path]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def query(self, text: str, *, limit_packets: int | None = None, limit_bytes: int | None = None) -> bytes:
        """Send stenographer a query in its own words and give the PCAP that it answers."""
        limits = {"Steno-Limit-Packets": limit_packets, "Steno-Limit-Bytes": limit_bytes}
        options = ["--data-raw", text]
        for name, limit in limits.items():
            options += [] if limit is None else ["--header", f"{name}: {limit}"]
        return self.curl("/query", *options)

    def stats(self) -> dict[str, int]:
        """Give the server's counters."""
        lines = self.curl("/debug/stats").decode().splitlines()
        return {name: int(value) for name, _, value in (line.partition("\t") for line in lines) if value}


class StoredStenographer(Stenographer):
    """A stenographer that captures nothing and serves finished files."""

    def __init__(
        self, directory: Path, files: Iterable[StoredFile], *, certificates: Certificates | None = None
    ) -> None:
        """Prepare a server for the files, which are linked (or copied from another disk), never changed."""
        directory.mkdir(parents=True, exist_ok=True)
        idle = directory / "no-stenotype"
        # The server wants a running stenotype; this stand-in ends by itself soon after the server does.
        _write_script(idle, "exec tail --pid=$PPID -f /dev/null")
        super().__init__(directory, stenotype=str(idle), interface="lo", certificates=certificates)
        self._files = 0
        self.place(files)

    def place(self, files: Iterable[StoredFile]) -> None:
        """Add files; a server that runs sees them within 15 s, or after stop and start at once."""
        for stored in files:
            for source, directory in ((stored.packets, self.packets), (stored.index, self.index)):
                target = directory / source.name
                try:
                    os.link(source, target)
                except OSError:
                    shutil.copyfile(source, target)
            self._files += 1

    def _files_expected(self) -> int:
        return self._files


class LiveStenographer(Stenographer):
    """A stenographer with a real stenotype on a cable of its own; packets are readable some 10 to 30 s later."""

    def __init__(self, directory: Path, *, file_age_s: int = 10) -> None:
        """Prepare a server and its cable (in the machine's own network, so that it can be reached); needs root."""
        needs.root("to make a virtual cable")
        self._tcpreplay = needs.program("tcpreplay", "tcpreplay")
        self.interface = f"dk{os.getpid()}m{next(_numbers)}"
        self._wire = self.interface.replace("m", "w")
        # Its own list of system calls is older than the libraries of Debian 13: it would be killed at once.
        flags = f"--filesize_mb=16 --fileage_sec={file_age_s} --blockage_sec=1 --aiops=16 --blocks=64"
        flags += " --no_watchdogs --seccomp=none"
        directory.mkdir(parents=True, exist_ok=True)
        stenotype = directory / "stenotype"
        # Left alone, stenotype outlives its server for as long as no packet comes.
        _write_script(
            stenotype,
            f'{needs.program("stenotype", _PACKAGE)} "$@" & echo $! > {directory}/tmp/stenotype.pid',
            "tail --pid=$PPID -f /dev/null",
            "kill -KILL $!",
        )
        super().__init__(
            directory,
            stenotype=str(stenotype),
            interface=self.interface,
            flags=flags.split(),
        )
        ip = needs.program("ip", "iproute2")
        _run([ip, "link", "add", self.interface, "type", "veth", "peer", "name", self._wire])
        for end in (self.interface, self._wire):
            # Otherwise the kernel sends IPv6 packets of its own down the cable.
            _run([needs.program("sysctl", "procps"), "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1"])
            _run([ip, "link", "set", end, "promisc", "on", "up"])

    def start(self) -> None:
        """Start it, and wait until stenotype listens on the cable: what is sent before that is recorded by nobody."""
        super().start()
        wait_until(self._listens, f"stenotype to listen on {self.interface}", timeout_s=30.0)

    def _listens(self) -> bool:
        # Columns of /proc/net/packet: sk RefCnt Type Proto Iface R(unning) ...
        index = Path(f"/sys/class/net/{self.interface}/ifindex").read_text().strip()
        rows = [line.split() for line in Path("/proc/net/packet").read_text().splitlines()[1:]]
        return any((row[4], row[5]) == (index, "1") for row in rows)

    def send(self, capture: Path, *pace: str) -> None:
        """Replay a capture on the cable."""
        _run([self._tcpreplay, "-q", f"--intf1={self._wire}", *pace, str(capture)])

    def close(self) -> None:
        """End the server and remove its cable."""
        super().close()
        pid = (self.directory / "tmp" / "stenotype.pid").read_text().strip()
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "stenotype to be gone")
        _run([needs.program("ip", "iproute2"), "link", "del", self.interface])


def _write_script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


@dataclass(frozen=True, slots=True)
class Monitored:
    """One monitored interface: its stenographer and what tcpdump saw."""

    interface: str
    stenographer: StoredStenographer
    recording: Recording

    @property
    def truth(self) -> Path:
        """tcpdump's capture of the same packets, with the same times, as stenographer would give them."""
        assert self.recording.truth is not None
        return self.recording.truth


@pytest.fixture(scope="session")
def steno_directory() -> Iterator[Path]:
    """A directory that the user stenographer can reach; pytest's own are closed to other users."""
    directory = Path(tempfile.mkdtemp(prefix="docket-stenographer-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def recordings(steno_directory: Path) -> dict[str, Recording]:
    """The sample traffic, recorded live on the interfaces em1 and em2 at the same time."""
    directory = steno_directory / "recordings"
    directory.mkdir()
    captures = {}
    for interface in ("em1", "em2"):
        captures[interface] = directory / f"{interface}-replayed.pcap"
        traffic.write_sample(captures[interface], interface)
    return record(captures, directory, file_age_s=2)


@pytest.fixture(scope="session")
def two_stenographers(steno_directory: Path, recordings: dict[str, Recording]) -> Iterator[dict[str, Monitored]]:
    """Two running stenographers, em1 and em2, each with its own CA; `restart` what a test stops."""
    monitored = {}
    try:
        for interface, recording in recordings.items():
            server = StoredStenographer(steno_directory / f"server-{interface}", recording.files)
            monitored[interface] = Monitored(interface, server, recording)
            server.start()
        yield monitored
    finally:
        for one in monitored.values():
            one.stenographer.close()


@pytest.fixture
def stored_stenographer(steno_directory: Path, recordings: dict[str, Recording]) -> Iterator[StoredStenographer]:
    """A running stenographer of the test's own with em1's files, to be stopped and killed at will."""
    server = StoredStenographer(steno_directory / f"own-{next(_numbers)}", recordings["em1"].files)
    try:
        server.start()
        yield server
    finally:
        server.close()
