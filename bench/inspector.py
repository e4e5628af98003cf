"""A result of a million packets in the inspector's hands: list, pages, filter, one packet, memory.

`python -m bench.inspector SPOOL` is the inspector as it is measured: the real one, in a process of its own, on a bus
inside it, until its input is closed.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench.figure import Figure, Judged, Report
from bench.harness import Stage
from bench.process import peak_mib
from docket.bus.memory.memory_broker import MemoryBroker
from docket.config.model import Config, SpoolConfig
from docket.spool.layout import Spool
from docket.workers.inspector.rpc_messages import Question
from docket.workers.inspector.service import Inspector
from tests.services.bulk import NEEDLE_CLIENT, write_bulk
from tests.services.waiting import wait_until
from tests.workers.inspector.inspector_harness import Office, at_counter
from tests.workers.inspector.processes import descendants, resident_mib
from tests.workers.inspector.reference_tshark import ENVIRON

PACKETS = 1_000_000
QUICK_PACKETS = 50_000
PAGE = 100
DISPLAY_FILTER = "udp.port == 9999"
BAR_PAGE_MS = 1000.0
BAR_MIB = 300.0
BAR_NEEDLE_S = 2.0


def measure(stage: Stage, runs: int) -> Report:
    """With `runs` of 1 a smaller file."""
    packets = PACKETS if runs > 1 else QUICK_PACKETS
    folder = stage.directory / "inspector"
    folder.mkdir()
    capture = folder / "bulk.pcap"
    write_bulk(capture, packets)
    office = Office(folder)
    job = office.place(capture)
    office.close()
    with _at_work(office.spool) as (pid, ask):
        list_s, tree_mib = _survey(pid, lambda: ask("packets", job.id))
        list_reference_s = _timed(lambda: _tshark(capture))
        pages_s = [_timed(partial(_page, ask, job.id, at)) for at in (0, packets // 2, packets - PAGE)]
        filter_s = _timed(lambda: _settled(lambda: ask("packets", job.id, filter=DISPLAY_FILTER)))
        filter_reference_s = _timed(lambda: _tshark(capture, "-Y", DISPLAY_FILTER))
        address_s, follow_s = _needle(ask, job.id)
        packet_s = _timed(lambda: ask("packet", job.id, number=packets))
        own_mib = peak_mib(pid)
    many = f"{packets:,} packets"
    return Report(
        (
            Figure(
                f"list and summary of {many}", "s", (list_s,), "tshark printing it", (list_reference_s,), Judged.RATIO
            ),
            *(
                Figure(f"{which} page of {many}", "ms", (page_s * 1000,), bar=BAR_PAGE_MS)
                for which, page_s in zip(("first", "middle", "last"), pages_s, strict=True)
            ),
            Figure(f"a filter over {many}", "s", (filter_s,), "tshark -Y", (filter_reference_s,), Judged.RATIO),
            Figure(f"a filter by address over {many}", "s", (address_s,), bar=BAR_NEEDLE_S),
            Figure(f"a stream of {many} followed", "s", (follow_s,), bar=BAR_NEEDLE_S),
            Figure("the last packet in full", "s", (packet_s,)),
            Figure("memory of the inspector", "MiB", (own_mib,), bar=BAR_MIB),
            Figure("memory with its dissectors", "MiB", (tree_mib,)),
        )
    )


def _survey(pid: int, ask: Callable[[], Any]) -> tuple[float, float]:
    """Until the whole list is there; how long that took and the most memory that was used meanwhile."""
    most_mib = 0.0
    began_s = time.monotonic()
    answered = threading.Event()

    def settle() -> None:
        _settled(ask)
        answered.set()

    threading.Thread(target=settle).start()
    while not answered.wait(0.1):
        most_mib = max(most_mib, sum(resident_mib(one) for one in [pid, *descendants(pid)]))
    return time.monotonic() - began_s, most_mib


def _page(ask: Callable[..., Any], job_id: str, offset: int) -> None:
    page = ask("packets", job_id, offset=offset, limit=PAGE)
    assert [row["number"] for row in page["rows"]] == list(range(offset + 1, offset + 1 + PAGE))


def _needle(ask: Callable[..., Any], job_id: str) -> tuple[float, float]:
    """The packets of one host by its address, then the stream of the first of them."""
    wanted = {"filter": f"ip.addr == {NEEDLE_CLIENT}"}
    address_s = _timed(lambda: _settled(lambda: ask("packets", job_id, **wanted)))
    (row, *_) = ask("packets", job_id, **wanted)["rows"]
    protocol, number = row["stream"].split()
    stream = {"protocol": protocol, "number": int(number)}
    return address_s, _timed(lambda: _settled(lambda: ask("stream", job_id, **stream)))


def _settled(ask: Callable[[], Any]) -> None:
    while ask()["state"] == "working":
        pass  # the answer itself waits some seconds


def _tshark(capture: Path, *arguments: str) -> None:
    command = ["tshark", "-n", "-r", str(capture), *arguments]
    subprocess.run(command, env=ENVIRON, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def _timed(work: Callable[[], object]) -> float:
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s


@contextmanager
def _at_work(spool: Spool) -> Iterator[tuple[int, Callable[..., Any]]]:
    """The inspector in a process of its own, and a way to ask it."""
    command = [sys.executable, "-m", "bench.inspector", str(spool.path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)

    def ask(what: str, job_id: str, **more: Any) -> Any:
        heading, body = at_counter(spool.counter, Question(ask=what, job=job_id, **more))
        assert heading.faults == (), heading
        return msgspec.json.decode(body)

    try:
        wait_until(spool.counter.exists, "the counter", timeout_s=30)
        yield process.pid, ask
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def _serve(path: Path) -> None:
    stop = threading.Event()
    config = Config(sources=(), bus="memory://", spool=SpoolConfig(path=path))
    service = threading.Thread(target=Inspector(config, MemoryBroker()).run, args=(stop,))
    service.start()
    while os.read(sys.stdin.fileno(), 1):
        pass
    stop.set()
    service.join()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
