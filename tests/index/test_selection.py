"""Whatever matches lies in what the index selects; and the index selects less than everything."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.index.index_files import IndexLayout
from docket.index.selector import IndexSelector
from docket.packet.pcap import file_header
from tests.index.captures import EVER, FIRST_S, MAKERS, classic, identity_of, index, records, taken
from tests.packet.questions import random_question

US = 1_000_000


@pytest.fixture
def selector(layout: IndexLayout) -> IndexSelector:
    return IndexSelector(layout.root)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_random_questions_get_the_same_packets_with_the_index(
    name: str, tmp_path: Path, layout: IndexLayout, selector: IndexSelector
) -> None:
    """Of any format: a reading of the selected stretches alone finds every packet, once."""
    path = MAKERS[name](tmp_path / name, 11)
    index(path, layout)
    identity, chance = identity_of(path), random.Random(name)
    for _ in range(60):
        root = random_question(chance).node
        window = EVER if chance.random() < 0.5 else _window(chance)
        selection = selector.select(identity, root, window)
        assert selection is not None
        assert taken(path, selection, root, window) == taken(path, None, root, window)


def _window(chance: random.Random) -> Window:
    after_s, length_s = FIRST_S + chance.randrange(-20, 300), chance.choice((1, 5, 50, 400))
    return Window(after_s * US, (after_s + length_s) * US)


@pytest.mark.usefixtures("small_blocks")
def test_an_absent_value_leaves_little_to_read(tmp_path: Path, layout: IndexLayout, selector: IndexSelector) -> None:
    """Only blocks with packets that were cut before their addresses are left."""
    path = classic(tmp_path / "a.pcap", 3, 600)
    index(path, layout)
    selection = selector.select(identity_of(path), parse("host 198.51.100.1").root, EVER)
    assert selection is not None
    read = sum(extent.length_bytes for extent in selection.extents)
    assert read < path.stat().st_size / 3


@pytest.mark.usefixtures("small_blocks")
def test_a_growing_file_is_read_from_where_the_index_ends(
    tmp_path: Path, layout: IndexLayout, selector: IndexSelector
) -> None:
    """What was written after the indexing belongs to every answer; a longer index then knows it."""
    path, root = classic(tmp_path / "a.pcap", 5), parse("tcp and port 443").root
    index(path, layout)
    more = records(6, 200, first_s=FIRST_S + 300)
    with path.open("ab") as file:
        file.write(more[:-7])
    for _ in range(2):
        selection = selector.select(identity_of(path), root, EVER)
        assert selection is not None
        assert selection.rest is not None
        assert taken(path, selection, root) == taken(path, None, root)
        built = index(path, layout, longer=True)
        assert built.read_bytes < path.stat().st_size / 2
    with path.open("ab") as file:
        file.write(more[-7:])
    built = index(path, layout, longer=True)
    selection = selector.select(identity_of(path), root, EVER)
    assert selection is not None
    assert (selection.rest, built.facts.packets, built.facts.clean) == (None, 500, True)
    assert taken(path, selection, root) == taken(path, None, root)


def test_another_file_of_the_same_inode_is_read_whole(
    tmp_path: Path, layout: IndexLayout, selector: IndexSelector
) -> None:
    """A ring that writes over its files in place changes their first packets."""
    path = classic(tmp_path / "ring0", 7, 100)
    index(path, layout)
    path.write_bytes(file_header() + records(8, 400))
    assert selector.select(identity_of(path), None, EVER) is None


def test_a_file_of_the_same_size_that_was_written_to_is_read_whole(
    tmp_path: Path, layout: IndexLayout, selector: IndexSelector
) -> None:
    """The time of the last write must be the one of the indexing."""
    path = classic(tmp_path / "a.pcap", 7, 100)
    index(path, layout)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert selector.select(identity_of(path), None, EVER) is None


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_index_is_not_used(seed: int, tmp_path: Path, layout: IndexLayout, selector: IndexSelector) -> None:
    """Whatever bytes are wrong or missing: the file is read whole, or what was damaged was not needed."""
    path, root = classic(tmp_path / "a.pcap", 9, 200), parse("host 10.1.2.3").root
    index(path, layout)
    place, chance = layout.file(identity_of(path)), random.Random(seed)
    data = bytearray(place.read_bytes())
    if seed % 4 == 0:
        del data[chance.randrange(len(data)) :]
    else:
        for _ in range(seed % 4):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    place.write_bytes(data)
    selection = selector.select(identity_of(path), root, EVER)
    assert taken(path, selection, root) == taken(path, None, root)


def test_a_file_that_ends_in_damage_shows_it_to_every_reading(
    tmp_path: Path, layout: IndexLayout, selector: IndexSelector
) -> None:
    """What the index leaves out never hides that the file is damaged."""
    path = classic(tmp_path / "a.pcap", 9, 200)
    with path.open("ab") as file:
        file.write(b"\xff" * 400)
    index(path, layout)
    selection = selector.select(identity_of(path), parse("host 198.51.100.1").root, EVER)
    assert selection is not None
    assert selection.rest is not None
