"""A real Suricata, also on a cable of its own with tcpdump beside it. Needs root, and a tree with Suricata in it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.services.child import ChildProcess
from tests.services.needs import program
from tests.services.network import Namespace
from tests.services.recording import packets_stamped_once
from tests.services.waiting import wait_until

LIVE: dict[str, Any] = {
    "af-packet": [
        {
            "interface": "em1",
            "threads": 2,
            "cluster-id": 99,
            "cluster-type": "cluster_flow",
            "defrag": False,
            "use-mmap": True,
            "tpacket-v3": True,
            "ring-size": 20_000,
        }
    ]
}
"""What Suricata is set to where it listens on the cable."""
HTTP: dict[str, Any] = {"app-layer": {"protocols": {"http": {"enabled": True}}}}
"""For rules about HTTP."""


class Folder:
    """A folder in the tree, which both see: Suricata writes there, Docket reads. Gone after `close`."""

    def __init__(self, tree: Path, *, mode: str, compression: str, rules: str, more: Mapping[str, Any]) -> None:
        """`mode` is "normal" or "multi", `compression` "none" or "lz4"; `rules` are lines of a rule file."""
        self.place = Path(tempfile.mkdtemp(prefix="suricata-", dir=tree / "srv"))
        self.inside = Path("/") / self.place.relative_to(tree)
        self.captures, self.eve = self.place / "pcaps", self.place / "eve.json"
        self.captures.mkdir()
        (self.place / "test.rules").write_text(rules)
        pcap_log = {
            "enabled": True,
            "filename": "log.%n.%t.pcap" if mode == "multi" else "log.pcap",
            "mode": mode,
            "limit": "4mb",
            "compression": compression,
            "dir": f"{self.inside}/pcaps",
        }
        alerts = {"enabled": True, "filename": "eve.json", "types": ["alert"]}
        settings = {
            "outputs": [{"eve-log": alerts}, {"pcap-log": pcap_log}],
            "classification-file": "/etc/suricata/classification.config",
            **more,
        }
        (self.place / "suricata.yaml").write_text(f"%YAML 1.1\n---\n{yaml.safe_dump(settings)}")
        files = ["-c", f"{self.inside}/suricata.yaml", "-S", f"{self.inside}/test.rules", "-l", str(self.inside)]
        self.command = ["chroot", str(tree), "suricata", *files]

    def close(self) -> None:
        shutil.rmtree(self.place)


class Suricata:
    """Records what is replayed; used by `with`."""

    def __init__(self, tree: Path, *, mode: str, compression: str) -> None:
        """`mode` is "normal" or "multi", `compression` "none" or "lz4"."""
        self._opened = ExitStack()
        self._folder = Folder(tree, mode=mode, compression=compression, rules="", more=LIVE)
        self._opened.callback(self._folder.close)
        self.captures = self._folder.captures
        self._wire = self._folder.place / "wire.pcap"

    def __enter__(self) -> Suricata:
        with ExitStack() as opened:
            opened.enter_context(packets_stamped_once())
            place = self._folder.place
            self.network = Namespace(place)
            opened.callback(self.network.close)
            self.network.add_cable("em1", "em1-wire")
            watch = f"-i em1 -n -s 0 -B 65536 -U -Z root -w {self._wire}".split()
            tcpdump = self.network.command([program("tcpdump", "tcpdump"), *watch])
            self._tcpdump = ChildProcess(tcpdump, place / "tcpdump.log")
            opened.callback(self._tcpdump.kill)
            self._suricata = ChildProcess(
                self.network.command([*self._folder.command, "--af-packet"]), place / "suricata.log"
            )
            opened.callback(self._suricata.kill)
            wait_until(self._is_ready, "Suricata and tcpdump to listen", timeout_s=60.0)
            self._opened.push(opened.pop_all())
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _is_ready(self) -> bool:
        self._suricata.must_run()
        self._tcpdump.must_run()
        return "Engine started" in self._suricata.log_tail(100) and "listening on" in self._tcpdump.log_tail()

    def replay(self, capture: Path, mbps: int) -> subprocess.Popen[bytes]:
        """Begin to send the packets of a capture over the cable."""
        command = [program("tcpreplay", "tcpreplay"), "-q", "-i", "em1-wire", f"--mbps={mbps}", str(capture)]
        return subprocess.Popen(self.network.command(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def finish(self, packets: int) -> bytes:
        """End Suricata as its unit would, once so many packets have come; what tcpdump has seen."""
        if self._suricata.stop(60.0) != 0 or f"packets: {packets}, drops: 0" not in self._suricata.log_tail():
            raise RuntimeError(self._suricata.log_tail())
        self._tcpdump.stop()
        return self._wire.read_bytes()
