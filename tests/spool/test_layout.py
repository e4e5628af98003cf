"""The spool's files: names that cannot lead elsewhere, results that are there whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import pytest

from docket.domain.job import Job, State
from docket.domain.refinement import Refinement, Sender
from docket.errors import NoSuchJob, SpoolError, SpoolFull
from docket.spool.file_io import cut_to, read_at, spool_error, write_at
from docket.spool.layout import Spool

JOB_ID = "0192f0c1-0000-7000-8000-00000000abcd"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "spool")
    made.create()
    return made


def job(query: str) -> Job:
    return Job(
        id=JOB_ID,
        state=State.COMPLETED,
        query=query,
        asked=query,
        explanation="",
        after="2026-11-24T14:02:00.000000Z",
        before="2026-11-24T14:10:00.500000Z",
        owner="",
        note="",
        created_at="",
        deadline="",
    )


@pytest.mark.parametrize(
    "job_id", ["", ".", "..", "../ledger", "a/b", JOB_ID.upper(), f"{{{JOB_ID}}}", f"{JOB_ID}/..", "x" * 300, "\0"]
)
def test_only_a_canonical_uuid_names_a_job(spool: Spool, job_id: str) -> None:
    """No other text becomes a path."""
    with pytest.raises(NoSuchJob):
        spool.result(job_id)


@pytest.mark.parametrize("source", ["", "a", "a:b/c", "../a:b", "a:..", "a:b\n", "a:b:c"])
def test_only_a_source_name_names_a_part(spool: Spool, source: str) -> None:
    """What is no sensor:interface does not become a file."""
    with pytest.raises(SpoolError):
        spool.part(JOB_ID, source)


@pytest.mark.parametrize(
    ("query", "refine", "words"),
    [
        ("", None, "refined-window"),
        ("port 53", Refinement(snaplen=64), "refined-port-53-at-most-64-bytes-each"),
        ("", Refinement(filter="dns", sender=Sender(address="10.1.2.3")), "refined-dns-from-10.1.2.3"),
        ("", Refinement(bpf="udp", drop_duplicates_ms=5), "refined-udp-without-duplicates"),
    ],
)
def test_file_name_of_a_refinement_says_by_what(
    spool: Spool, query: str, refine: Refinement | None, words: str
) -> None:
    """It is not everything of the window, and its name does not say so."""
    refined = msgspec.structs.replace(job(query), parent="0192f0c1-0000-7000-8000-000000000001", refine=refine)
    assert spool.pcap_name(refined) == f"docket-20261124T140200Z-20261124T141000Z-{words}-0192f0c1.pcap"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("port 53", "port-53"),
        ("", "all"),
        ("host 10.1.2.3 and (tcp or udp)", "host-10.1.2.3-and-tcp-or-udp"),
        ("host 2001:db8::1", "host-2001-db8-1"),
        ("../../etc/passwd", "etc-passwd"),
        (" or ".join(f"port {n}" for n in range(99)), "port-0-or-port-1-or-port-2-or-port-3-or"),
    ],
)
def test_file_names_speak_and_are_safe(spool: Spool, query: str, words: str) -> None:
    """Window, query, beginning of the id; nothing that a shell or a file system would take amiss."""
    assert spool.pcap_name(job(query)) == f"docket-20261124T140200Z-20261124T141000Z-{words}-0192f0c1.pcap"


def test_a_new_revision_replaces_the_old_one_at_once(spool: Spool) -> None:
    """Whoever has the old file open goes on reading it."""
    spool.prepare(JOB_ID)
    for content in (b"first", b"second"):
        write_at(spool.partial(JOB_ID), 0, [content])
        if content == b"second":
            with spool.result(JOB_ID).open("rb") as old:
                spool.finish(JOB_ID, spool.partial(JOB_ID))
                assert (old.read(), spool.result(JOB_ID).read_bytes()) == (b"first", b"second")
        else:
            spool.finish(JOB_ID, spool.partial(JOB_ID))
    assert not spool.partial(JOB_ID).exists()


def test_files_are_not_for_the_world(spool: Spool) -> None:
    """Directories 0750, files 0640: the proxy's group may read."""
    spool.prepare(JOB_ID)
    path = spool.part(JOB_ID, "rock01:em1")
    write_at(path, 0, [b"x"])
    modes = {oct(each.stat().st_mode & 0o777) for each in (spool.path, spool.jobs, spool.parts(JOB_ID))}
    assert (modes, oct(path.stat().st_mode & 0o777)) == ({"0o750"}, "0o640")


def test_writing_twice_at_the_same_place_does_no_harm(tmp_path: Path) -> None:
    """The same pieces at the same offset are the same file."""
    path = tmp_path / "file"
    for _ in range(2):
        assert write_at(path, 3, [b"abc", memoryview(b"def")]) == 9
    assert (read_at(path, 3, 99), path.stat().st_size) == (b"abcdef", 9)
    cut_to(path, 5)
    assert read_at(path, 0, 99) == b"\0\0\0ab"


def test_the_size_of_a_job_counts_all_its_files(spool: Spool) -> None:
    """Result, manifest and parts; a job without files has none."""
    assert spool.size_of(JOB_ID) == 0
    spool.prepare(JOB_ID)
    reserved = spool.size_of(JOB_ID)
    write_at(spool.result(JOB_ID), 0, [bytes(100)])
    write_at(spool.part(JOB_ID, "a:1"), 0, [bytes(11)])
    assert spool.size_of(JOB_ID) == reserved + 111
    spool.remove_job(JOB_ID)
    assert (spool.size_of(JOB_ID), list(spool.directories())) == (0, [])


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        (errno.ENOSPC, SpoolFull, "the spool's disk is full"),
        (errno.EDQUOT, SpoolFull, "the spool's disk is full"),
        (errno.EROFS, SpoolError, "the spool's disk is read-only"),
        (errno.EIO, SpoolError, "the spool cannot use x.pcap: input/output error"),
    ],
)
def test_what_the_disk_says_is_said_in_words(number: int, kind: type[SpoolError], text: str) -> None:
    """Each failure is an error of ours with a sentence."""
    error = spool_error(OSError(number, "Input/output error"), Path("/somewhere/x.pcap"))
    assert (type(error), str(error)) == (kind, text)


def test_room_is_told(spool: Spool) -> None:
    """Free bytes are what the disk says; inodes are None only where the file system does not count them."""
    inodes = spool.free_inodes()
    assert spool.free_bytes() > 0
    assert inodes is None or inodes > 0
    with pytest.raises(SpoolError):
        Spool(spool.path / "nowhere").free_bytes()


def test_what_is_removed_gives_its_room_back_bit_by_bit(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is free at once; the files go in steps, and nothing stays in the trash."""
    monkeypatch.setattr("docket.spool.trash.STEP_BYTES", 100)
    spool.prepare(JOB_ID)
    write_at(spool.part(JOB_ID, "a:1"), 0, [bytes(950)])
    write_at(spool.result(JOB_ID), 0, [bytes(950)])
    with spool.result(JOB_ID).open("rb") as download:
        spool.remove_job(JOB_ID)
        assert not spool.job_directory(JOB_ID).exists()
        steps = 0
        while spool.sweep():
            steps += 1
        assert (steps >= 10, list(spool.path.iterdir()), len(download.read())) == (True, [spool.jobs], 950)


def test_removing_what_is_not_there_is_no_fault(spool: Spool) -> None:
    """A job that never had a file is removed like any other."""
    spool.remove_job(JOB_ID)
    spool.remove_parts(JOB_ID)
    assert not spool.sweep()
