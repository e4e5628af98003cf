"""Every way to spoil a signed result is found by verifying it; rows say where that needs a trusted key."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from docket.domain.job import SourceAnswer, State, Verdict, explained
from docket.domain.query.canonical import parse
from docket.errors import SpoolError
from docket.spool.layout import Spool, read_manifest
from docket.spool.manifest import Manifest, encode_manifest
from docket.spool.signing import Signer, public_path
from docket.spool.verification import verify_directory
from tests.spool.test_verification import AFTER_US, EM1, EM2, TIMES_US, capture, manifest_of

JOB = "0192f0c1-0000-7000-8000-000000000000"


class Row(NamedTuple):
    """One way to spoil a job's directory."""

    name: str
    spoil: Callable[[Path], object]
    needs_key: bool = False
    """Whether it is found only with the public key of the one who signed."""


def edit(old: str, new: str) -> Callable[[Path], object]:
    """Change the text of the manifest, once, and nothing else."""

    def spoil(directory: Path) -> None:
        path = directory / "job.json"
        text = path.read_text()
        assert old in text, (old, text)
        path.write_text(text.replace(old, new, 1))

    return spoil


def forged(change: Callable[[Manifest], Manifest]) -> Callable[[Path], object]:
    """Change the manifest and sign it with a key of one's own, which it then names."""

    def spoil(directory: Path) -> None:
        signer = Signer.of_file(directory.parent.parent / "forger" / "private.pem")
        manifest = change(read_manifest(directory / "job.json"))
        body = encode_manifest(msgspec.structs.replace(manifest, signing_key=signer.public_text))
        (directory / "job.json").write_bytes(body)
        (directory / "job.json.sig").write_bytes(signer.sign(body))

    return spoil


def stripped(change: Callable[[Manifest], Manifest]) -> Callable[[Path], object]:
    """Change the manifest, and take out the signature and the name of the key."""

    def spoil(directory: Path) -> None:
        manifest = change(read_manifest(directory / "job.json"))
        (directory / "job.json").write_bytes(encode_manifest(msgspec.structs.replace(manifest, signing_key=None)))
        (directory / "job.json.sig").unlink()

    return spoil


def job(**facts: Any) -> Callable[[Manifest], Manifest]:
    return lambda manifest: msgspec.structs.replace(manifest, **facts)


def question(**facts: Any) -> Callable[[Manifest], Manifest]:
    return lambda manifest: msgspec.structs.replace(
        manifest, question=msgspec.structs.replace(manifest.question, **facts)
    )


def source(place: int, **facts: Any) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        sources: list[SourceAnswer] = list(manifest.sources)
        sources[place] = msgspec.structs.replace(sources[place], **facts)
        return msgspec.structs.replace(manifest, sources=tuple(sources))

    return change


def other_query(text: str) -> Callable[[Manifest], Manifest]:
    return question(query=text, asked=text, explanation=explained(parse(text), None, None))


def fewer_packets(manifest: Manifest) -> Manifest:
    """The last packet is taken out, and every count and hash made right."""
    body = capture(TIMES_US[:2])
    assert manifest.result is not None
    result = msgspec.structs.replace(manifest.result, size=len(body), sha256=hashlib.sha256(body).hexdigest())
    changed = source(1, packets=0, bytes=0, first=None, last=None, sha256=None)(manifest)
    return msgspec.structs.replace(
        changed, result=result, packets=2, bytes=len(body) - 24, last=manifest.sources[0].last
    )


def taken_out(directory: Path) -> None:
    (directory / "job.pcap").write_bytes(capture(TIMES_US[:2]))
    (directory / "parts" / f"{EM2}.pcap").unlink()
    forged(fewer_packets)(directory)


def bits(name: str, place: int) -> Callable[[Path], object]:
    def spoil(directory: Path) -> None:
        body = bytearray((directory / name).read_bytes())
        body[place] ^= 1
        (directory / name).write_bytes(body)

    return spoil


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda directory: (directory / name).write_bytes((directory / name).read_bytes()[:size])


def longer(name: str, more: bytes) -> Callable[[Path], object]:
    return lambda directory: (directory / name).write_bytes((directory / name).read_bytes() + more)


def gone(name: str) -> Callable[[Path], object]:
    def spoil(directory: Path) -> None:
        path = directory / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def swapped(one: str, other: str) -> Callable[[Path], object]:
    def spoil(directory: Path) -> None:
        body = (directory / one).read_bytes()
        (directory / one).write_bytes((directory / other).read_bytes())
        (directory / other).write_bytes(body)

    return spoil


PART1, PART2 = f"parts/{EM1}.pcap", f"parts/{EM2}.pcap"

ROWS = (
    # The result.
    Row("result: a bit of the header", bits("job.pcap", 16)),
    Row("result: a bit of a time", bits("job.pcap", 28)),
    Row("result: a bit of a captured length", bits("job.pcap", 32)),
    Row("result: a bit of an original length", bits("job.pcap", 36)),
    Row("result: a bit of a packet", bits("job.pcap", 60)),
    Row("result: the last byte", bits("job.pcap", -1)),
    Row("result: snaplen", bits("job.pcap", 17)),
    Row("result: link type", bits("job.pcap", 20)),
    Row("result: half a record", cut("job.pcap", -10)),
    Row("result: the last packet", cut("job.pcap", -76)),
    Row("result: all packets", cut("job.pcap", 24)),
    Row("result: emptied", cut("job.pcap", 0)),
    Row("result: a packet more", longer("job.pcap", capture([AFTER_US + 59_999_999])[24:])),
    Row("result: bytes behind it", longer("job.pcap", bytes(1))),
    Row("result: removed", gone("job.pcap")),
    Row(
        "result: another order",
        lambda d: (d / "job.pcap").write_bytes(capture([TIMES_US[1], TIMES_US[0], TIMES_US[2]])),
    ),
    Row("result: a part in its place", lambda d: shutil.copy(d / PART1, d / "job.pcap")),
    # The parts.
    Row("part: a bit", bits(PART1, 50)),
    Row("part: cut", cut(PART1, -1)),
    Row("part: longer", longer(PART2, b"x")),
    Row("part: emptied", cut(PART2, 0)),
    Row("part: removed", gone(PART2)),
    Row("part: all removed", gone("parts")),
    Row("part: exchanged", swapped(PART1, PART2)),
    Row("part: one too many", lambda d: shutil.copy(d / PART1, d / "parts" / "rock01:em9.pcap")),
    # The text of the manifest.
    Row("manifest: the query", edit('"query": "port 53"', '"query": "port 54"')),
    Row("manifest: the query as asked", edit('"asked": "port 53"', '"asked": "port 54"')),
    Row("manifest: the owner", edit('"owner": "kim"', '"owner": "sam"')),
    Row("manifest: a note", edit('"note": ""', '"note": "4711"')),
    Row("manifest: the window's begin", edit('"after": "2026-11-24T14:00', '"after": "2026-11-24T13:00')),
    Row("manifest: the window's end", edit('"before": "2026-11-24T14:01', '"before": "2026-11-24T15:01')),
    Row("manifest: the revision", edit('"revision": 1', '"revision": 2')),
    Row("manifest: the schema", edit("docket.manifest/1", "docket.manifest/2")),
    Row("manifest: the version", edit('"docket": "', '"docket": "9')),
    Row("manifest: when it was written", edit('"written_at": "2026-11', '"written_at": "2027-11')),
    Row("manifest: when it was asked", edit('"requested_at": "2026-11', '"requested_at": "2025-11')),
    Row("manifest: the deadline", edit('"deadline": "2026', '"deadline": "2027')),
    Row("manifest: what a source was sent", edit('"sent": "port 53"', '"sent": "port 5"')),
    Row("manifest: what was kept", edit('"kept": ""', '"kept": "all"')),
    Row("manifest: a verdict", edit('"verdict": "cut"', '"verdict": "limited"')),
    Row("manifest: a verdict's sentence", edit('"sentence": "The connection', '"sentence": "No connection')),
    Row("manifest: what to do next", edit('"next_step": ""', '"next_step": "none"')),
    Row("manifest: packets trimmed", edit('"trimmed": 0', '"trimmed": 7')),
    Row("manifest: packets received", edit('"received": 0', '"received": 7')),
    Row("manifest: the attempt", edit('"attempt": 0', '"attempt": 3')),
    Row("manifest: the state", edit('"state": "partial"', '"state": "completed"')),
    Row("manifest: the reason", edit('"reason": ""', '"reason": "cancelled"')),
    Row("manifest: the download's name", edit('"name": "x.pcap"', '"name": "y.pcap"')),
    Row("manifest: the job", edit(f'"job": "{JOB}"', f'"job": "{JOB[:-1]}1"')),
    Row("manifest: a limit", edit('"packets": null', '"packets": 3')),
    Row("manifest: waiting", edit('"wait_for_flush": true', '"wait_for_flush": false')),
    Row("manifest: a space", edit('"owner": "kim"', '"owner":  "kim"')),
    Row("manifest: the key it names", edit('"signing_key": "M', '"signing_key": "N')),
    Row("manifest: cut", cut("job.json", 40)),
    Row("manifest: no text", cut("job.json", 0)),
    Row("manifest: removed", gone("job.json")),
    # The signature, and the place.
    Row("signature: a bit", bits("job.json.sig", 3)),
    Row("signature: cut", cut("job.json.sig", -1)),
    Row("signature: longer", longer("job.json.sig", b"\n")),
    Row("signature: emptied", cut("job.json.sig", 0)),
    Row("signature: removed", gone("job.json.sig")),
    Row("signature: without a key's name", lambda d: (stripped(job())(d), (d / "job.json.sig").write_bytes(bytes(64)))),
    Row("directory: another job's", lambda d: d.rename(d.with_name(f"{JOB[:-1]}1"))),
    # Signed anew by another, in contradiction to itself.
    Row("forged: completed, with a source that is not", forged(job(state=State.COMPLETED))),
    Row("forged: a source less", forged(lambda m: msgspec.structs.replace(m, sources=m.sources[:1]))),
    Row(
        "forged: a source less, asked too",
        forged(lambda m: question(sources=(EM1,))(msgspec.structs.replace(m, sources=m.sources[:1]))),
    ),
    Row("forged: empty, with packets", forged(source(0, verdict=Verdict.EMPTY))),
    Row("forged: no verdict", forged(source(0, verdict=None))),
    Row("forged: packets of a source", forged(source(0, packets=1))),
    Row("forged: bytes of a source", forged(source(0, bytes=76))),
    Row("forged: first packet of a source", forged(source(0, first=None))),
    Row("forged: times of a source", forged(source(0, first="2026-11-24T14:00:00.000001Z"))),
    Row("forged: hash of a part", forged(source(0, sha256="0" * 64))),
    Row("forged: a negative count", forged(source(0, trimmed=-1))),
    Row("forged: a narrower window", forged(question(before="2026-11-24T14:00:30.000000Z"))),
    Row("forged: the window's ends exchanged", forged(question(before="2026-11-24T13:00:00.000000Z"))),
    Row(
        "forged: a lower limit",
        forged(lambda m: question(limits=msgspec.structs.replace(m.question.limits, packets=2))(m)),
    ),
    Row("forged: the query alone", forged(question(query="port 54"))),
    Row("forged: a query that is none", forged(question(query="port"))),
    Row("forged: a time that is none", forged(job(written_at="yesterday"))),
    Row("forged: written before it was asked", forged(job(written_at="2026-11-23T14:00:00.000000Z"))),
    Row("forged: revision 0", forged(job(revision=0))),
    Row("forged: packets of the result", forged(job(packets=4))),
    Row("forged: the link type", forged(job(linktype=101))),
    Row("forged: no result", forged(job(result=None))),
    # A whole lie that agrees with itself: only who trusts a key finds it.
    Row("lie: signed by another, nothing changed", forged(job()), needs_key=True),
    Row("lie: signature and key's name taken out", stripped(job()), needs_key=True),
    Row("lie: another query", forged(other_query("port 54")), needs_key=True),
    Row("lie: another query, unsigned", stripped(other_query("port 54")), needs_key=True),
    Row("lie: another owner", forged(question(owner="sam")), needs_key=True),
    Row("lie: a wider window", forged(question(after="2026-11-24T13:00:00.000000Z")), needs_key=True),
    Row("lie: another revision", forged(job(revision=2)), needs_key=True),
    Row("lie: what a source was sent", forged(source(0, sent="port 54")), needs_key=True),
    Row("lie: a verdict's sentence", forged(source(1, sentence="All is well.")), needs_key=True),
    Row("lie: another kind of shortfall", forged(source(1, verdict=Verdict.TIMED_OUT)), needs_key=True),
    Row(
        "lie: all complete",
        forged(lambda m: job(state=State.COMPLETED)(source(1, verdict=Verdict.COMPLETE)(m))),
        needs_key=True,
    ),
    Row("lie: a packet taken out, all made right", taken_out, needs_key=True),
)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "signing" / "private.pem"


@pytest.fixture
def directory(tmp_path: Path, key: Path) -> Path:
    """A signed partial result in a spool, with both parts."""
    spool, signer = Spool(tmp_path / "spool"), Signer.of_file(key)
    content, second = capture(TIMES_US), capture(TIMES_US[2:])
    honest = source(
        1,
        verdict=Verdict.CUT,
        sentence="The connection broke.",
        sent="port 53",
        sha256=hashlib.sha256(second).hexdigest(),
    )(manifest_of(content))
    manifest = msgspec.structs.replace(honest, job=JOB, state=State.PARTIAL, signing_key=signer.public_text)
    spool.create()
    spool.prepare(JOB)
    spool.result(JOB).write_bytes(content)
    spool.part(JOB, EM1).write_bytes(capture(TIMES_US[:2]))
    spool.part(JOB, EM2).write_bytes(second)
    spool.write_manifest(manifest, signer)
    return spool.job_directory(JOB)


def found(jobs: Path, public_pem: bytes | None) -> bool:
    """Whether verifying what lies there finds a fault."""
    [directory] = jobs.iterdir()
    try:
        return not verify_directory(directory, public_pem).ok
    except SpoolError:
        return True


def test_nothing_is_found_in_a_sound_result(directory: Path, key: Path) -> None:
    """With the key and without; as is a sound copy that has another name."""
    assert [found(directory.parent, pem) for pem in (None, public_path(key).read_bytes())] == [False, False]
    copy = shutil.copytree(directory, directory.parent.parent / "copy")
    shutil.rmtree(copy / "parts")
    assert verify_directory(copy, public_path(key).read_bytes()).ok


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_corruption_is_found(directory: Path, key: Path, row: Row) -> None:
    """With the key always; without it where the row says so, and not by chance."""
    jobs, public = directory.parent, public_path(key).read_bytes()
    row.spoil(directory)
    assert (found(jobs, public), found(jobs, None)) == (True, not row.needs_key)


def test_the_table_is_long_enough() -> None:
    """Every row is another one."""
    assert len({row.name for row in ROWS}) == len(ROWS) >= 60
