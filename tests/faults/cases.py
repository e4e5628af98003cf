"""Every way in which a source can fall short, and what Docket must make of it. For `table`.

Each case is one source of a running Docket, asked together with a good one: its faults must not cost the good
one's packets. The times of all packets lie in the past, in files of a minute, as stenographer has them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from docket.domain.timewindow import US_PER_S, format_us
from docket.packet.pcap import file_header
from tests.faults import scripts
from tests.faults.certificates import Authority, Pair
from tests.faults.packets import Packet, capture, udp
from tests.faults.scripts import Asked, Break, Script
from tests.faults.stand_in import StandIn
from tests.services.ports import free_port

START_US = 1_699_999_980 * US_PER_S
MINUTE_US = 60 * US_PER_S
AFTER_US, BEFORE_US = START_US + MINUTE_US, START_US + 4 * MINUTE_US
COUNT = 600
"""Packets of a source: five minutes, two a second."""
DEADLINE_S = 40
SOON_S = 5
"""The deadline of what is to be overtaken by it."""
GOOD = "good:em1"


def traffic(offset_us: int, address: str) -> list[Packet]:
    """The packets of one source. Every tenth is larger, so that limits in bytes fall between packets."""
    return [
        udp(START_US + number * US_PER_S // 2 + offset_us, size=600 if number % 10 == 0 else 60, source=address)
        for number in range(COUNT)
    ]


GOOD_PACKETS = traffic(0, "10.7.7.7")
PACKETS = traffic(1000, "10.1.2.3")


def wanted(packets: Sequence[Packet] = PACKETS) -> list[Packet]:
    """Those inside the window."""
    return [packet for packet in packets if AFTER_US <= packet.time_us < BEFORE_US]


class Due(NamedTuple):
    """The packets that must be in the result."""

    packets: Sequence[Packet]
    how: str = "all"
    """`all`: exactly these. `beginning`: these as far as they come, none left out. `some`: nothing but these."""

    def fault(self, got: Sequence[Packet]) -> str:
        """What is wrong with what came, or an empty text."""
        right = {
            "all": list(got) == list(self.packets),
            "beginning": list(got) == list(self.packets[: len(got)]),
            "some": set(got) <= set(self.packets),
        }
        return "" if right[self.how] else f"{len(got)} packets, not {self.how} of the {len(self.packets)} right ones"


WHOLE = Due(wanted())
NOTHING = Due([])


def first(count: int, how: str = "all") -> Due:
    """Those inside the window among the first so many of the source."""
    return Due([packet for packet in PACKETS[:count] if packet.time_us >= AFTER_US], how)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault of a source and what must come of it."""

    fault: str
    verdict: str
    state: str
    words: str
    """Must stand in the sentence."""
    due: Due
    script: Script = scripts.serve
    ask: dict[str, Any] = field(default_factory=dict)
    """Fields of the question that differ."""
    alone: bool = False
    """Ask this source only."""
    source: dict[str, Any] = field(default_factory=dict)
    """Settings of the source that differ."""
    steno: dict[str, Any] = field(default_factory=dict)
    """Attributes of the stand-in that differ."""
    cancel: bool = False
    """Cancel it as soon as the source is being read."""
    worker: bool = True
    """Whether its worker runs."""
    starts_late: bool = False
    """Start the stand-in only after the question was asked."""
    prepare: Callable[[StandIn], None] | None = None
    """Called with the stand-in before anything is asked."""


def cases(place: Path, rock: Authority) -> list[Case]:
    """All of them. Certificates are made below `place`; `rock` is the sensor's own authority."""
    stranger = Authority(place / "stranger")
    return [*_good(), *_broken(), *_refused(place, rock, stranger), *_away(), *_coverage(), *_limits(), *_late()]


def _good() -> list[Case]:
    complete = ("complete", "completed", "The whole window was read", WHOLE)
    return [
        Case("none", *complete),
        Case("nothing matches", "empty", "completed", "nothing matched", NOTHING, ask={"query": "port 7777"}),
        Case("slow, but in time", *complete, scripts.slow(0.003)),
        Case("nanosecond timestamps", *complete, scripts.nanoseconds),
        Case("big-endian", *complete, scripts.big_endian),
        Case("packets out of order", *complete, scripts.out_of_order),
        Case("another link type", *complete, scripts.link_type(113)),
        Case("nobody listens at first", *complete, starts_late=True),
    ]


def _broken() -> list[Case]:
    cut = ("cut", "partial")
    alike = "ended like a good one, but it is not whole"
    everything = {"query": ""}
    hidden = {"shows_index": False}
    return [
        Case("half a record", *cut, "ends with half a record", first(300), scripts.half_record(300)),
        Case("connection broken", *cut, "broke off", first(300), scripts.broken(300)),
        Case("connection broken at once", *cut, "broke off", NOTHING, scripts.broken(0)),
        Case("connection reset", *cut, "broke off", first(300, "beginning"), scripts.broken(300, reset=True)),
        Case("clean end in the middle", *cut, alike, first(300), scripts.clean_end(300)),
        Case("clean end before anything", *cut, alike, NOTHING, scripts.clean_end(0)),
        Case("clean end one packet early", *cut, alike, first(479), scripts.clean_end(479)),
        Case("clean end, index hidden", *cut, alike, first(300), scripts.clean_end(300), steno=hidden),
        Case("clean end, all asked for", *cut, alike, first(300), scripts.clean_end(300), everything),
        Case("files removed while read", *cut, "removed packets", first(300), prepare=ages),
        Case("garbage after the header", *cut, "at byte 24 there is no packet", NOTHING, scripts.garbage),
        Case("garbage in the middle", *cut, "there is no packet record", first(300), garbage_after(300)),
        Case("cut everywhere", "cut", "failed", "at byte 24", NOTHING, scripts.garbage, alone=True),
    ]


def _refused(place: Path, rock: Authority, stranger: Authority) -> list[Case]:
    refused = ("refused", "partial")
    foreign: Pair = stranger.issue("foreign_client")
    client = {"cert": str(foreign.cert), "key": str(foreign.key)}
    garbled = place / "garbled.pem"
    garbled.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return [
        Case("400", *refused, "HTTP status 400", NOTHING, scripts.status(400)),
        Case("403", *refused, "HTTP status 403", NOTHING, scripts.status(403, "forbidden\n")),
        Case("500", *refused, "HTTP status 500", NOTHING, scripts.status(500, "no disk\n")),
        Case("403 from the only source", "refused", "failed", "403", NOTHING, scripts.status(403), alone=True),
        Case("web page with status 200", *refused, "text in place of packets", NOTHING, scripts.web_page),
        Case("no header at all", *refused, "this is no capture", NOTHING, no_header),
        Case("wrong CA", *refused, "wrong CA", NOTHING, source={"ca": str(stranger.ca.cert)}),
        Case("wrong name", *refused, "name", NOTHING, steno={"certificate": rock.issue("elsewhere")}),
        Case("certificate expired", *refused, "expired", NOTHING, steno={"certificate": _expired(rock)}),
        Case("client not accepted", *refused, "did not accept Docket's client", NOTHING, source=client),
        Case("client's file garbled", *refused, "garbled.pem", NOTHING, source={"cert": str(garbled)}),
    ]


def _away() -> list[Case]:
    nobody = {"url": f"https://127.0.0.1:{free_port()}"}
    return [
        Case("nobody listens", "unreachable", "partial", "Connection refused", NOTHING, source=nobody),
        Case("worker offline", "unreachable", "partial", "is not connected since", NOTHING, worker=False),
    ]


def _coverage() -> list[Case]:
    half_us = START_US + 2 * MINUTE_US
    now_us = time.time_ns() // 1000 // US_PER_S * US_PER_S
    fresh = [udp(now_us - 200 * US_PER_S + number * US_PER_S) for number in range(200)]
    to_now = {"after": format_us(now_us - 190 * US_PER_S), "before": format_us(now_us)}
    soon = {"after": format_us(now_us - 190 * US_PER_S), "before": format_us(now_us + US_PER_S)}
    gone = {"after": format_us(START_US - 9 * MINUTE_US), "before": format_us(START_US - 6 * MINUTE_US)}
    written = [packet for packet in fresh if packet.time_us >= now_us - 190 * US_PER_S]
    return [
        Case(
            "begins before the oldest packet",
            "aged-out",
            "partial",
            "the first 1 min of your window are gone",
            Due([packet for packet in wanted() if packet.time_us >= half_us]),
            steno={"oldest_us": half_us},
        ),
        Case("aged off altogether", "aged-out", "failed", "all of your window is gone", NOTHING, ask=gone, alone=True),
        Case("nothing on disk", "aged-out", "partial", "no packets on disk", NOTHING, steno={"packets": []}),
        Case(
            "not written yet, may not wait",
            "not-yet",
            "partial",
            "had not yet written the packets",
            Due(written),
            ask=to_now | {"wait_for_flush": False},
            alone=True,
            steno={"packets": fresh},
            source={"flush_lag": "120s"},
        ),
        Case(
            "not written yet, waits",
            "complete",
            "completed",
            "The whole window was read",
            Due(written),
            ask=soon,
            alone=True,
            steno={"packets": fresh},
            source={"flush_lag": "2s"},
        ),
        Case(
            "not written before the deadline",
            "not-yet",
            "partial",
            "had not yet written the packets",
            Due(written),
            ask=to_now | {"deadline_s": SOON_S},
            alone=True,
            steno={"packets": fresh},
            source={"flush_lag": "120s"},
        ),
    ]


def _limits() -> list[Case]:
    size_bytes = len(capture(wanted()[:50]))
    ten, fifty = Due(wanted()[:10]), Due(wanted()[:50])
    limited = ("limited", "partial", "stopped at the limit")
    twice = Due(sorted([*wanted(), *wanted()]))
    return [
        Case("limit in packets", *limited, ten, ask={"limits": {"packets": 10}}, alone=True),
        Case("limit in bytes", *limited, fifty, ask={"limits": {"bytes": size_bytes + 5}}, alone=True),
        Case("endless, with a limit", *limited, twice, scripts.endless, {"limits": {"packets": 720}}, alone=True),
    ]


def _late() -> list[Case]:
    late = ("timed-out", "partial", "The job's deadline")
    soon = {"deadline_s": SOON_S}
    return [
        Case("silent from the start", *late, NOTHING, scripts.silent(-1), soon),
        Case("silent after the header", *late, NOTHING, scripts.silent(0), soon),
        Case("silent in the middle", *late, first(300, "beginning"), scripts.silent(300), soon),
        Case("too slow", *late, Due(wanted(), "beginning"), scripts.slow(0.02), soon),
        Case("endless, no limit", *late, Due(wanted(), "some"), trickling, soon),
        Case(
            "silent, and the only source",
            "timed-out",
            "failed",
            late[-1],
            NOTHING,
            scripts.silent(0),
            soon,
            alone=True,
        ),
        Case(
            "cancelled",
            "cancelled",
            "cancelled",
            "Cancelled",
            first(300, "beginning"),
            scripts.silent(300),
            cancel=True,
        ),
    ]


def _expired(rock: Authority) -> Pair:
    return rock.issue("127.0.0.1", expired=True)


def ages(steno: StandIn) -> None:
    """A file is removed while it is being read, and the answer ends there."""

    def script(asked: Asked) -> Iterator[bytes]:
        steno.oldest_us = START_US + MINUTE_US
        yield from itertools.islice(scripts.serve(asked), 301)

    steno.script = script


def garbage_after(count: int) -> Script:
    """So many packets, and then bytes that are no packets, and then good ones again."""

    def script(asked: Asked) -> Iterator[bytes]:
        pieces = list(scripts.serve(asked))
        yield from pieces[: count + 1]
        yield b"\xff" * 40
        yield from pieces[count + 1 :]

    return script


def no_header(asked: Asked) -> Iterator[bytes]:
    """Records without the header of a capture."""
    yield from itertools.islice(scripts.serve(asked), 1, None)


def trickling(asked: Asked) -> Iterator[bytes]:
    """The same packets again and again, a few at a time, until the asker leaves."""
    yield file_header()
    for packet in itertools.cycle(asked.packets):
        if asked.gone():
            raise Break
        yield capture([packet])
        time.sleep(0.001)
