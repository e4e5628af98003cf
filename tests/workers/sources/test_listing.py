"""The listing of a directory follows what comes, grows and goes, without going through all files each time."""

import dataclasses
import os
import random
import time
from pathlib import Path

import pytest

from docket.config.model import CaptureFilesConfig
from docket.domain.job import Verdict
from docket.packet.pcap import file_header
from docket.workers.sources.capture_files.catalog import Catalog
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from docket.workers.sources.capture_files.file_facts import FactsCache
from docket.workers.sources.capture_files.known_times import KnownTimes
from tests.faults.packets import capture, udp
from tests.workers.requests import START_US, US, Heard, ask, read


def test_a_glance_follows_what_comes_goes_and_changes(tmp_path: Path) -> None:
    """A glance lists what a look lists, without asking about every file again."""
    catalog, names = Catalog(str(tmp_path)), iter(range(1000))
    facts = FactsCache()
    times = KnownTimes(facts)
    chance = random.Random(5)
    (tmp_path / "sub").mkdir()

    def come() -> None:
        place = tmp_path / chance.choice((".", "sub"))
        content = chance.choice(
            (file_header() + capture([udp(next(names) * US + 10**15, 80)]), b"no capture", b"\xd4\xc3")
        )
        (place / f"{next(names):03}").write_bytes(content)

    def go() -> None:
        there = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        if there:
            chance.choice(there).unlink()

    def grow() -> None:
        there = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        if there:
            with chance.choice(there).open("ab") as file:
                file.write(capture([udp(10**15, 53)]))

    def link() -> None:
        there = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        if there:
            (tmp_path / f"link{next(names)}").hardlink_to(chance.choice(there))

    catalog.look()
    for number in range(300):
        chance.choice((come, come, go, grow) if number < 200 else (come, go, grow, link, link))()
        found, expected = catalog.glance(), Catalog(str(tmp_path)).look()
        shown = [(one.path, one.first_us) for one in found.files]
        assert sorted(first or 0 for _, first in shown) == sorted(one.first_us or 0 for one in expected.files)
        assert len(shown) == len(expected.files)
        assert (found.others, found.with_packets) == (expected.others, expected.with_packets)
        assert found.disk_bytes == expected.disk_bytes
        assert len(found.unusable) == len(expected.unusable)
        assert found.last_written_us == expected.last_written_us
        begun, afresh = times.of(found), KnownTimes(facts).of(expected)
        assert begun.table.tolist() == afresh.table.tolist()
        if not catalog._has_doubles:
            assert sorted(file.path for file in begun.files) == sorted(file.path for file in expected.files)


def test_the_names_of_a_large_directory_are_not_read_at_every_glance(tmp_path: Path) -> None:
    """A glance waits with them for a share of the time; a look, which readings take, never does."""
    for number in range(3):
        (tmp_path / f"{number}.pcap").write_bytes(file_header() + capture([udp(START_US + number, 80)]))
    catalog = Catalog(str(tmp_path))
    assert len(catalog.look().files) == 3
    slow = dataclasses.replace(catalog._directories[str(tmp_path)], cost_ns=10**10)
    catalog._directories[str(tmp_path)] = slow
    (tmp_path / "new.pcap").write_bytes(file_header())
    assert len(catalog.glance().files) == 3
    assert len(catalog.look().files) == 4


def test_what_grows_counts_in_the_gaps_at_once(tmp_path: Path) -> None:
    """A recorder that writes on in its only file is not called silent."""
    now_us = time.time_ns() // 1000
    path = tmp_path / "only.pcap"
    path.write_bytes(file_header() + capture([udp(now_us - 580 * US, 80)]))
    os.utime(path, ns=(0, (now_us - 580 * US) * 1000))
    source = CaptureFilesSource(CaptureFilesConfig("rock01:em2", tmp_path, flush_lag_s=0))
    assert len(source.coverage().gaps) == 1
    with path.open("ab") as file:
        file.write(capture([udp(now_us, 80)]))
    assert source.coverage().gaps == ()


def test_a_directory_with_too_many_files_is_bounded_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more files than the bound are looked at; what is found is there, and the verdict names the rest."""
    monkeypatch.setattr("docket.workers.sources.capture_files.catalog.MOST_FILES", 20)
    for number in range(50):
        (tmp_path / f"{number}.pcap").write_bytes(file_header() + capture([udp(START_US + number, 80)]))
    source, heard = CaptureFilesSource(CaptureFilesConfig("rock01:em2", tmp_path)), Heard()
    finding = read(source, ask(START_US, START_US + US), heard)
    assert (finding.verdict, finding.usable) == (Verdict.CUT, True)
    assert "has more than 20 files, of which the others are not looked at" in finding.sentence
    assert source.coverage().stats["files"] == 20
