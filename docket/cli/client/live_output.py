"""`docket get -w -`: the capture goes to standard output while it grows, beside the watching of the job."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import BinaryIO

from docket.client.http_client import Client
from docket.client.save import NotSaved
from docket.domain.job import Job
from docket.errors import DocketError


class Stream:
    """One download that follows the job, in a thread of its own."""

    def __init__(self, client: Client, job_id: str, out: BinaryIO) -> None:
        self._client = client
        self._job_id = job_id
        self._out = out
        self._thread = threading.Thread(target=self._copy, name="stream", daemon=True)
        self._sha256 = ""
        self._error: DocketError | None = None
        self._on_broken: Callable[[], object] = lambda: None

    def start(self, on_broken: Callable[[], object]) -> None:
        """Begin; `on_broken` is called when standard output is closed."""
        self._on_broken = on_broken
        self._thread.start()

    def finish(self, job: Job) -> None:
        """Wait for the last byte; raises NotSaved unless exactly the job's capture was written."""
        self._thread.join()
        if self._error is not None:
            raise NotSaved(str(self._error)) from self._error
        if job.pcap is not None and self._sha256 != job.pcap.sha256:
            raise NotSaved(
                "packets came so late that the finished capture is in another order than what was written here; "
                f"download it with `docket get` again (SHA-256 {job.pcap.sha256})"
            )

    def _copy(self) -> None:
        try:
            self._sha256 = self._client.download(self._job_id, self._write, follow=True)
        except BrokenPipeError:
            self._error = NotSaved("standard output was closed")
            # Python flushes standard output once more when it ends; that must not fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
            self._on_broken()
        except OSError as error:
            self._error = NotSaved(f"standard output cannot be written: {error.strerror or error}")
            self._on_broken()
        except DocketError as error:
            self._error = error

    def _write(self, chunk: bytes) -> None:
        self._out.write(chunk)
        self._out.flush()
