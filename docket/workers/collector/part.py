"""What the collector knows of one source's share of one job. It is written into the ledger with every change.

A reading is (attempt, run). Only one counts at a time, the latest; fragments of it are taken in order, once
each. What does not fit is dropped, and a hole makes the reading worthless: it is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import msgspec

from docket.bus.messages import Fragment, FragmentKind
from docket.domain.decoding import prepare
from docket.domain.job import SourceAnswer, Verdict
from docket.domain.plain_text import shortened
from docket.domain.refinement import SPOOL_SOURCE
from docket.domain.request import Request, fingerprint
from docket.domain.timewindow import Window, format_us
from docket.packet.pcap import ETHERNET, FILE_HEADER_BYTES, LARGEST_RECORD_BYTES, file_header
from docket.packet.pcapng import HIGHEST_LINKTYPE

MOST_CHANNELS = 4_096
"""A refinement has one for each source of its parent."""

LONGEST_SENT = LONGEST_SENTENCE = 2_000
LONGEST_STEP = 500
"""Characters of what a source was given, and of what it says, that are kept: every event of the job carries them, once
per source."""
_AGAIN = " Asked again: "
OTHER_QUESTION = (
    "What was read is not what this job asks: its id was used for two questions, or worker and collector are of "
    "different versions."
)


_NO_VERDICT: dict[str, Any] = {"verdict": None, "usable": False, "sentence": "", "next_step": ""}
_NO_TIMES: dict[str, Any] = {"first_us": None, "last_us": None, "through_us": None}


class Outcome(Enum):
    """What became of a fragment."""

    DROPPED = auto()
    """Known already, of an older reading, or too late."""
    BEGUN = auto()
    """A new reading; whatever the part held before is worthless."""
    DATA = auto()
    """The body is to be appended to the part."""
    SAID = auto()
    """The source said something new about itself."""
    MOVED = auto()
    """The source is further through its window, nothing else."""
    ENDED = auto()
    """The reading is over and brought a verdict."""
    BROKEN = auto()
    """Something is missing: the source must read again."""


class Earlier(msgspec.Struct, frozen=True):
    """The verdict on what the part holds, kept while the source is asked once more."""

    verdict: Verdict
    usable: bool
    sentence: str
    next_step: str


class Channel(msgspec.Struct):
    """One file of a part: packets of one link type, one resolution and one origin."""

    origin: str = ""
    """The source that recorded them, where a refinement took them from its result; empty for the part's own."""
    linktype: int = ETHERNET
    nanoseconds: bool = False
    """Its records tell nanoseconds; microseconds otherwise."""
    size_bytes: int = FILE_HEADER_BYTES
    claim: str = ""
    """The name under which its file was taken over from the source's worker, which may still have it open."""

    @property
    def filled(self) -> bool:
        return self.size_bytes > FILE_HEADER_BYTES

    @property
    def beginning(self) -> bytes:
        """What stands before its records."""
        return file_header(self.linktype, LARGEST_RECORD_BYTES, nanoseconds=self.nanoseconds)


class Part(msgspec.Struct):
    """One source's part. Its bytes are in the spool, as far as its channels say."""

    source: str
    attempt: int = 0
    run: str = ""
    next_seq: int = 0
    least_attempt: int = 0
    """Set when it is asked once more: an answer of the time before, which comes only now, does not count."""
    begun: bool = False
    """The reading has begun in this revision of the job."""
    broken: bool = False
    """This reading is worth nothing any more: a fragment is missing, or the source was asked once more."""
    channels: list[Channel] = msgspec.field(default_factory=list)
    """Most sources have one."""
    current: int = 0
    """The channel of the latest fragment with packets."""
    packets: int = 0
    trimmed: int = 0
    received: int = 0
    first_us: int | None = None
    last_us: int | None = None
    through_us: int | None = None
    sentence: str = ""
    next_step: str = ""
    sent: str = ""
    kept: str = ""
    verdict: Verdict | None = None
    usable: bool = False
    ended: bool = False
    """The reading said itself that it is over: its worker writes nothing more."""
    earlier: Earlier | None = None

    @classmethod
    def of_record(cls, answer: SourceAnswer) -> Part:
        """The part as a job's record tells of it: nothing has come yet, or its details are forgotten."""
        return cls(
            source=answer.name,
            attempt=answer.attempt,
            broken=answer.verdict is not None,
            channels=[Channel(size_bytes=FILE_HEADER_BYTES + answer.bytes)] if answer.bytes else [],
            packets=answer.packets,
            trimmed=answer.trimmed,
            received=answer.received,
            sentence=answer.sentence,
            next_step=answer.next_step,
            sent=answer.sent,
            kept=answer.kept,
            verdict=answer.verdict,
            usable=answer.usable,
        )

    @property
    def record_bytes(self) -> int:
        """Of its packets, with the headers of their records."""
        return sum(channel.size_bytes - FILE_HEADER_BYTES for channel in self.channels)

    def origin(self, number: int) -> str:
        """The source that recorded the packets of a channel."""
        return self.channels[number].origin or self.source

    @property
    def closed(self) -> bool:
        """The source has its verdict; nothing it says counts any more in this revision."""
        return self.verdict is not None

    def take(self, fragment: Fragment, request: Request) -> Outcome:
        """Judge one fragment and note its facts. The caller writes the body and tells the size."""
        reading, current = (fragment.attempt, fragment.run), (self.attempt, self.run)
        if self.closed or reading < current or fragment.attempt < self.least_attempt:
            return Outcome.DROPPED
        if fragment.kind is FragmentKind.STATUS:
            return self._take_status(fragment)
        if reading > current:
            is_other = fragment.question not in ("", fingerprint(request))
            if is_other and fragment.attempt > 1:
                self.close(Verdict.REFUSED, OTHER_QUESTION, usable=False)
                return Outcome.ENDED
            self._begin(fragment)
            if fragment.kind is FragmentKind.BEGIN and fragment.seq == 0 and not is_other:
                return Outcome.BEGUN
            self.broken = True
            return Outcome.BROKEN
        if self.broken or fragment.seq < self.next_seq:
            return Outcome.DROPPED
        if fragment.seq > self.next_seq or fragment.kind is FragmentKind.BEGIN:
            self.broken = True
            return Outcome.BROKEN
        self.next_seq += 1
        if fragment.kind is FragmentKind.DATA and not self._choose_channel(fragment):
            unfit = f"Some of its packets have the link type {fragment.linktype}, which no capture can hold."
            self.close(Verdict.CUT, unfit, usable=self.packets > 0)
            return Outcome.ENDED
        self.trimmed += fragment.trimmed
        self.received += fragment.received
        self._move(fragment)
        if fragment.kind is FragmentKind.END:
            verdict, self.ended = fragment.verdict or Verdict.CUT, True
            self.close(verdict, fragment.sentence, usable=fragment.usable, next_step=fragment.next_step)
            return Outcome.ENDED
        self.packets += fragment.packets
        self.sentence = ""  # what it waited for is past, and would be named as the cause of a later end
        return Outcome.DATA

    def close(self, verdict: Verdict, sentence: str, *, usable: bool, next_step: str = "") -> None:
        """Give the source its verdict. If it was asked once more and did not even begin, the verdict on what it
        sent the time before stays."""
        if self.earlier is not None:
            # Of the times in between nothing is said: they may be many.
            first = self.earlier.sentence.partition(_AGAIN)[0]
            sentence = f"{shortened(first, LONGEST_SENTENCE // 2)}{_AGAIN}{sentence}".strip()
            verdict, usable = self.earlier.verdict, self.earlier.usable
            next_step = next_step or self.earlier.next_step
            self.earlier = None
        self.verdict, self.usable = verdict, usable
        self._say(sentence, next_step)

    def reopen(self, *, kept: bool) -> None:
        """Ask the source once more. With `kept`, what it sent before counts until the new reading begins."""
        if kept and self.verdict is not None and self.packets:
            self.earlier = Earlier(self.verdict, self.usable, self.sentence, self.next_step)
        else:
            self._forget_packets()
        self.verdict, self.usable = None, False
        self.sentence, self.next_step = "", ""
        # The reading of before may still be under way; it must not go on where it was, nor come late.
        self.begun, self.broken, self.least_attempt = False, True, self.next_attempt

    @property
    def next_attempt(self) -> int:
        """The attempt that an order to read again must carry. The first attempt belongs to the request itself,
        which may still lie in the source's queue."""
        return max(self.attempt, 1) + 1

    def answer(self, window: Window, sha256: str | None = None) -> SourceAnswer:
        """The source's share as everybody sees it."""
        return SourceAnswer(
            name=self.source,
            verdict=self.verdict,
            sentence=self.sentence,
            packets=self.packets,
            bytes=self.record_bytes,
            trimmed=self.trimmed,
            received=self.received,
            first=None if self.first_us is None else format_us(self.first_us),
            last=None if self.last_us is None else format_us(self.last_us),
            progress=self._progress(window),
            attempt=self.attempt,
            sent=self.sent,
            kept=self.kept,
            usable=self.usable,
            next_step=self.next_step,
            sha256=sha256,
        )

    def _take_status(self, fragment: Fragment) -> Outcome:
        if (fragment.attempt, fragment.run) == (self.attempt, self.run):
            self._move(fragment)
        if not fragment.sentence or shortened(fragment.sentence, LONGEST_SENTENCE) == self.sentence:
            return Outcome.MOVED
        self._say(fragment.sentence)
        return Outcome.SAID

    def _say(self, sentence: str, next_step: str | None = None) -> None:
        self.sentence = shortened(sentence, LONGEST_SENTENCE)
        if next_step is not None:
            self.next_step = shortened(next_step, LONGEST_STEP)

    def _begin(self, fragment: Fragment) -> None:
        self.attempt, self.run, self.next_seq = fragment.attempt, fragment.run, 1
        self.begun, self.broken, self.ended, self.earlier = True, False, False, None
        self._forget_packets()
        self._say(fragment.sentence, "")
        self.sent, self.kept = shortened(fragment.sent, LONGEST_SENT), shortened(fragment.kept, LONGEST_SENT)
        self._move(fragment)

    def _choose_channel(self, fragment: Fragment) -> bool:
        """The one that the fragment's packets belong to; False if there can be none."""
        # Only the inspector reads packets that another source recorded.
        origin = fragment.origin if self.source == SPOOL_SOURCE else ""
        wanted = (origin, fragment.linktype, fragment.nanoseconds)
        for number, channel in enumerate(self.channels):
            if (channel.origin, channel.linktype, channel.nanoseconds) == wanted:
                self.current = number
                return True
        if len(self.channels) >= MOST_CHANNELS or fragment.linktype > HIGHEST_LINKTYPE:
            return False
        self.current = len(self.channels)
        self.channels.append(Channel(*wanted))
        return True

    def _forget_packets(self) -> None:
        self.channels, self.current, self.packets, self.trimmed, self.received = [], 0, 0, 0, 0
        self.first_us = self.last_us = self.through_us = None

    def _move(self, fragment: Fragment) -> None:
        self.first_us = _pick(min, self.first_us, fragment.first_us)
        self.last_us = _pick(max, self.last_us, fragment.last_us)
        self.through_us = _pick(max, self.through_us, fragment.through_us)

    def _progress(self, window: Window) -> float:
        if self.closed:
            return 1.0
        reached_us = _pick(max, self.through_us, self.last_us)
        if reached_us is None:
            return 0.0
        share = (reached_us - window.after_us) / max(window.before_us - window.after_us, 1)
        return round(min(max(share, 0.0), 1.0), 4)


def parted(fragment: Fragment) -> list[Fragment]:
    """What a fragment stands for: one that is a whole answer for the three of a reading that takes longer."""
    if fragment.kind is not FragmentKind.END or fragment.seq != 0:
        return [fragment]
    replace = msgspec.structs.replace
    end = replace(fragment, seq=1, sent="", kept="", question="")
    bare = replace(end, packets=0, trimmed=0, received=0, body=b"")
    begin = replace(
        bare,
        **_NO_VERDICT,
        **_NO_TIMES,
        seq=0,
        kind=FragmentKind.BEGIN,
        sent=fragment.sent,
        kept=fragment.kept,
        question=fragment.question,
    )
    if not fragment.packets:
        return [begin, replace(end, body=b"")]
    return [begin, replace(end, **_NO_VERDICT, kind=FragmentKind.DATA), replace(bare, seq=2)]


def encode_part(part: Part) -> bytes:
    """For the ledger."""
    return msgspec.json.encode(part)


def decode_part(body: bytes) -> Part:
    return msgspec.json.decode(body, type=Part)


def _pick(choose: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    """The choice between two numbers that may both be unknown."""
    if one is None or other is None:
        return one if other is None else other
    return choose(one, other)


prepare(Part)
