"""Packets that a worker leaves in the spool: only where they are taken, never twice, and over the bus otherwise."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from docket.bus.memory.memory_broker import MemoryBroker
from docket.bus.messages import Fragment, FragmentKind
from docket.config.model import SpoolConfig
from docket.domain.job import Verdict
from docket.packet.pcap import FILE_HEADER_BYTES, Trimmed
from docket.spool import incoming
from docket.spool.incoming import Incoming, claim_name
from docket.workers.interface.fragment_publisher import FRAGMENT_BYTES, FragmentPublisher
from docket.workers.interface.handover import Claim, Handover, handing_over
from docket.workers.interface.verdict_texts import Finding

BUS = "rabbit@rock01 /docket"
SOURCE = "rock01:em1"
READING = Fragment(job="job", source=SOURCE, attempt=1, run="0001", seq=0)


class NamedBroker(MemoryBroker):
    """As RabbitMQ, which says which cluster it is."""

    def identity(self) -> str:
        return BUS


@pytest.fixture
def spool(tmp_path: Path) -> Incoming:
    """The directory `incoming` of a spool whose collector is at work."""
    made = Incoming(tmp_path / "incoming")
    made.announce(BUS)
    return made


def handover(spool: Incoming, reading: Fragment = READING, **settings: int | None) -> Handover | None:
    values = {"min_free_bytes": 0, "handover_bytes": 100} | settings
    return handing_over(SpoolConfig(path=spool.path.parent, **values), NamedBroker())(reading)  # type: ignore[arg-type]


def piece(letter: bytes, size_bytes: int = 100, linktype: int = 1) -> tuple[Trimmed, int]:
    return Trimmed(letter * size_bytes, 1, 0, 5, 5, False), linktype


def published(made: Handover | None, *pieces: tuple[Trimmed, int], end: bool = True) -> list[Claim | None]:
    """Where each of these pieces of a reading lies; None: it is sent."""
    assert made is not None
    claims = [made.put((linktype, False, ""), found.body) for found, linktype in pieces]
    made.close(wanted=end)
    return claims


def test_large_answer_is_left_in_the_spool_behind_what_was_sent(spool: Incoming) -> None:
    """A hundred bytes go over the bus; what follows lies where the collector's part has it."""
    said = published(handover(spool), piece(b"a"), piece(b"b"), piece(b"c", 50))
    name = claim_name(SOURCE, "job", "0001")
    assert said == [None, (name, FILE_HEADER_BYTES + 100, 100), (name, FILE_HEADER_BYTES + 200, 50)]
    kept = spool.found(SOURCE, "job", "0001").read_bytes()
    assert kept[FILE_HEADER_BYTES + 100 :] == b"b" * 100 + b"c" * 50
    assert os.stat(spool.found(SOURCE, "job", "0001")).st_mode & 0o777 == 0o640


def test_fragments_say_where_the_packets_are(spool: Incoming) -> None:
    """The publisher's fragments have no body then, and the same numbers, counts and end as otherwise."""
    said: list[Fragment] = []
    publisher = FragmentPublisher(said.append, READING, handover(spool, handover_bytes=0))
    publisher.add(*piece(b"a"))
    publisher.finish(Finding(Verdict.COMPLETE, "All."))
    publisher.close()
    assert [(one.kind, one.seq, bytes(one.body), one.packets) for one in said] == [
        (FragmentKind.BEGIN, 0, b"", 0),
        (FragmentKind.DATA, 1, b"", 1),
        (FragmentKind.END, 2, b"", 0),
    ]
    assert said[1].claim_bytes == 100


def test_one_fragment_stands_for_all_that_was_left_meanwhile(spool: Incoming) -> None:
    """While the bus is busy, packets in the spool do not wait for it: one word about all of them is enough."""
    said: list[Fragment] = []
    free = threading.Event()

    def publish(fragment: Fragment) -> None:
        assert free.wait(10)
        said.append(fragment)

    publisher = FragmentPublisher(publish, READING, handover(spool, handover_bytes=FRAGMENT_BYTES))
    for letter in (b"a", b"b", b"c", b"d"):
        publisher.add(*piece(letter, FRAGMENT_BYTES))
    free.set()
    publisher.finish(Finding(Verdict.COMPLETE, "All."))
    publisher.close()
    assert [(one.seq, one.packets, len(one.body), one.claim_bytes) for one in said] == [
        (0, 0, 0, None),
        (1, 1, FRAGMENT_BYTES, None),
        (2, 3, 0, 3 * FRAGMENT_BYTES),
        (3, 0, 0, None),
    ]
    assert spool.found(SOURCE, "job", "0001").read_bytes()[said[2].claim_at :] == b"".join(
        letter * FRAGMENT_BYTES for letter in (b"b", b"c", b"d")
    )


def test_small_answer_makes_no_file(spool: Incoming) -> None:
    """It is sooner over the bus."""
    assert published(handover(spool), piece(b"a")) == [None]
    assert not spool.directory(SOURCE).exists()


def test_packets_of_another_kind_go_over_the_bus(spool: Incoming) -> None:
    """They belong into another file of the part."""
    said = published(handover(spool, handover_bytes=0), piece(b"a"), piece(b"b", linktype=101), piece(b"c"))
    assert [claim is not None for claim in said] == [True, False, True]


def test_reading_that_was_given_up_leaves_nothing(spool: Incoming) -> None:
    """Neither a cancelled one nor one that died."""
    published(handover(spool, handover_bytes=0), piece(b"a"), end=False)
    assert not list(spool.directory(SOURCE).iterdir())


def test_full_disk_sends_the_rest_over_the_bus(spool: Incoming) -> None:
    """The collector decides what a full disk means for the job."""
    said = published(handover(spool, min_free_bytes=1 << 62, handover_bytes=0), piece(b"a"))
    assert said == [None]


def test_repeated_reading_goes_over_the_bus(spool: Incoming) -> None:
    """Whatever kept the collector from the file does not keep it from these."""
    again = Fragment(job="job", source=SOURCE, attempt=2, run="0002", seq=0)
    assert handover(spool, again) is None


def test_no_file_where_none_is_taken(spool: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a sign, with that of a collector on another bus, with an old one, or switched off."""
    assert handover(spool, handover_bytes=None) is None
    spool.announce("rabbit@other /docket")
    assert handover(spool) is None
    spool.withdraw()
    assert handover(spool) is None
    spool.announce(BUS)
    assert handover(spool) is not None
    monkeypatch.setattr(incoming, "SIGN_FRESH_S", -1.0)
    assert handover(spool) is None


def test_bus_within_one_process_hands_nothing_over(spool: Incoming) -> None:
    """There the packets are in memory already."""
    config = SpoolConfig(path=spool.path.parent, min_free_bytes=0, handover_bytes=0)
    assert handing_over(config, MemoryBroker())(READING) is None


def test_directory_that_may_not_be_written_sends_all_over_the_bus(spool: Incoming) -> None:
    """As on a host whose unit does not let the worker in."""
    spool.directory(SOURCE).write_text("no directory")
    assert published(handover(spool, handover_bytes=0), piece(b"a"), piece(b"b")) == [None, None]
