"""What a program in the sandbox cannot do, and that it is gone afterwards, whatever it did."""

import os
import socket
import sys
from pathlib import Path
from threading import Event

import pytest

from docket.errors import DissectionError
from docket.workers.inspector.tshark.process import Limits, OutOfTime, SandboxedProcess
from tests.services.waiting import wait_until
from tests.workers.inspector.processes import alive

QUICK = Limits(10.0)


def said_by(script: str, limits: Limits = QUICK, source: bytes = b"") -> str:
    """What a shell in the sandbox writes."""
    with SandboxedProcess(["/usr/bin/bash", "-c", script], limits, [source]) as child:
        return child.output().decode()


def test_input_comes_out_again() -> None:
    """What the program is fed reaches it whole, while its output is read."""
    block = os.urandom(100_000)
    with SandboxedProcess(["/usr/bin/cat"], QUICK, [block] * 30) as child:
        assert child.output() == block * 30


def test_file_is_read_from_its_descriptor(tmp_path: Path) -> None:
    """A file is read through the descriptor that the program gets, though it may open nothing."""
    path = tmp_path / "capture"
    path.write_bytes(b"packets")
    with path.open("rb") as file, SandboxedProcess(["/usr/bin/cat"], QUICK, file.fileno()) as child:
        assert child.output() == b"packets"


def test_one_program_feeds_another() -> None:
    """The output of one becomes the input of the next."""
    with (
        SandboxedProcess(["/usr/bin/cat"], QUICK, [b"b\na\n"]) as first,
        SandboxedProcess(["/usr/bin/sort"], QUICK, first) as second,
    ):
        assert second.output() == b"a\nb\n"
        assert first.finish() == 0


@pytest.mark.parametrize(
    "script",
    [
        "cat /etc/passwd",
        "ls /",
        "ls /proc/self",
        "echo x > /tmp/docket-cage",
        "echo x > /dev/shm/docket-cage",
        "exec 3<>/dev/tcp/127.0.0.1/22",
        "exec 3<>/dev/udp/127.0.0.1/53 && echo x >&3 && cat <&3",
    ],
)
def test_cage_holds(script: str) -> None:
    """No file of the machine is read or written, and there is no network."""
    with pytest.raises(DissectionError, match="ended with code"):
        said_by(script)


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket(socket.AF_UNIX).connect({path!r})",
        "socket.socketpair()",
        "socket.socket(socket.AF_INET)",
        "os.kill({parent}, 0)",
        "os.kill(1, 0)",
        "ctypes.CDLL(None, use_errno=True).syscall(434, {parent}, 0) >= 0 or os._exit(3)",
        "ctypes.CDLL(None, use_errno=True).syscall(425, 8, 0) >= 0 or os._exit(3)",
    ],
)
def test_sockets_and_signals_are_closed(attempt: str, tmp_path: Path) -> None:
    """A dissector that was taken over reaches neither a unix socket that it can see, nor another process."""
    listener = socket.socket(socket.AF_UNIX)
    path = str(tmp_path / "socket")
    listener.bind(path)
    listener.listen()
    script = "import ctypes, os, socket\n" + attempt.format(path=path, parent=os.getpid())
    with (
        listener,
        SandboxedProcess(
            [sys.executable, "-I", "-c", script], QUICK, [], readable=[sys.prefix, sys.base_prefix, str(tmp_path)]
        ) as child,
    ):
        assert child.finish(accept=(1, 3)) in (1, 3)


def test_nothing_of_the_environment_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program sees no variable of the service."""
    monkeypatch.setenv("DOCKET_SECRET", "amqp://user:password@host")
    assert "SECRET" not in said_by("set")


def test_too_much_memory_is_said() -> None:
    """A program that wants more than its limit ends with a sentence."""
    with pytest.raises(DissectionError):
        said_by("x=$(head -c 300000000 /dev/urandom | base64)", Limits(30.0, memory_bytes=200_000_000))


def test_too_much_output_is_said() -> None:
    """A program that never stops writing is ended."""
    with pytest.raises(DissectionError, match=r"more than 1\.0 MB of text"):
        said_by("yes", Limits(30.0, output_bytes=1_000_000))


def test_silence_is_said() -> None:
    """A program that hangs is ended long before its time is up."""
    with pytest.raises(DissectionError, match=r"silent for more than 0\.5 s"):
        said_by("sleep 60", Limits(60.0, silence_s=0.5))


def test_crash_is_said() -> None:
    """The signal that a program died of is named."""
    with pytest.raises(DissectionError, match=r"bash crashed \(SIGSEGV\)"):
        said_by("kill -SEGV $$")


def test_time_out_leaves_no_process() -> None:
    """When the time is up the program and what it started are gone."""
    with SandboxedProcess(["/usr/bin/bash", "-c", "sleep 600 & echo $! $$; wait"], Limits(1.0), []) as child:
        lines = child.lines()
        # The numbers are those that we see: only users and network of the sandbox are its own.
        pids = [int(pid) for pid in next(lines).split()]
        with pytest.raises(OutOfTime, match="longer than 1 s"):
            next(lines)
    wait_until(lambda: not any(alive(pid) for pid in pids), "the end of the group")


def test_stop_ends_it_at_once() -> None:
    """A service that stops does not wait for its dissectors."""
    stop = Event()
    with SandboxedProcess(["/usr/bin/sleep", "600"], Limits(600.0), [], stop=stop) as child:
        stop.set()
        with pytest.raises(DissectionError, match="it was stopped"):
            child.output()
    assert child._process.returncode is not None


def test_program_that_wants_no_more_input_is_no_fault() -> None:
    """A program may end before it has read everything."""
    with SandboxedProcess(["/usr/bin/head", "-c", "3"], QUICK, (b"abc" * 100_000 for _ in range(20))) as child:
        assert child.output() == b"abc"


def test_too_much_processor_time_is_said() -> None:
    """A program that counts for ever is ended by the kernel, whatever the clock says, and says what it used up."""
    with pytest.raises(OutOfTime, match="used more than 1 s of processor time"):
        said_by("while :; do :; done", Limits(60.0, cpu_s=1.0))
