"""What the collector makes of packets that a worker on its machine left in the spool: takes them, or has them sent."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from docket.bus.messages import FragmentKind
from docket.packet.pcap import FILE_HEADER_BYTES
from docket.spool.incoming import IncomingFile, claim_name
from docket.spool.verification import verify_directory
from tests.workers.collector.collector_harness import SOURCES, Rig, at, rig
from tests.workers.packet_records import in_order, records, split

EM1 = records("em1", at(1, 2, 3, 60))
EM2 = records("em2", at(1.5, 2, 30))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as made:
        yield made


class HandedOver:
    """A reading of the first source that leaves its packets in the spool."""

    def __init__(self, harness: Rig, job_id: str, start: int = FILE_HEADER_BYTES) -> None:
        self.reading = harness.reading(job_id)
        self.name = claim_name(SOURCES[0], job_id, self.reading.run)
        directory = harness.spool.incoming.directory(SOURCES[0])
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / self.name
        self.file = IncomingFile(directory, self.name, start, 0)

    def claim(self, body: bytes, /, spoil: Callable[[HandedOver], None] | None = None, **facts: Any) -> None:
        """Write the records, spoil the file, and say where they are."""
        at_offset = self.file.end
        size_bytes = self.file.write([body])
        if spoil is not None:
            spoil(self)
        times = [time for time, _ in split(body)]
        said: dict[str, Any] = {"claim": self.name, "claim_at": at_offset, "claim_bytes": size_bytes}
        said |= {"packets": len(times), "first_us": min(times), "last_us": max(times)}
        self.reading.say(FragmentKind.DATA, **(said | facts))


def asked(harness: Rig) -> str:
    """A job of which the second source's part is there."""
    job_id = harness.ask()
    harness.reading(job_id, 1).begin().data(EM2).end()
    return job_id


def test_packets_left_in_the_spool_become_the_result(harness: Rig) -> None:
    """Merged with what came over the bus; nothing is left behind, and the evidence is whole."""
    job_id = asked(harness)
    handed = HandedOver(harness, job_id)
    handed.reading.begin()
    handed.claim(EM1)
    handed.reading.end()
    handed.file.close()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))
    assert not list(handed.path.parent.iterdir())
    assert verify_directory(harness.spool.job_directory(job_id)).ok


def test_file_follows_what_came_over_the_bus(harness: Rig) -> None:
    """The first packets are sent, the rest is left in the spool behind the room of the first."""
    job_id = asked(harness)
    first, *rest = (body for _, body in split(EM1))
    handed = HandedOver(harness, job_id, FILE_HEADER_BYTES + len(first))
    handed.reading.begin().data(first)
    for body in rest:
        handed.claim(body)
    handed.reading.end()
    harness.settle()
    assert harness.result(job_id) == in_order(EM1, EM2)
    assert verify_directory(harness.spool.job_directory(job_id)).ok


def lengths_of(body: bytes) -> list[int]:
    return [len(record) - 16 for _, record in split(body)]


@pytest.mark.parametrize("lie", [0, 1, 1 << 31])
def test_lengths_that_come_along_are_believed_in_nothing(harness: Rig, lie: int) -> None:
    """True or false, all packets are found, and each fragment's may be of another kind."""
    job_id = asked(harness)
    handed = HandedOver(harness, job_id)
    handed.reading.begin()
    for count, (_, body) in enumerate(split(EM1)):
        told = [length + lie * (count % 2) for length in lengths_of(body)]
        handed.claim(body, body=struct.pack(f"<{len(told)}I", *told))
    handed.reading.end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


def vanished(handed: HandedOver) -> None:
    handed.path.unlink()


def link_elsewhere(handed: HandedOver) -> None:
    handed.path.unlink()
    handed.path.symlink_to("/etc/passwd")


def second_name(handed: HandedOver) -> None:
    os.link(handed.path, handed.path.with_name("kept"))


def pipe(handed: HandedOver) -> None:
    handed.path.unlink()
    os.mkfifo(handed.path)


def shorter(handed: HandedOver) -> None:
    os.truncate(handed.path, FILE_HEADER_BYTES + 4)


@pytest.mark.parametrize("spoil", [vanished, link_elsewhere, second_name, pipe, shorter])
def test_file_that_cannot_be_taken_is_asked_for_over_the_bus(harness: Rig, spoil: Callable[[HandedOver], None]) -> None:
    """The source reads once more, and the answer is as if nothing had happened."""
    job_id = asked(harness)
    handed = HandedOver(harness, job_id)
    handed.reading.begin()
    harness.settle()
    handed.claim(EM1, spoil)
    harness.settle()
    assert harness.state(job_id) == "running"
    harness.reading(job_id, attempt=2, run="0002").begin().data(EM1).end()
    harness.settle()
    assert (harness.state(job_id), harness.result(job_id)) == ("completed", in_order(EM1, EM2))


@pytest.mark.parametrize("name", ["rock02-job-0001.pcap", "kept", ".."])
def test_only_the_file_of_the_reading_is_taken(harness: Rig, name: str) -> None:
    """A worker cannot have another's packets taken in its own name."""
    job_id = asked(harness)
    handed = HandedOver(harness, job_id)
    handed.reading.begin()
    handed.claim(EM1, claim=name)
    harness.settle()
    assert handed.path.exists()
    assert harness.state(job_id) == "running"


def test_collector_that_was_killed_goes_on_in_the_file(harness: Rig) -> None:
    """The file that it took is its part; what the worker writes afterwards is in it too."""
    job_id = asked(harness)
    first, *rest = (body for _, body in split(EM1))
    handed = HandedOver(harness, job_id)
    handed.reading.begin()
    handed.claim(first)
    harness.settle()
    harness.restart()
    for body in rest:
        handed.claim(body)
    handed.reading.end()
    harness.settle()
    assert harness.result(job_id) == in_order(EM1, EM2)
    assert verify_directory(harness.spool.job_directory(job_id)).ok


def test_part_of_a_reading_that_was_cut_off_is_the_collectors_alone(harness: Rig) -> None:
    """A worker that goes on writing after the deadline does not change what was hashed."""
    job_id = asked(harness)
    handed = HandedOver(harness, job_id)
    handed.reading.begin()
    handed.claim(EM1)
    harness.settle()
    harness.cancel(job_id)
    harness.settle()
    harness.pass_time(60)
    handed.file.write([EM1])
    os.pwrite(handed.file._fd, b"other bytes", FILE_HEADER_BYTES)
    assert harness.result(job_id) == in_order(EM1, EM2)
    assert verify_directory(harness.spool.job_directory(job_id)).ok


def test_files_of_readings_that_were_given_up_are_swept(harness: Rig) -> None:
    """After an hour without a write; younger ones stay."""
    old, young = (HandedOver(harness, harness.request().id) for _ in range(2))
    os.utime(old.path, (1, 1))
    harness.spool.incoming.sweep()
    assert (old.path.exists(), young.path.exists()) == (False, True)
