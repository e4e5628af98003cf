"""A program that reads packets, run in the sandbox: fed, read, bounded, and always ended. For this package.

Argument lists only, never a shell. One thread uses a `SandboxedProcess`; a second one, which it owns, feeds it where
its input is not simply a file. However it ends, its whole process group is gone when the `with` block is left.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO

from docket.domain.units import size_text
from docket.errors import DissectionError

SANDBOX = str(Path(__file__).with_name("sandbox.py"))
BLOCK_BYTES = 256 * 1024
LOOK_UP_S = 0.25
"""How often a waiting read looks at the clock and whether it was stopped."""
STDERR_BYTES = 4096

READABLE = (
    "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/lib", "/lib64",
    "/etc/ld.so.cache", "/etc/wireshark", "/dev/null", "/dev/urandom",
)  # fmt: skip
"""What a dissector has to read: its code, its tables, and the system-wide settings of Wireshark."""

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    # No preferences, profiles, scripts or plugins of any user, and none of the programs that Wireshark itself starts.
    "HOME": "/nonexistent",
    "WIRESHARK_CONFIG_DIR": "/nonexistent",
    "WIRESHARK_EXTCAP_DIR": "/nonexistent",
}

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use up. `wall_s` is the time on the clock, the rest is enforced by the kernel too."""

    wall_s: float
    silence_s: float = 3_600.0
    """Without a byte of output for so long, it hangs."""
    memory_bytes: int = 1_000_000_000
    """Of address space, which is more than what is really used."""
    output_bytes: int = 64_000_000
    nice: int = 5
    threads: int = 16
    file_bytes: int = 0
    """Of each file that the program may write, where it has a directory for that."""
    cpu_s: float | None = None
    """Of processor time; without it, as much as of the clock."""


class OutOfTime(DissectionError):
    """The program took longer than its `wall_s` or `cpu_s`; no other run of it would do better."""


class SandboxedProcess:
    """One run of one program. Raises DissectionError from every method, with a sentence that names the reason."""

    def __init__(
        self,
        command: Sequence[str],
        limits: Limits,
        source: int | SandboxedProcess | Iterable[Buffer],
        *,
        stop: Event | None = None,
        readable: Sequence[str] = (),
        writable: str = "",
    ) -> None:
        """`source` is a descriptor of a file, read from where it stands; or another program, whose output becomes
        this one's input; or what is to be written to the program's input. `writable` is the one directory that it
        may write to."""
        self.said = b""
        """The end of what the program wrote to its standard error."""
        self._limits = limits
        self._stop = stop or Event()
        self._name = Path(command[0]).name
        self._until_s = time.monotonic() + limits.wall_s
        self._output_bytes = 0
        self._feed_error: Exception | None = None
        granted = [*READABLE, *readable, *([f"+{writable}"] if writable else [])]
        cpu_s = int(limits.wall_s if limits.cpu_s is None else limits.cpu_s) + 1
        bounds = (cpu_s, limits.memory_bytes, limits.threads, limits.nice, limits.file_bytes)
        rights = ",".join(map(str, bounds))
        sandboxed = [sys.executable, "-I", "-S", SANDBOX, rights, *granted, "--", *command]
        try:
            self._process = subprocess.Popen(
                sandboxed,
                stdin=_stdin(source),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                start_new_session=True,
            )
        except OSError as error:
            raise DissectionError(f"{self._name} cannot be started: {error.strerror or error}") from error
        self._feeder: threading.Thread | None = None
        if isinstance(source, SandboxedProcess):
            # Only the reader may hold its end, or the writer would never notice that the reader is gone.
            source._hand_over()
        elif not isinstance(source, int):
            name = f"feeder of {self._name}"
            self._feeder = threading.Thread(target=self._feed, args=(source,), name=name, daemon=True)
            self._feeder.start()

    def __enter__(self) -> SandboxedProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def blocks(self) -> Iterator[bytes]:
        """What the program writes, as it comes; ends when it closes its output."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        err = self._process.stderr.fileno()
        open_pipes = {err} if self._process.stdout.closed else {err, self._process.stdout.fileno()}
        poll = select.poll()
        for pipe in open_pipes:
            poll.register(pipe, select.POLLIN)
        heard_s = time.monotonic()
        while open_pipes:
            ready = poll.poll(LOOK_UP_S * 1000)
            if ready:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > self._limits.silence_s:
                raise DissectionError(f"it was silent for more than {self._limits.silence_s:g} s")
            for pipe, _ in ready:
                data = os.read(pipe, BLOCK_BYTES)
                if not data:
                    poll.unregister(pipe)
                    open_pipes.discard(pipe)
                elif pipe == err:
                    self.said = (self.said + data)[-STDERR_BYTES:]
                else:
                    self._output_bytes += len(data)
                    if self._output_bytes > self._limits.output_bytes:
                        raise DissectionError(f"it gave more than {size_text(self._limits.output_bytes)} of text")
                    yield data
            self._look_up()

    def lines(self, longest: int = 1_000_000) -> Iterator[bytes]:
        """The same as whole lines without their ends; a last one without an end too."""
        rest = b""
        for block in self.blocks():
            *whole, rest = (rest + block).split(b"\n")
            yield from whole
            if len(rest) > longest:
                raise DissectionError(f"it gave a line of more than {size_text(longest)}")
        if rest:
            yield rest

    def output(self) -> bytes:
        """All that the program writes, once it has ended well."""
        whole = b"".join(self.blocks())
        self.finish()
        return whole

    def finish(self, *, accept: Sequence[int] = (0,)) -> int:
        """Wait for the end, after the output; gives the exit code, which must be one of these."""
        if self._process.stdout is not None and self._process.stdout.closed:
            for _ in self.blocks():
                pass
        while True:
            try:
                code = self._process.wait(LOOK_UP_S)
                break
            except subprocess.TimeoutExpired:
                self._look_up()
        if self._feeder is not None:
            self._feeder.join()
            if self._feed_error is not None and not isinstance(self._feed_error, BrokenPipeError):
                raise self._feed_error
        if code == -signal.SIGXCPU:
            raise OutOfTime(f"it used more than {self._limits.cpu_s or self._limits.wall_s:g} s of processor time")
        if code not in accept:
            raise DissectionError(self._reason(code))
        return code

    @property
    def stderr_summary(self) -> str:
        """What the program said about its failure, without its name and without idle warnings."""
        lines = [line.strip() for line in self.said.decode("utf-8", "replace").splitlines()]
        return " ".join(line for line in lines if line and not line.startswith("Running as user"))

    def close(self) -> None:
        """End the program and all that it may have started, and let go of its pipes."""
        # The group exists until the program has been waited for, so this can hit no other process.
        if self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self._process.kill()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._process.wait()
        if self._feeder is not None:
            self._feeder.join()

    def _hand_over(self) -> None:
        """Another program reads the output from now on."""
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _feed(self, source: Iterable[Buffer]) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                for piece in source:
                    pipe.write(piece)
        except Exception as error:  # noqa: BLE001
            # Not swallowed: `finish` raises it. A program that wants no more breaks the pipe, which is fine.
            self._feed_error = error

    def _look_up(self) -> None:
        if self._stop.is_set():
            raise DissectionError("it was stopped")
        if time.monotonic() > self._until_s:
            raise OutOfTime(f"it took longer than {self._limits.wall_s:g} s")

    def _reason(self, code: int) -> str:
        said = self.stderr_summary
        if "failed to allocate" in said or "Cannot allocate" in said or "out of memory" in said.lower():
            return f"it needed more than {size_text(self._limits.memory_bytes)} of memory"
        if code < 0:
            return f"{self._name} crashed ({signal.Signals(-code).name})"
        return f"{self._name} ended with code {code}: {said[-300:] or 'it did not say why'}"


def _stdin(source: int | SandboxedProcess | Iterable[Buffer]) -> int | IO[bytes] | None:
    if isinstance(source, SandboxedProcess):
        return source._process.stdout
    return source if isinstance(source, int) else subprocess.PIPE
