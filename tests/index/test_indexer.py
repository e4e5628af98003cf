"""The indexer follows a directory: newest first, growing files, removed ones, damage, kills."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from docket.domain.query.canonical import parse
from docket.domain.query.terms import Node
from docket.index import indexer as indexer_module
from docket.index.index_files import IndexLayout
from docket.index.indexer import SourceIndexer
from docket.index.selector import IndexSelector
from docket.index.state import IndexState, read_state
from docket.packet.pcap import file_header
from tests.index.captures import EVER, FIRST_S, classic, identity_of, records, taken

ROOT = parse("host 10.1.2.3 and tcp").root


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    directory = tmp_path / "captures"
    directory.mkdir()
    return directory


def indexer(captures: Path, layout: IndexLayout) -> SourceIndexer:
    return SourceIndexer(str(captures), layout, 0)


def catch_up(one: SourceIndexer, captures: Path) -> None:
    """As if some time had passed since the last writing, until nothing is left to do."""
    for path in captures.rglob("*"):
        if path.is_file() and time.time() - path.stat().st_mtime < 100:
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 200 * 10**9))
    one._plan = []
    for _ in range(1000):
        if not one.step(threading.Event()):
            return
    raise AssertionError("the indexer comes to no end")


def state_of(layout: IndexLayout) -> IndexState:
    state = read_state(layout.state)
    assert state is not None
    return state


def agree(captures: Path, selector: IndexSelector) -> int:
    """Every file gives the same packets with the index; how many files it knows."""
    known = 0
    for path in sorted(captures.iterdir()):
        selection = selector.select(identity_of(path), ROOT, EVER)
        assert taken(path, selection, ROOT) == taken(path, None, ROOT)
        known += selection is not None
    return known


def test_all_files_are_indexed_and_the_state_says_so(captures: Path, layout: IndexLayout) -> None:
    """Afterwards nothing is behind."""
    for number in range(5):
        classic(captures / f"{number}.pcap", number, 100)
    catch_up(indexer(captures, layout), captures)
    state, selector = state_of(layout), IndexSelector(layout.root)
    assert (state.indexed_files, state.behind_files, state.behind_bytes, state.error) == (5, 0, 0, "")
    assert state.indexed_bytes == sum(path.stat().st_size for path in captures.iterdir())
    assert agree(captures, selector) == 5
    assert selector.stats()["indexed_files"] == 5


def test_files_whose_names_are_no_text_are_indexed(captures: Path, layout: IndexLayout) -> None:
    """Bytes that are no UTF-8, line feeds, and as many of them as a file system takes."""
    for number, name in enumerate((b"\xff\xfe.pcap", b"a\nb.pcap", b"x" * 255)):
        classic(captures / os.fsdecode(name), number, 100)
    catch_up(indexer(captures, layout), captures)
    assert agree(captures, IndexSelector(layout.root)) == 3


def test_index_that_was_removed_is_made_again(captures: Path, layout: IndexLayout) -> None:
    """Without a restart, where its directory is gone in mid-work."""
    for number in range(3):
        classic(captures / f"{number}.pcap", number, 100)
    one = indexer(captures, layout)
    catch_up(one, captures)
    shutil.rmtree(layout.root)
    one.step(threading.Event())
    catch_up(one, captures)
    assert agree(captures, IndexSelector(layout.root)) == 3


def test_the_newest_file_comes_first(captures: Path, layout: IndexLayout) -> None:
    """After a downtime the latest traffic is indexed before the older one."""
    paths = [classic(captures / f"{number}.pcap", number, 50) for number in range(3)]
    for age, path in enumerate(reversed(paths)):
        os.utime(path, ns=(0, time.time_ns() - (100 + age) * 10**9))
    one = indexer(captures, layout)
    one.step(threading.Event())
    assert [layout.file(identity_of(path)).exists() for path in paths] == [False, False, True]


def test_a_growing_file_is_indexed_as_it_grows(
    captures: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step brings the index nearer to the file's end."""
    monkeypatch.setattr(indexer_module, "STEP_BYTES", 1)
    path, one = classic(captures / "a.pcap", 1, 100), indexer(captures, layout)
    for turn in range(4):
        one._plan = []
        one.step(threading.Event())
        assert state_of(layout).indexed_bytes == path.stat().st_size
        with path.open("ab") as file:
            file.write(records(turn + 10, 100, first_s=FIRST_S + 100 * turn))
        assert agree(captures, IndexSelector(layout.root)) == 1


def test_indexes_of_removed_files_go(captures: Path, layout: IndexLayout) -> None:
    """Also those whose name another file has now."""
    paths = [classic(captures / f"{number}.pcap", number, 50) for number in range(3)]
    one = indexer(captures, layout)
    catch_up(one, captures)
    paths[0].unlink()
    paths[1].unlink()
    classic(captures / "new", 9, 60)
    catch_up(one, captures)
    assert len(list(layout.files.iterdir())) == 2
    assert agree(captures, IndexSelector(layout.root)) == 2


def test_many_files_become_a_group_that_leaves_files_out(
    captures: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question about one of them opens the index of no other, and gets the same packets."""
    monkeypatch.setattr(indexer_module, "GROUP_FILES", (2, 4, 8))
    for number in range(20):
        (captures / f"{number}.pcap").write_bytes(file_header() + _one_packet(number))
    one = indexer(captures, layout)
    catch_up(one, captures)
    assert len(list(layout.groups.iterdir())) == 3
    selector = IndexSelector(layout.root)
    for text in ("host 192.0.2.3", "net 192.0.2.0/24", "host 192.0.2.3 or port 1005", "vlan 4", "net 198.0.0.0/8"):
        root = parse(text).root
        for path in captures.iterdir():
            selection = selector.select(identity_of(path), root, EVER)
            assert taken(path, selection, root) == taken(path, None, root)
            assert not (_left_out(selector, path, root) and taken(path, None, root))
    grouped = [path for path in captures.iterdir() if int(path.stem) != 3]
    for path in layout.files.iterdir():
        if path.name != layout.file(identity_of(captures / "3.pcap")).name:
            path.unlink()
    root = parse("host 192.0.2.3").root
    assert sum(_left_out(selector, path, root) for path in grouped) >= 18


def test_groups_grow_as_files_come(captures: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question looks at few files and groups besides the full ones, at each moment and after each restart, and a
    worker that has been running all the time leaves out the right files."""
    monkeypatch.setattr(indexer_module, "GROUP_FILES", (2, 4, 8))
    monkeypatch.setattr(indexer_module, "_MERGED", 2)
    one, selector = indexer(captures, layout), IndexSelector(layout.root)
    for number in range(27):
        (captures / f"{number}.pcap").write_bytes(file_header() + _one_packet(number))
        catch_up(one, captures)
        if number % 9 == 8:
            one = indexer(captures, layout)
            catch_up(one, captures)
        assert len(list(layout.groups.iterdir())) <= (number + 1) // 8 + 2
        root = parse(f"host 192.0.2.{number // 2}").root
        left_in = [path for path in captures.iterdir() if not _left_out(selector, path, root)]
        assert captures / f"{number // 2}.pcap" in left_in
        assert len(left_in) <= 3
    for number in range(20):
        (captures / f"{number}.pcap").unlink()
    catch_up(one, captures)
    assert len(list(layout.groups.iterdir())) <= 3


def test_a_file_that_is_written_to_again_is_in_a_newer_group(
    captures: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group that knew it before hides nothing, whichever of the two comes first by name, and also after a start."""
    monkeypatch.setattr(indexer_module, "GROUP_FILES", (2, 4, 8))
    for number in range(2):
        (captures / f"{number}.pcap").write_bytes(file_header() + _one_packet(number + 10))
    one, selector = indexer(captures, layout), IndexSelector(layout.root)
    catch_up(one, captures)
    with (captures / "1.pcap").open("ab") as file:
        file.write(_one_packet(30))
    assert not _left_out(selector, captures / "1.pcap", parse("host 192.0.2.30").root)
    (captures / "2.pcap").write_bytes(file_header() + _one_packet(1))
    for again in (one, indexer(captures, layout)):
        catch_up(again, captures)
        for asked in (selector, IndexSelector(layout.root)):
            assert not _left_out(asked, captures / "1.pcap", parse("host 192.0.2.30").root)
            assert _left_out(asked, captures / "1.pcap", parse("host 192.0.2.31").root)
    assert len(list(layout.groups.iterdir())) == 2


def _left_out(selector: IndexSelector, path: Path, root: Node | None) -> bool:
    (left_out,) = selector.left_out([identity_of(path)], root, EVER)
    return left_out


def _one_packet(number: int) -> bytes:
    from tests.services import frames

    one, other = f"192.0.2.{number}", "203.0.113.1"
    data = frames.udp(one, other, (1000 + number, 53), b"x" * 30)
    frame = frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", frames.ip(one, other, frames.UDP, data))
    head = (FIRST_S + number).to_bytes(4, "little") + bytes(4) + len(frame).to_bytes(4, "little") * 2
    return head + frame


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_group_is_not_used(
    seed: int, captures: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever byte is wrong."""
    monkeypatch.setattr(indexer_module, "GROUP_FILES", (2, 4, 8))
    for number in range(8):
        (captures / f"{number}.pcap").write_bytes(file_header() + _one_packet(number))
    catch_up(indexer(captures, layout), captures)
    (group,) = layout.groups.iterdir()
    data, chance = bytearray(group.read_bytes()), random.Random(seed)
    for _ in range(1 + seed * 20):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    group.write_bytes(data)
    selector = IndexSelector(layout.root)
    for number in range(8):
        root, path = parse(f"host 192.0.2.{number}").root, captures / f"{number}.pcap"
        assert not _left_out(selector, path, root)
        assert taken(path, selector.select(identity_of(path), root, EVER), root) == taken(path, None, root)


def test_damaged_indexes_are_made_again(captures: Path, layout: IndexLayout) -> None:
    """Without being asked, at the next start."""
    path = classic(captures / "a.pcap", 1, 100)
    catch_up(indexer(captures, layout), captures)
    place = layout.file(identity_of(path))
    place.write_bytes(place.read_bytes()[:-100] + bytes(100))
    whole = layout.files / ".half.1.new"
    whole.write_bytes(b"half")
    place.write_bytes(place.read_bytes()[:50])
    catch_up(indexer(captures, layout), captures)
    assert not whole.exists()
    assert agree(captures, IndexSelector(layout.root)) == 1


def test_the_index_is_bounded(captures: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes, and is not made again at once."""
    monkeypatch.setattr(indexer_module, "SPARE_BYTES", 5_000)
    for number in range(6):
        classic(captures / f"{number}.pcap", number, 50, first_s=FIRST_S + 100 * number)
    one = indexer(captures, layout)
    catch_up(one, captures)
    one._plan = []
    one.step(threading.Event())
    size = sum(path.stat().st_size for path in captures.iterdir())
    assert sum(path.stat().st_size for path in layout.files.iterdir()) <= 5_000 + size // 50
    assert agree(captures, IndexSelector(layout.root)) >= 1


@pytest.mark.usefixtures("small_blocks")
def test_a_large_file_is_indexed_piece_by_piece(
    captures: Path, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop in the middle loses nothing, and a reading reads the rest."""
    monkeypatch.setattr(indexer_module, "SLICE_BYTES", 10_000)
    path, one = classic(captures / "a.pcap", 1, 400), indexer(captures, layout)
    os.utime(path, ns=(0, time.time_ns() - 200 * 10**9))
    one.step(threading.Event())
    assert agree(captures, IndexSelector(layout.root)) == 1
    assert state_of(layout).behind_files == 1
    catch_up(one, captures)
    assert agree(captures, IndexSelector(layout.root)) == 1
    assert state_of(layout).behind_files == 0
