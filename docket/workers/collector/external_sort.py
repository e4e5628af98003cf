"""Parts whose packets are far out of order become one PCAP in strict time order: a bounded external sort.

Rare: `merge` copes with the small disorder of real capture stores. Here each part is cut into runs that fit
into memory, each run is sorted and written beside the part, and the runs are merged. The same total order
comes out: time, place of the source, arrival.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from docket.domain.request_message import Limits
from docket.spool.file_io import gather_at
from docket.spool.layout import remove_file
from docket.workers.collector.merge import MICROSECOND_PCAP, STEP_BYTES, Merge, ResultShape
from docket.workers.collector.record_stream import Form, RecordStream

RUN_BYTES = 8 << 20
"""One run in memory, with its index: about 25 MB for small packets."""

RUN_SUFFIX = ".run"


class ExternalSort:
    """Sorts the parts behind `streams` into `output`, in steps like those of `Merge`."""

    def __init__(
        self,
        output: Path,
        streams: Sequence[RecordStream],
        limits: Limits,
        run_directory: Path,
        run_bytes: int = RUN_BYTES,
        *,
        shape: ResultShape = MICROSECOND_PCAP,
    ) -> None:
        self.merge: Merge | None = None
        """The merge of the runs, once all are written."""
        self._output = output
        self._limits = limits
        self._shape = shape
        self._run_directory = run_directory
        self._run_bytes = run_bytes
        self._runs: list[RecordStream] = []
        self._cutting = self._cut_into_runs(streams)

    @property
    def done(self) -> bool:
        return self.merge is not None and self.merge.done

    def step(self, step_bytes: int = STEP_BYTES) -> int:
        """Write one run, or merge some of them; returns how many bytes that were, 0 when all is done.

        Raises SpoolFull or SpoolError.
        """
        if self.merge is None:
            handled = next(self._cutting, 0)
            if handled:
                return handled
            self.merge = Merge(self._output, self._runs, self._limits, shape=self._shape)
        return self.merge.step(step_bytes)

    def remove_runs(self) -> None:
        """Take the runs off the disk. Those of a killed process go when its job's parts go."""
        for run in self._runs:
            remove_file(run.path)

    def _cut_into_runs(self, streams: Sequence[RecordStream]) -> Iterator[int]:
        for stream in streams:
            source = RecordStream(stream.name, stream.place, stream.path, form=stream.form, origin=stream.origin)
            source.linktype = stream.linktype
            source.grow(stream.size_bytes)
            source.end()
            while not source.exhausted:
                source.load_block(self._run_bytes)
                if source.times.size:
                    yield self._write_run(source)

    def _write_run(self, source: RecordStream) -> int:
        place = len(self._runs)
        form = Form(part=self._shape.nanoseconds, result=self._shape.nanoseconds)
        path = self._run_directory / f"{place:06d}{RUN_SUFFIX}"
        run = RecordStream(source.name, place, path, start=0, form=form, origin=source.origin)
        run.linktype = source.linktype
        run.starts_at = int(source.times[0])
        size_bytes = gather_at(run.path, 0, source.pieces)
        run.grow(size_bytes)
        run.end()
        self._runs.append(run)
        source.give(source.times.size)
        return size_bytes
