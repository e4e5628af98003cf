"""A result is held against its manifest, and every way of not being what it says is found."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from docket.domain.job import PcapFile, SourceAnswer, State, Verdict, explained
from docket.domain.query.canonical import parse
from docket.domain.request_message import Limits
from docket.domain.timewindow import format_us, parse_time_us
from docket.errors import SpoolError
from docket.packet.pcap import ETHERNET, RECORD_HEADER, file_header
from docket.spool.layout import read_manifest
from docket.spool.manifest import Manifest, Question, encode_manifest
from docket.spool.signatures import sha256_of
from docket.spool.verification import verify_directory, verify_file

AFTER, BEFORE = "2026-11-24T14:00:00.000000Z", "2026-11-24T14:01:00.000000Z"
AFTER_US = parse_time_us(AFTER, None)
TIMES_US = [AFTER_US, AFTER_US + 5, AFTER_US + 59_999_999]
EM1, EM2 = "rock01:em1", "rock01:em2"


def record(time_us: int) -> bytes:
    return RECORD_HEADER.pack(time_us // 1_000_000, time_us % 1_000_000, 60, 60) + bytes(60)


def capture(times_us: list[int]) -> bytes:
    return file_header() + b"".join(map(record, times_us))


def question() -> Question:
    return Question(
        asked="port 53",
        query="port 53",
        explanation=explained(parse("port 53"), None, None),
        after=AFTER,
        before=BEFORE,
        sources=(EM1, EM2),
        limits=Limits(),
        deadline=BEFORE,
        wait_for_flush=True,
        owner="kim",
        note="",
        requested_at=BEFORE,
    )


def manifest_of(content: bytes) -> Manifest:
    """An honest one, of a result with TIMES_US in it; the first source sent two of the packets."""
    part = capture(TIMES_US[:2])
    times = [format_us(time_us) for time_us in TIMES_US]
    complete = SourceAnswer(
        name=EM1,
        verdict=Verdict.COMPLETE,
        packets=2,
        bytes=2 * 76,
        first=times[0],
        last=times[1],
        usable=True,
        sha256=hashlib.sha256(part).hexdigest(),
    )
    other = SourceAnswer(
        name=EM2, verdict=Verdict.COMPLETE, packets=1, bytes=76, first=times[2], last=times[2], usable=True
    )
    return Manifest(
        job="0192f0c1-0000-7000-8000-000000000000",
        revision=1,
        state=State.COMPLETED,
        reason="",
        written_at=BEFORE,
        question=question(),
        result=PcapFile(name="x.pcap", size=len(content), sha256=hashlib.sha256(content).hexdigest()),
        packets=3,
        bytes=len(content) - 24,
        first=format_us(TIMES_US[0]),
        last=format_us(TIMES_US[-1]),
        linktype=ETHERNET,
        sources=(complete, other),
    )


def put(directory: Path, content: bytes | None, manifest: Manifest) -> Path:
    """A job's directory as the spool has it, with the part of the first source."""
    (directory / "job.json").write_bytes(encode_manifest(manifest))
    if content is not None:
        (directory / "job.pcap").write_bytes(content)
    (directory / "parts").mkdir()
    (directory / "parts" / f"{EM1}.pcap").write_bytes(capture(TIMES_US[:2]))
    return directory


def wrong(directory: Path) -> list[str]:
    return [check.what for check in verify_directory(directory).checks if not check.ok]


def test_honest_result_is_verified(tmp_path: Path) -> None:
    """All that was found is told, and all of it is right."""
    content = capture(TIMES_US)
    found = verify_directory(put(tmp_path, content, manifest_of(content)))
    assert found.ok
    digest, part = hashlib.sha256(content).hexdigest(), hashlib.sha256(capture(TIMES_US[:2])).hexdigest()
    assert [check.what for check in found.checks] == [
        "state completed, as the verdicts say",
        "the manifest agrees with itself",
        f"SHA-256 of the result: {digest}",
        f"bytes: {len(content)}",
        "whole",
        "packets: 3",
        "packets of all sources together: 3",
        f"first packet: {format_us(TIMES_US[0])}",
        f"last packet: {format_us(TIMES_US[-1])}",
        "in time order",
        f"inside the window, {AFTER} to {BEFORE}",
        f"bytes of packets: {len(content) - 24}",
        "format: pcap",
        "link type: 1",
        f"SHA-256 of the part of {EM1}: {part}",
    ]


@pytest.mark.parametrize(
    ("times_us", "expected"),
    [
        (TIMES_US[:2], "packets: 2, but the manifest says 3"),
        ([TIMES_US[1], TIMES_US[0], TIMES_US[2]], "packets are not in time order"),
        ([AFTER_US - 1, *TIMES_US[1:]], f"packets lie outside the window, {AFTER} to {BEFORE}"),
        ([*TIMES_US[:2], AFTER_US + 60_000_000], f"packets lie outside the window, {AFTER} to {BEFORE}"),
        (TIMES_US[1:], f"first packet: {format_us(TIMES_US[1])}, but the manifest says {format_us(TIMES_US[0])}"),
    ],
    ids=["packet gone", "order", "too early", "edge that is out", "first"],
)
def test_wrong_packets_are_found_with_a_right_hash(tmp_path: Path, times_us: list[int], expected: str) -> None:
    """Also where somebody took care of the SHA-256."""
    content = capture(times_us)
    assert expected in wrong(put(tmp_path, content, manifest_of(content)))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda content: content[:-1], "the capture is broken: it ends with half a record of 75 bytes"),
        (lambda content: content[:-60] + b"\x01" * 60, "SHA-256 of the result: "),
        (lambda content: content[:0], "the capture is broken: behind byte 0: it is empty"),
        (lambda content: content[:24] + bytes(16) + content[24:], "the capture is broken: behind byte 24: "),
        (lambda content: b"GIF8" + content[4:], "the capture is broken: behind byte 0: this is no capture"),
    ],
    ids=["cut", "changed", "empty", "no record", "no capture"],
)
def test_spoiled_result_is_found(tmp_path: Path, spoil: Callable[[bytes], bytes], expected: str) -> None:
    """Whatever was done to its bytes."""
    content = capture(TIMES_US)
    found = wrong(put(tmp_path, spoil(content), manifest_of(content)))
    assert any(what.startswith(expected) for what in found), found
    assert any(what.startswith("SHA-256 of the result: ") for what in found), found


def test_spoiled_part_is_found(tmp_path: Path) -> None:
    """A part that is kept must be the one that was merged."""
    content = capture(TIMES_US)
    directory = put(tmp_path, content, manifest_of(content))
    (directory / "parts" / f"{EM1}.pcap").write_bytes(capture(TIMES_US[:1]))
    [what] = wrong(directory)
    assert what.startswith(f"SHA-256 of the part of {EM1}: ")


def test_missing_result_is_found(tmp_path: Path) -> None:
    """A manifest whose result is gone is not verified."""
    assert wrong(put(tmp_path, None, manifest_of(capture(TIMES_US)))) == ["the result job.pcap is gone"]


def test_manifest_that_contradicts_itself_is_found(tmp_path: Path) -> None:
    """Completed and cut do not go together, whatever the hashes say."""
    content = capture(TIMES_US)
    manifest = manifest_of(content)
    cut = msgspec.structs.replace(manifest.sources[1], verdict=Verdict.CUT)
    directory = put(tmp_path, content, msgspec.structs.replace(manifest, sources=(manifest.sources[0], cut)))
    assert wrong(directory) == [f"the manifest says completed, but {EM2} did not answer in full"]


def test_job_without_result_is_verified(tmp_path: Path) -> None:
    """Nothing came, and nothing is there; a capture would be one too many."""
    manifest = manifest_of(b"")
    silent = tuple(SourceAnswer(name=name, verdict=Verdict.TIMED_OUT) for name in (EM1, EM2))
    nothing = msgspec.structs.replace(manifest, state=State.FAILED, result=None, packets=0, sources=silent)
    directory = put(tmp_path, None, nothing)
    assert wrong(directory) == []
    (directory / "job.pcap").write_bytes(capture([]))
    assert wrong(directory) == ["there is a job.pcap, of which the manifest knows nothing: the job is failed"]


def test_copy_is_verified_by_its_bytes(tmp_path: Path) -> None:
    """The name does not matter, and there need not be anything beside it."""
    content = capture(TIMES_US)
    copy = tmp_path / "evidence.pcap"
    copy.write_bytes(content)
    assert sha256_of(copy) == hashlib.sha256(content).hexdigest()
    assert verify_file(copy, manifest_of(content)).ok
    with pytest.raises(SpoolError, match="there is no file"):
        verify_file(tmp_path / "other.pcap", manifest_of(content))


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    """Nothing there, and something else there, are told apart."""
    with pytest.raises(SpoolError, match="cannot be read: no such file"):
        read_manifest(tmp_path / "job.json")
    (tmp_path / "job.json").write_text("{}")
    with pytest.raises(SpoolError, match="is no manifest of Docket's"):
        read_manifest(tmp_path / "job.json")


def test_records_across_blocks_are_counted_once(tmp_path: Path) -> None:
    """A capture of several blocks, whose edges fall into records."""
    times = [AFTER_US + number for number in range(40_000)]
    content = capture(times)
    manifest = msgspec.structs.replace(
        manifest_of(content),
        packets=len(times),
        last=format_us(times[-1]),
        question=msgspec.structs.replace(question(), sources=(EM1,)),
        sources=(
            SourceAnswer(
                name=EM1,
                verdict=Verdict.COMPLETE,
                packets=len(times),
                bytes=len(content) - 24,
                first=format_us(times[0]),
                last=format_us(times[-1]),
                usable=True,
            ),
        ),
    )
    assert wrong(put(tmp_path, content, manifest)) == []
