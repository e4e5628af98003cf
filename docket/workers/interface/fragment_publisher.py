"""Publishes the fragments of one reading, in order, while the reading goes on. For `reading` only.

A reading that is over within a tenth of a second, with little, is one message. Any other has a thread of its own, so
that the store is read while the broker confirms. Packets wait for each other until they fill a fragment, but never
longer than a tenth of a second. At most two megabytes wait: then the reader does. Packets that are handed over through
the spool are there already, and fragments only say so: those may stand for more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import msgspec

from docket.bus.messages import Fragment, FragmentKind
from docket.domain.ids import new_run
from docket.domain.job import Verdict
from docket.packet.pcap import Trimmed
from docket.workers.interface.delayed_calls import DelayedCalls
from docket.workers.interface.handover import Claim, Form, Handover
from docket.workers.interface.verdict_texts import Finding

FRAGMENT_BYTES = 1024 * 1024
"""Each fragment costs worker, broker and collector about half a millisecond, whatever is in it."""
LINGER_S = 0.1
WHOLE_BYTES = 256 * 1024
"""An answer of up to this may go as one message, which the broker writes to its disk."""
MOST_WAITING_BYTES = 2 * FRAGMENT_BYTES
CLAIMED_FOR_ONE = 16
"""So many bytes that lie in the spool count as one: they take no room here, and cost nothing on the bus."""
PROGRESS_S = 1.0
"""How often a reading without packets tells how far it is."""

_OF_PACKETS = ("packets", "trimmed", "received", "first_us", "last_us", "linktype", "nanoseconds", "origin")
"""What a fragment says of the packets in it."""

WAIT_S = 1.0
"""A reading that has had no turn for so long says that it has begun all the same."""

_AFTER_LINGER, _AFTER_WAIT = DelayedCalls(LINGER_S), DelayedCalls(WAIT_S)

Publish = Callable[[Fragment], None]
"""Returns when the fragment is confirmed; raises BusError when that became hopeless."""

_OF_BEGIN = ("sent", "kept", "question")
"""What is said once, at the beginning."""


class _Piece(NamedTuple):
    """Packets that wait to be published. Of those that lie in the spool the body is left out."""

    found: Trimmed
    form: Form
    claim: Claim | None

    @property
    def weight(self) -> int:
        """In bytes."""
        if self.claim is None:
            return len(self.found.body)
        return self.claim.bytes // CLAIMED_FOR_ONE + len(self.found.lengths)

    def goes_with(self, other: _Piece) -> bool:
        return self.form == other.form and (self.claim is None) == (other.claim is None)


class FragmentPublisher:
    """Carries what one reading has to say. Use from the reading's thread, and `close` it in any case."""

    def __init__(self, publish: Publish, template: Fragment, handover: Handover | None = None) -> None:
        """`template` names the reading. With `handover` packets may go past the bus."""
        self._publish = publish
        self._handover = handover
        self._template = template
        self._condition = threading.Condition()
        self._words: deque[Fragment] = deque([msgspec.structs.replace(template, kind=FragmentKind.BEGIN, seq=0)])
        self._pieces: deque[_Piece] = deque()
        self._waiting_bytes = 0
        self._waiting_since_s = 0.0
        self._outside = 0
        self._received = 0
        self._seq = 0
        self._through_us: int | None = None
        self._told_us: int | None = None
        self._told_s = 0.0
        self._far: Callable[[], int | None] = lambda: None
        self._end: Fragment | None = None
        self._ended = False
        self._closed = False
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None
        _AFTER_WAIT.add(self._begin)

    def begin_soon(self) -> None:
        """The source is being read from now on: if that lasts, its `begin` goes out."""
        _AFTER_LINGER.add(self._begin)

    def add(
        self, piece: Trimmed, linktype: int, *, nanoseconds: bool = False, origin: str = "", announce: bool = False
    ) -> None:
        """Packets, or a count of packets outside the window. Waits while too much is waiting. Raises BusError.

        `announce`: say that there may be packets of this kind, also where there are none by now.
        """
        with self._condition:
            while self._waiting_bytes >= MOST_WAITING_BYTES and self._error is None:
                self._condition.wait()
            self._raise_error()
            self._outside += piece.outside
        if piece.packets or announce:
            self._put(piece, (linktype, nanoseconds, origin))

    def _put(self, piece: Trimmed, form: Form) -> None:
        claim = self._handover.put(form, piece.body) if self._handover is not None and piece.body else None
        waiting = _Piece(piece if claim is None else piece._replace(body=b""), form, claim)
        with self._condition:
            if not self._pieces:
                self._waiting_since_s = time.monotonic()
            self._pieces.append(waiting)
            self._waiting_bytes += waiting.weight
            if self._waiting_bytes >= FRAGMENT_BYTES:
                self._start()
            if len(self._pieces) == 1 or self._waiting_bytes >= FRAGMENT_BYTES:
                self._condition.notify_all()

    def count(self, received: int) -> None:
        """So many packets came from the store, whatever becomes of them."""
        with self._condition:
            self._received += received

    def advance(self, through_us: int) -> None:
        """Every packet before this time has been added."""
        with self._condition:
            self._through_us = max(through_us, self._through_us or through_us)
            self._condition.notify_all()

    def watch(self, far: Callable[[], int | None]) -> None:
        """Ask this, now and then, before what time every packet has been added."""
        with self._condition:
            self._far = far

    def say(self, sentence: str) -> None:
        """A status, for people. Raises BusError."""
        with self._condition:
            self._raise_error()
            self._words.append(self._fragment(FragmentKind.STATUS, seq=-1, sentence=sentence))
            self._start()
            self._condition.notify_all()

    def finish(self, finding: Finding) -> None:
        """Send the rest, then the `end` with the verdict; returns when it is confirmed. Raises BusError."""
        with self._condition:
            self._raise_error()
            self._end = self._fragment(FragmentKind.END, seq=0, **asdict(finding))
            whole = self._whole()
            if whole is None:
                self._start()
            self._condition.notify_all()
        if whole is not None:
            self._publish(whole)
        self._join()
        self._raise_error()

    def close(self) -> None:
        """Throw away what is waiting and stop after the message that is under way."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._join()
        if self._handover is not None:
            self._handover.close(wanted=self._ended)

    def _begin(self) -> None:
        """The reading takes longer than a moment."""
        with self._condition:
            self._start()

    def _start(self) -> None:
        """From now on there is a thread that publishes. Under the lock."""
        if self._thread is None and not (self._closed or self._ended):
            name = f"publisher of {self._template.source}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _whole(self) -> Fragment | None:
        """All that there is to say, as one message; None if it is too much for one. Under the lock."""
        over_the_bus_bytes = WHOLE_BYTES if self._handover is None else self._handover.over_the_bus_bytes
        too_large = self._waiting_bytes > min(WHOLE_BYTES, over_the_bus_bytes)
        apart = any(piece.claim is not None or not piece.found.packets for piece in self._pieces)
        if self._thread is not None or too_large or apart or len({piece.form for piece in self._pieces}) > 1:
            return None
        assert self._end is not None
        facts: dict[str, Any] = {}
        if self._pieces:
            packets = self._packed()
            facts = {name: getattr(packets, name) for name in _OF_PACKETS} | {"body": packets.body}
        facts = self._counted() | facts
        self._ended = True
        of_begin = {name: getattr(self._template, name) for name in _OF_BEGIN}
        return msgspec.structs.replace(self._end, **of_begin, **facts)

    def _run(self) -> None:
        try:
            while (following := self._next()) is not None:
                self._publish(following)
        except Exception as error:  # noqa: BLE001
            # Not swallowed: the reading's thread raises it at its next step, whatever it is.
            with self._condition:
                self._error = error
                self._condition.notify_all()

    def _next(self) -> Fragment | None:
        """Wait for the next thing to publish; None when all is said."""
        with self._condition:
            while not (self._closed or self._ended):
                now_s = time.monotonic()
                if self._words:
                    return self._words.popleft()
                if self._pieces:
                    rest_s = LINGER_S - (now_s - self._waiting_since_s)
                    if self._waiting_bytes >= FRAGMENT_BYTES or self._end is not None or rest_s <= 0:
                        return self._packed()
                elif self._end is not None:
                    self._ended = True
                    self._seq += 1
                    return msgspec.structs.replace(self._end, seq=self._seq, **self._counted())
                else:
                    rest_s = PROGRESS_S - (now_s - self._told_s)
                    if rest_s <= 0:
                        self._told_s, rest_s = now_s, PROGRESS_S
                        reached_us = self._reached_us()
                        if reached_us != self._told_us:
                            self._told_us = reached_us
                            return self._fragment(FragmentKind.STATUS, seq=-1, through_us=reached_us)
                self._condition.wait(rest_s)
            return None

    def _packed(self) -> Fragment:
        """As many of the waiting packets as make one fragment."""
        first = self._pieces.popleft()
        taken, weight = [first], first.weight
        others: deque[_Piece] = deque()
        # Pieces of other forms are passed over: packets of several link types may alternate one by one.
        while self._pieces:
            piece = self._pieces[0]
            if piece.form == first.form and (not piece.goes_with(first) or weight + piece.weight > FRAGMENT_BYTES):
                break
            self._pieces.popleft()
            if piece.form == first.form:
                taken.append(piece)
                weight += piece.weight
            else:
                others.append(piece)
        self._pieces.extendleft(reversed(others))
        self._waiting_bytes -= weight
        self._waiting_since_s = time.monotonic()
        self._condition.notify_all()
        self._seq += 1
        found, (linktype, nanoseconds, origin) = [piece.found for piece in taken], first.form
        return self._fragment(
            FragmentKind.DATA,
            seq=self._seq,
            packets=sum(piece.packets for piece in found),
            first_us=min((piece.first_us for piece in found if piece.first_us is not None), default=None),
            last_us=max((piece.last_us for piece in found if piece.last_us is not None), default=None),
            linktype=linktype,
            nanoseconds=nanoseconds,
            origin=origin,
            **_where(taken),
            **self._counted(),
        )

    def _counted(self) -> dict[str, int | None]:
        """What every numbered fragment tells besides."""
        outside, self._outside = self._outside, 0
        received, self._received = self._received, 0
        self._told_s = time.monotonic()
        self._told_us = self._reached_us()
        return {"trimmed": outside, "received": received, "through_us": self._told_us}

    def _reached_us(self) -> int | None:
        """Before what time everything has been published; known only when nothing is waiting."""
        if self._pieces:
            return self._told_us
        known = [reached for reached in (self._told_us, self._through_us, self._far()) if reached is not None]
        return max(known, default=None)

    def _fragment(self, kind: FragmentKind, **facts: Any) -> Fragment:
        return msgspec.structs.replace(self._template, **({"kind": kind} | dict.fromkeys(_OF_BEGIN, "") | facts))

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def _where(pieces: Sequence[_Piece]) -> dict[str, Any]:
    """The packets of pieces that go together, or where they lie, one behind the other."""
    claim = pieces[0].claim
    if claim is None:
        bodies = [piece.found.body for piece in pieces]
        return {"body": bodies[0] if len(bodies) == 1 else b"".join(bodies)}
    size_bytes = sum(piece.claim.bytes for piece in pieces if piece.claim is not None)
    lengths = [piece.found.lengths for piece in pieces]
    reported = b"".join(lengths) if all(lengths) else b""
    return {"body": reported, "claim": claim.name, "claim_at": claim.at, "claim_bytes": size_bytes}


def refusal(job_id: str, source: str, attempt: int, sentence: str, next_step: str) -> Fragment:
    """A whole answer in place of a reading, of a run of its own."""
    return Fragment(
        job=job_id,
        source=source,
        attempt=attempt,
        run=new_run(),
        seq=0,
        kind=FragmentKind.END,
        verdict=Verdict.REFUSED,
        sentence=sentence,
        next_step=next_step,
    )
