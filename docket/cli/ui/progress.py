"""A live line per source while a job runs: redrawn on a terminal, one line per change anywhere else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TextIO

from docket.cli.ui import text
from docket.domain.job import FULL, Job, SourceAnswer, Verdict
from docket.domain.units import packets_text, size_text

BAR_CELLS = 20
STEPS = 4
"""Without a terminal a line is written at each quarter, so that a log stays short."""

_COLOURS = {"good": "\x1b[32m", "short": "\x1b[33m", "bad": "\x1b[31m", "plain": "\x1b[0m"}
_BAD = frozenset({Verdict.REFUSED, Verdict.UNREACHABLE})

BROKEN_OFF = frozenset(
    {
        Verdict.CUT,
        Verdict.NOT_YET,
        Verdict.REFUSED,
        Verdict.UNREACHABLE,
        Verdict.TIMED_OUT,
        Verdict.CANCELLED,
    }
)
"""The window was not read to its end; asking again may bring more."""


class Progress:
    """Shows a job's sources on `out`; `update` with every new state of the job."""

    def __init__(self, out: TextIO, *, live: bool, colour: bool) -> None:
        self._out = out
        self._live = live
        self._colour = colour
        self._drawn = 0
        self._shown: dict[str, tuple[object, ...]] = {}
        self._reached: dict[str, float] = {}
        encoding = (out.encoding or "ascii").lower().replace("-", "")
        self._cells = ("█", "░") if encoding == "utf8" else ("#", ".")

    def update(self, job: Job) -> None:
        """Show the state of each source."""
        if self._live:
            self._redraw(job)
        else:
            self._tell(job)

    def interject(self, line: str) -> None:
        """A line between two states; what is drawn next stands below it."""
        self._out.write(f"\n{line}\n" if self._live else f"{line}\n")
        self._out.flush()
        self._drawn = 0

    def _redraw(self, job: Job) -> None:
        width = shutil.get_terminal_size().columns
        name_width = max((len(answer.name) for answer in job.sources), default=0)
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        lines = []
        for answer in job.sources:
            head = f"{text.safe(answer.name).ljust(name_width)}  {self.bar(answer)}  "
            tail = text.safe(_state(answer))
            lines.append(f"\r\x1b[2K{head}{self._paint(answer, tail[: max(0, width - len(head) - 1)])}\n")
        self._out.write(up + "".join(lines))
        self._out.flush()
        self._drawn = len(lines)

    def bar(self, answer: SourceAnswer) -> str:
        """How far the source is in the window, or was when it was broken off."""
        if answer.verdict is None:
            self._reached[answer.name] = min(1.0, max(0.0, answer.progress))
        elif answer.verdict not in BROKEN_OFF:
            self._reached[answer.name] = 1.0
        done = self._reached.get(answer.name, 0.0)
        full = int(done * BAR_CELLS)
        return f"{self._cells[0] * full}{self._cells[1] * (BAR_CELLS - full)} {int(done * 100):3d} %"

    def _tell(self, job: Job) -> None:
        for answer in job.sources:
            # A sentence from before the first packet has been overtaken by it.
            sentence = "" if answer.packets else answer.sentence
            news = (answer.verdict, sentence, int(answer.progress * STEPS), answer.attempt)
            if answer.verdict is None and not answer.sentence and not answer.packets:
                continue
            if self._shown.get(answer.name) != news:
                self._shown[answer.name] = news
                self._out.write(f"{text.safe(answer.name)}: {text.safe(_state(answer))}\n")
        self._out.flush()

    def _paint(self, answer: SourceAnswer, shown: str) -> str:
        if not self._colour or answer.verdict is None:
            return shown
        tone = "good" if answer.verdict in FULL else "bad" if answer.verdict in _BAD else "short"
        return f"{_COLOURS[tone]}{shown}{_COLOURS['plain']}"


def saved(job: Job, path: Path) -> str:
    """A line that says what was saved, and where."""
    size_bytes = path.stat().st_size if path.is_file() else job.pcap and job.pcap.size
    size = f" ({size_text(size_bytes)})" if size_bytes else ""
    return text.safe(f"Saved {packets_text(job.packets)} to {path}{size}")


def verdict_lines(job: Job) -> list[str]:
    """One line per source: its verdict in a sentence, and what to do next where there is something."""
    lines = []
    for answer in job.sources:
        word = answer.verdict.value if answer.verdict else "no verdict"
        lines.append(text.safe(f"{answer.name}: {word}. {answer.sentence}".rstrip(". ") + "."))
        if answer.next_step:
            lines.append(text.safe(f"  {answer.next_step}"))
    return lines


def _state(answer: SourceAnswer) -> str:
    """What the source is at, in a few words."""
    amount = f"{packets_text(answer.packets)}, {size_text(answer.bytes)}"
    if answer.verdict is not None:
        return f"{answer.verdict.value}: {amount}"
    if answer.sentence and not answer.packets:
        return answer.sentence
    if answer.attempt == 0:
        return "waiting for its worker"
    return f"reading, {amount}"
