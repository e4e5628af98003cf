"""Four sources with a few minutes of packets, random questions about them, and the right answers."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docket.domain.timewindow import US_PER_S, format_us
from tests.faults.packets import Packet, udp
from tests.faults.scripts import Asked, Break, Script, serve

NAMES = ("rock01:em1", "rock01:em2", "rock02:em1", "rock02:em2")
START_US = 1_699_999_980 * US_PER_S
MINUTES = 5
COUNT = 2_000
"""Packets per source."""
PORTS = (53, 80, 123, 443)
DEADLINE_S = 120

BREAKS = 0.04
"""The share of answers that break off, so that not every job can be completed."""
CANCELS = 0.05
PIECE_PACKETS = 150


def traffic() -> dict[str, list[Packet]]:
    """The packets of each source. Some have the same time as one of another source."""
    step_us = MINUTES * 60 * US_PER_S // COUNT
    return {
        name: [
            udp(
                START_US + number * step_us + (place if number % 5 else 0),
                PORTS[number % len(PORTS)],
                60 + (number * 37 + place) % 400,
                f"10.1.{place}.3",
            )
            for number in range(COUNT)
        ]
        for place, name in enumerate(NAMES)
    }


@dataclass(frozen=True, slots=True)
class Question:
    """One job: what is asked, and whether somebody cancels it soon after."""

    id: str
    port: int | None
    after_us: int
    before_us: int
    sources: tuple[str, ...]
    cancelled: bool
    by_bus: bool
    """Asked by a message on the bus, as a tool does, and not over HTTP."""

    def body(self) -> dict[str, Any]:
        """As HTTP takes it, and with a schema the bus."""
        return {
            "id": self.id,
            "query": "" if self.port is None else f"port {self.port}",
            "after": format_us(self.after_us),
            "before": format_us(self.before_us),
            "sources": list(self.sources),
            "deadline_s": DEADLINE_S,
        }

    def truth(self, packets: dict[str, list[Packet]]) -> list[Packet]:
        """What the answer must hold, in its order."""
        return list(
            heapq.merge(
                *([packet for packet in packets[name] if self._wants(packet)] for name in self.sources),
                key=lambda packet: packet.time_us,
            )
        )

    def _wants(self, packet: Packet) -> bool:
        port = int.from_bytes(packet.data[36:38], "big")
        return self.after_us <= packet.time_us < self.before_us and self.port in (None, port)


def questions(chance: random.Random, count: int) -> list[Question]:
    """So many, all of them different."""
    end_us = START_US + MINUTES * 60 * US_PER_S
    asked = []
    for _ in range(count):
        after_us, before_us = sorted(chance.sample(range(START_US, end_us), 2))
        asked.append(
            Question(
                id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                port=chance.choice((None, *PORTS)),
                after_us=after_us,
                before_us=before_us,
                sources=tuple(chance.sample(NAMES, chance.choice((1, 2, 4, 4)))),
                cancelled=chance.random() < CANCELS,
                by_bus=chance.random() < 0.2,
            )
        )
    return asked


def moody(chance: random.Random) -> Script:
    """Answers piece by piece, with pauses; a few break off."""
    lock = threading.Lock()
    pause = threading.Event()

    def script(asked: Asked) -> Iterator[bytes]:
        with lock:
            place = chance.randrange(COUNT) if chance.random() < BREAKS else None
            pauses_s = [chance.random() * 0.05 for _ in range(COUNT // PIECE_PACKETS + 1)]
        pieces = serve(asked)
        sent = 0
        for pause_s in pauses_s:
            piece = list(itertools.islice(pieces, PIECE_PACKETS))
            if place is not None and sent + len(piece) > place:
                yield b"".join(piece[: place - sent])
                raise Break
            if not piece:
                return
            yield b"".join(piece)
            sent += len(piece)
            pause.wait(pause_s)

    return script
