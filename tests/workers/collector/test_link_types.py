"""Sources of several link types in one job: the result is pcapng, in which programs find each packet's source."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.domain.job import Verdict
from docket.domain.request_message import Limits
from docket.spool.manifest import decode_manifest
from docket.spool.verification import Verification, verify_directory
from tests.services.needs import program
from tests.workers.collector.collector_harness import Rig, at, rig
from tests.workers.packet_records import START_US, US, record

RAW_IP, ETHERNET, LINUX_COOKED = 101, 1, 113
NAMES = ("rock01:a-tunnel", "rock01:em1", "rock01:em2", "rock01:quiet")


def frames(name: str, *seconds: float) -> bytes:
    return b"".join(record(time, f"{name} {n}".encode().ljust(60, b".")) for n, time in enumerate(at(*seconds)))


TUNNEL = frames("tunnel", 2, 5, 9)
EM1 = frames("em1", 1, 2, 3, 4, 60)
EM2 = frames("em2", 2, 2.5, 61)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, sources=NAMES) as made:
        yield made


def seen_by_tshark(path: Path) -> list[tuple[str, str, bytes]]:
    """Interface, time and bytes of every packet."""
    command = [program("tshark", "tshark"), "-n", "-r", str(path), "-T", "json", "-x", "--no-duplicate-keys"]
    command += ["-j", "frame", "-J", "frame"]
    printed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    found = []
    for packet in printed:
        layers = packet["_source"]["layers"]
        frame = layers["frame"]
        name = frame["frame.interface_id_tree"]["frame.interface_name"]
        found.append((name, frame["frame.time_epoch"], bytes.fromhex(layers["frame_raw"][0])))
    return found


def expected(*parts: tuple[str, bytes]) -> list[tuple[str, str, bytes]]:
    """The truth: time, then place of the source, then arrival."""
    ranked = []
    for place, (name, body) in enumerate(parts):
        for at_byte in range(0, len(body), 76):
            seconds, fraction = (int.from_bytes(body[at_byte + k : at_byte + k + 4], "little") for k in (0, 4))
            ranked.append((seconds * US + fraction, place, name, body[at_byte + 16 : at_byte + 76]))
    return [(name, f"{time // US}.{time % US:06d}000", data) for time, _, name, data in sorted(ranked)]


def answer_all(harness: Rig, job_id: str) -> None:
    for place, (body, kind) in enumerate(((TUNNEL, RAW_IP), (EM1, ETHERNET), (EM2, LINUX_COOKED))):
        harness.reading(job_id, place).begin().data(body, linktype=kind).end()
    harness.reading(job_id, 3).begin().end(Verdict.EMPTY, "Nothing matched.")
    harness.settle()


def verified(harness: Rig, job_id: str) -> Verification:
    return verify_directory(harness.spool.job_directory(job_id))


def test_every_packet_of_every_source_is_kept(harness: Rig) -> None:
    """Nothing is refused because another source's name sorts first; tshark sees each packet at its source."""
    job_id = harness.ask()
    answer_all(harness, job_id)
    assert (harness.state(job_id), harness.verdicts(job_id)) == ("completed", ["complete"] * 3 + ["empty"])
    parts = ((NAMES[0], TUNNEL), (NAMES[1], EM1), (NAMES[2], EM2))
    assert seen_by_tshark(harness.spool.result(job_id)) == expected(*parts)
    assert verified(harness, job_id).ok


def test_one_interface_block_per_source(harness: Rig) -> None:
    """With name, link type, resolution and the query as filter; the verdict is a comment of its statistics."""
    job_id = harness.ask()
    answer_all(harness, job_id)
    path = harness.spool.result(job_id)
    printed = subprocess.run(
        [program("capinfos", "wireshark-common"), path], check=True, capture_output=True, text=True
    )
    facts = printed.stdout
    assert [name for name in NAMES if f"Name = {name}\n" in facts] == list(NAMES)
    assert ("Number of interfaces in file: 4" in facts, facts.count("Number of stat entries = 1")) == (True, 4)
    assert ("Filter string = port 53" in facts, "Linux cooked-mode capture" in facts) == (True, True)
    content = path.read_bytes()
    assert (b"empty: Nothing matched." in content, b"complete: Everything was read." in content) == (True, True)


def test_names_say_what_the_file_is(harness: Rig) -> None:
    """The download's name, the job and the manifest call it pcapng."""
    job_id = harness.ask()
    answer_all(harness, job_id)
    pcap = harness.job(job_id).pcap
    assert pcap is not None
    assert (pcap.format, pcap.name.endswith(".pcapng")) == ("pcapng", True)
    manifest = decode_manifest(harness.spool.manifest(job_id).read_bytes())
    assert [(one.name, one.linktype) for one in manifest.interfaces] == [
        (NAMES[0], RAW_IP),
        (NAMES[1], ETHERNET),
        (NAMES[2], LINUX_COOKED),
        (NAMES[3], ETHERNET),
    ]


def test_a_second_link_type_that_comes_late(harness: Rig) -> None:
    """What was written as classic PCAP by then is written again."""
    job_id = harness.ask()
    harness.reading(job_id, 1).begin().data(EM1).end()
    harness.reading(job_id, 2).begin().data(EM2).end()
    harness.reading(job_id, 3).begin().end(Verdict.EMPTY)
    late = harness.reading(job_id, 0).begin(through_us=START_US + 50 * US)
    harness.settle()
    assert harness.spool.partial(job_id).read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"
    late.data(frames("late", 55), linktype=RAW_IP).end()
    harness.settle()
    parts = ((NAMES[0], frames("late", 55)), (NAMES[1], EM1), (NAMES[2], EM2))
    assert seen_by_tshark(harness.spool.result(job_id)) == expected(*parts)


def test_one_source_with_two_link_types(harness: Rig) -> None:
    """A directory with captures of two interfaces gives all of them, as two interfaces of its name."""
    job_id = harness.ask(sources=NAMES[:1])
    reading = harness.reading(job_id, 0).begin().data(EM1).data(TUNNEL, linktype=RAW_IP)
    reading.data(EM2, linktype=ETHERNET).end()
    harness.settle()
    assert harness.verdicts(job_id) == ["complete"]
    assert sorted(seen_by_tshark(harness.spool.result(job_id))) == sorted(
        expected((NAMES[0], EM1), (NAMES[0], TUNNEL), (NAMES[0], EM2))
    )
    assert verified(harness, job_id).ok


def test_packets_far_out_of_order_are_sorted(harness: Rig) -> None:
    """The external sort writes pcapng too."""
    job_id = harness.ask(sources=NAMES[:2])
    shuffled = [frames(f"n{n}", float(n)) for n in range(300)]
    tunnel, ethernet = harness.reading(job_id, 0).begin(), harness.reading(job_id, 1).begin()
    ethernet.data(frames("e", 1, 100, 299)).end()
    tunnel.data(b"".join(shuffled[200:]), linktype=RAW_IP, through_us=START_US + 250 * US)
    harness.settle()
    tunnel.data(b"".join(shuffled[:200]), linktype=RAW_IP).end()
    harness.settle()
    parts = ((NAMES[0], b"".join(shuffled)), (NAMES[1], frames("e", 1, 100, 299)))
    assert seen_by_tshark(harness.spool.result(job_id)) == expected(*parts)
    assert verified(harness, job_id).ok


@pytest.mark.parametrize("limits", [Limits(packets=4), Limits(bytes=4 * 76 + 10)])
def test_limits_count_records(harness: Rig, limits: Limits) -> None:
    """The earliest packets win, and bytes are those of classic records, whatever the format costs."""
    job_id = harness.ask(limits=limits)
    answer_all(harness, job_id)
    parts = ((NAMES[0], TUNNEL), (NAMES[1], EM1), (NAMES[2], EM2))
    assert seen_by_tshark(harness.spool.result(job_id)) == expected(*parts)[:4]
    job = harness.job(job_id)
    assert (job.state, job.packets, job.bytes) == ("partial", 4, 4 * 76)


def test_resolution_stays_each_source_s_own(harness: Rig) -> None:
    """Nanoseconds of one source are kept, microseconds of the other stay microseconds."""
    job_id = harness.ask(sources=NAMES[:2])
    fine = (START_US // US + 3).to_bytes(4, "little") + (123_456_789).to_bytes(4, "little") + EM1[8:76]
    harness.reading(job_id, 0).begin().data(TUNNEL, linktype=RAW_IP).end()
    facts = {"packets": 1, "first_us": at(3)[0], "last_us": at(3.2)[0]}
    harness.reading(job_id, 1).begin().data(fine, nanoseconds=True, **facts).end()
    harness.settle()
    manifest = decode_manifest(harness.spool.manifest(job_id).read_bytes())
    assert [one.nanoseconds for one in manifest.interfaces] == [False, True]
    assert f"{START_US // US + 3}.123456789" in [time for _, time, _ in seen_by_tshark(harness.spool.result(job_id))]


def test_a_restart_goes_on(harness: Rig) -> None:
    """Channels of a part are known again after a kill."""
    job_id = harness.ask(sources=NAMES[:1])
    reading = harness.reading(job_id, 0).begin().data(EM1).data(TUNNEL, linktype=RAW_IP)
    harness.settle()
    harness.restart()
    reading.data(EM2, linktype=RAW_IP).end()
    harness.settle()
    assert len(seen_by_tshark(harness.spool.result(job_id))) == 11
    assert verified(harness, job_id).ok


def test_a_retry_of_a_partial_job(harness: Rig) -> None:
    """The parts that are kept, and what is asked again, make the next revision."""
    job_id = harness.ask(sources=NAMES[:2])
    harness.reading(job_id, 0).begin().data(TUNNEL, linktype=RAW_IP).end()
    harness.reading(job_id, 1).begin().end(Verdict.UNREACHABLE, "Connection refused.", usable=False)
    harness.settle()
    assert harness.job(job_id).pcap.format == "pcap"  # type: ignore[union-attr]
    harness.retry(job_id)
    harness.settle()
    harness.reading(job_id, 1, attempt=2).begin().data(EM1).end()
    harness.settle()
    assert (harness.state(job_id), harness.job(job_id).pcap.format) == ("completed", "pcapng")  # type: ignore[union-attr]
    assert seen_by_tshark(harness.spool.result(job_id)) == expected((NAMES[0], TUNNEL), (NAMES[1], EM1))


def test_changes_are_found(harness: Rig) -> None:
    """A flipped interface, another list of sources and a missing one are each found by the verification."""
    job_id = harness.ask()
    answer_all(harness, job_id)
    listed = harness.spool.packet_sources(job_id)
    good = listed.read_bytes()
    for bad in (bytes([2]) + good[1:], good[:-1], good + b"\0"):
        listed.write_bytes(bad)
        assert not verified(harness, job_id).ok
    listed.unlink()
    assert not verified(harness, job_id).ok
    listed.write_bytes(good)
    assert verified(harness, job_id).ok
    content = harness.spool.result(job_id).read_bytes()
    harness.spool.result(job_id).write_bytes(content.replace(b"a-tunnel", b"b-tunnel"))
    assert not verified(harness, job_id).ok
