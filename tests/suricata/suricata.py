"""A real Suricata on a cable of its own, with tcpdump beside it. Needs root, and a tree with Suricata in it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.services.child import ChildProcess
from tests.services.needs import program
from tests.services.network import Namespace
from tests.services.recording import packets_stamped_once
from tests.services.waiting import wait_until

_CONFIG = """\
%YAML 1.1
---
default-log-dir: {place}
default-rule-path: {place}
rule-files: [test.rules]
classification-file: /etc/suricata/classification.config
reference-config-file: /etc/suricata/reference.config
vars: {{address-groups: {{HOME_NET: any, EXTERNAL_NET: any}}}}
outputs:
  - eve-log: {{enabled: yes, filetype: regular, filename: eve.json, types: [alert]}}
  - pcap-log:
      enabled: yes
      filename: {name}
      mode: {mode}
      limit: 4mb
      compression: {compression}
      dir: {place}/pcaps
af-packet:
  - interface: em1
    threads: 2
    cluster-id: 99
    cluster-type: cluster_flow
    defrag: no
    use-mmap: yes
    tpacket-v3: yes
    ring-size: 20000
"""


class Suricata:
    """Records what is replayed; used by `with`."""

    def __init__(self, tree: Path, *, mode: str, compression: str, rules: str = "") -> None:
        """`mode` is "normal" or "multi", `compression` "none" or "lz4"; `rules` are lines of a rule file."""
        self._opened = ExitStack()
        self.place = Path(tempfile.mkdtemp(prefix="suricata-", dir=tree / "srv"))
        self._opened.callback(shutil.rmtree, self.place)
        self.captures = self.place / "pcaps"
        self.captures.mkdir()
        self.eve = self.place / "eve.json"
        inside = Path("/") / self.place.relative_to(tree)
        name = "log.%n.%t.pcap" if mode == "multi" else "log.pcap"
        config = _CONFIG.format(place=inside, mode=mode, compression=compression, name=name)
        (self.place / "suricata.yaml").write_text(config)
        (self.place / "test.rules").write_text(rules)
        options = ["-c", f"{inside}/suricata.yaml", "--af-packet", "-l", str(inside), "--pidfile", f"{inside}/pid"]
        self._command = ["chroot", str(tree), "suricata", *options]
        self._wire = self.place / "wire.pcap"

    def __enter__(self) -> Suricata:
        with ExitStack() as opened:
            opened.enter_context(packets_stamped_once())
            self.network = Namespace(self.place)
            opened.callback(self.network.close)
            self.network.add_cable("em1", "em1-wire")
            watch = f"-i em1 -n -s 0 -B 65536 -U -Z root -w {self._wire}".split()
            tcpdump = self.network.command([program("tcpdump", "tcpdump"), *watch])
            self._tcpdump = ChildProcess(tcpdump, self.place / "tcpdump.log")
            opened.callback(self._tcpdump.kill)
            self._suricata = ChildProcess(self.network.command(self._command), self.place / "suricata.log")
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
