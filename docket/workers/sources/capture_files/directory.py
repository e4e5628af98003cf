"""The kind of source `capture-files`: a directory of rotated pcap or pcapng files, read by tcpdump. For `kinds` only.

tcpdump filters one file after the other, in time order, from its standard input: so neither a strange file name
nor the rights of tcpdump's own user matter. A file that is damaged or vanished does not keep the others from
being read; the answer is `cut` then, and names it.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from threading import Event

from docket.config.model import CaptureFilesConfig
from docket.domain.clock import Clock
from docket.domain.plain_text import printable
from docket.domain.query.canonical import Query
from docket.domain.query.render import to_bpf
from docket.domain.timewindow import US_PER_S, Window
from docket.errors import CaptureError, SourceError
from docket.packet.pcap import ETHERNET, FILE_HEADER_BYTES, FileHeader, file_header, parse_file_header
from docket.runtime.programs import find_program, search_path
from docket.workers.sources.base import Coverage, Reading, Wording
from docket.workers.sources.capture_files.catalog import DISORDER_US, CaptureFile, CaptureIndex, Listing

LOOK_UP_S = 0.25
"""How often a waiting read looks whether it was stopped."""
BLOCK_BYTES = 256 * 1024
_STDERR_BYTES = 2048
_WRITING_US = 60 * US_PER_S
"""A directory's newest file that was written to within this time is taken to be still growing."""


class CaptureFilesSource:
    """One directory."""

    kind = "capture-files"

    def __init__(self, config: CaptureFilesConfig, clock: Clock | None = None) -> None:
        self.name = config.name
        self._config = config
        self._clock = clock or Clock()
        self._index = CaptureIndex(config.path)

    def close(self) -> None:
        """Nothing is held open between readings."""

    def coverage(self) -> Coverage:
        """From the first packet of the first file to the usual lag of the flush. Raises SourceError."""
        listing = self._list()
        lag_us = self._config.flush_lag_s * US_PER_S
        readable_until_us = self._clock.now_us() - lag_us
        counters = {
            "files": len(listing.files),
            "unusable_files": len(listing.unusable),
            "disk_bytes": sum(file.size_bytes for file in listing.files),
        }
        return Coverage(listing.files[0].first_us if listing.files else None, readable_until_us, counters, lag_us)

    def slices(self, window: Window) -> list[Window]:
        """One: nothing stops tcpdump but the end of a file."""
        return [window]

    def wording(self, query: Query, window: Window) -> Wording:  # noqa: ARG002 - a packet filter knows no time
        """The packet filter that tcpdump is given."""
        return Wording(to_bpf(query))

    @contextmanager
    def read(
        self,
        query: Query,
        window: Window,
        *,
        most_bytes: int | None,  # noqa: ARG002 - tcpdump ends with the reading
        most_packets: int | None,  # noqa: ARG002
        stop: Event,
    ) -> Iterator[Reading]:
        """Filter the files that may hold packets of the window; see `Source.read`."""
        program = find_program("tcpdump")
        if program is None:
            raise SourceError("refused", f"{self.name} needs tcpdump, which is not installed")
        # In a file, because a filter may be longer than an argument of a command can be.
        with NamedTemporaryFile("w", prefix="docket-", suffix=".bpf") as bpf:
            bpf.write(to_bpf(query))
            bpf.flush()
            command = [program, "-r", "-", "-w", "-", "-n", "--time-stamp-precision=micro", "-F", bpf.name]
            run = _Run(self.name, command, self._list(), window, self._clock.now_us(), stop)
            run.ethernet_only = not query.is_empty
            chunks = run.chunks()
            try:
                yield Reading(chunks, run.through_us)
            finally:
                chunks.close()

    def _list(self) -> Listing:
        try:
            return self._index.list()
        except OSError as error:
            reason = error.strerror or error
            raise SourceError("refused", f"The directory {self._config.path} cannot be read: {reason}") from error


class _Run:
    """One pass over the files of a window."""

    def __init__(
        self, name: str, command: list[str], listing: Listing, window: Window, now_us: int, stop: Event
    ) -> None:
        self._name = name
        self._command = command
        self._files = listing.overlapping(window.after_us, window.before_us)
        self._stop = stop
        self._faults = [
            f"{_name(file)} is compressed or not readable"
            for file in listing.unusable
            if file.modified_us >= window.after_us
        ]
        newest = {file.path.parent: file for file in listing.files}
        self._growing = {file for file in newest.values() if now_us - file.modified_us < _WRITING_US}
        self._done = 0
        self.ethernet_only = False
        """A filter is in use; it knows where addresses stand in Ethernet frames, and nowhere else."""
        self._header: FileHeader | None = None

    def through_us(self) -> int | None:
        """The first packet of the files that are still to be read, less some disorder."""
        if not self._done:
            return None
        waiting = self._files[self._done :]
        return waiting[0].first_us - DISORDER_US if waiting else None

    def chunks(self) -> Generator[bytes, None, None]:
        """All files' packets behind one header. Raises SourceError, `cut`, at the end if a file was not read whole."""
        for file in self._files:
            yield from self._filtered(file)
            self._done += 1
        if self._header is None and not self._faults:
            yield file_header()
        if self._faults:
            shown = "; ".join(self._faults[:3]) + (f"; and {len(self._faults) - 3} more" if self._faults[3:] else "")
            verdict = "cut" if self._header else "refused"
            raise SourceError(verdict, f"Not every file of {self._name} could be read: {shown}")

    def _filtered(self, file: CaptureFile) -> Iterator[bytes]:
        try:
            opened = file.path.open("rb")
        except FileNotFoundError:
            self._faults.append(f"{_name(file)} was removed before it was read")
            return
        except OSError as error:
            self._faults.append(f"{_name(file)}: {error.strerror}")
            return
        with opened:
            child = subprocess.Popen(
                self._command,
                stdin=opened,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"LC_ALL": "C", "PATH": search_path()},
            )
        with child:
            try:
                said = yield from self._piped(child, file)
                if child.wait():
                    self._judge(file, said)
            finally:
                child.kill()

    def _piped(self, child: subprocess.Popen[bytes], file: CaptureFile) -> Generator[bytes, None, str]:
        """tcpdump's output as it comes, without its header but for the first file; returns the end of its errors."""
        assert child.stdout is not None
        assert child.stderr is not None
        out, err = child.stdout.fileno(), child.stderr.fileno()
        poll = select.poll()
        poll.register(out, select.POLLIN)
        poll.register(err, select.POLLIN)
        open_pipes = {out, err}
        head: bytes | None = b""
        said = b""
        while open_pipes:
            for pipe, _ in poll.poll(LOOK_UP_S * 1000):
                data = os.read(pipe, BLOCK_BYTES)
                if not data:
                    poll.unregister(pipe)
                    open_pipes.discard(pipe)
                elif pipe == err:
                    said = (said + data)[-_STDERR_BYTES:]
                elif head is None:
                    yield data
                else:
                    head += data
                    if len(head) >= FILE_HEADER_BYTES:
                        yield self._begun(head, file)
                        head = None
            if self._stop.is_set():
                raise SourceError("cut", "The reading was stopped.")
        return said.decode("utf-8", "replace")

    def _begun(self, head: bytes, file: CaptureFile) -> bytes:
        """The first bytes of a file's packets; the header only before the very first."""
        try:
            header = parse_file_header(head)
        except CaptureError as error:
            raise SourceError("refused", f"tcpdump wrote no capture for {_name(file)}: {error}") from error
        if self.ethernet_only and header.linktype != ETHERNET:
            raise SourceError(
                "refused",
                f"{_name(file)} has link type {header.linktype}; only captures of Ethernet can be filtered, "
                "others can only be asked for everything",
            )
        if self._header is None:
            self._header = header
            return head
        if header.linktype != self._header.linktype:
            raise SourceError(
                "cut",
                f"{_name(file)} has link type {header.linktype} and the files before it {self._header.linktype}; "
                "they do not fit into one PCAP",
            )
        return head[FILE_HEADER_BYTES:]

    def _judge(self, file: CaptureFile, said: str) -> None:
        """tcpdump ended with an error: is it damage, or just the end of what is written so far?"""
        lines = [line.removeprefix("tcpdump: ") for line in said.splitlines() if line.startswith("tcpdump: ")]
        reason = lines[-1].removeprefix("pcap_loop: ") if lines else "tcpdump ended with an error"
        if file in self._growing and "truncated dump file" in reason:
            return
        self._faults.append(f"{_name(file)}: {printable(reason)}")


def _name(file: CaptureFile) -> str:
    return printable(file.path.name)
