"""Pieces of memory, wherever they lie, stand in the file one after the other; however the kernel takes them."""

import ctypes
import os
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from docket.errors import SpoolFull
from docket.runtime import gathered_write
from docket.runtime.gathered_write import Pieces, address_of, together
from docket.spool.file_io import gather_at

MEMORY_BYTES = 1 << 20


def scattered(count: int, seed: int) -> tuple[NDArray[np.uint8], Pieces, bytes]:
    """Memory, so many pieces of it in any order, some of them neighbours, some empty, and their bytes."""
    chance = random.Random(seed)
    memory = np.frombuffer(chance.randbytes(MEMORY_BYTES), dtype=np.uint8)
    begins, sizes, at = [], [], 0
    for _ in range(count):
        size = chance.choice((0, 1, 60, 700, 1514))
        at = at if chance.random() < 0.5 and at + size <= MEMORY_BYTES else chance.randrange(MEMORY_BYTES - size)
        begins.append(at)
        sizes.append(size)
        at += size
    expected = b"".join(memory[begin : begin + size].tobytes() for begin, size in zip(begins, sizes, strict=True))
    return memory, Pieces(address_of(memory) + np.array(begins), np.array(sizes)), expected


@pytest.mark.parametrize("count", [1, 2, 1_024, 5_000])
def test_pieces_stand_one_after_the_other(tmp_path: Path, count: int) -> None:
    """One, and more than the kernel takes with one call, behind what the file has already."""
    path = tmp_path / "file"
    path.write_bytes(b"begin")
    _memory, pieces, expected = scattered(count, seed=count)
    assert gather_at(path, 5, pieces) == 5 + len(expected)
    assert (path.read_bytes(), pieces.content()) == (b"begin" + expected, expected)


def test_no_pieces_make_an_empty_file(tmp_path: Path) -> None:
    """As with other writes, the file is there afterwards."""
    assert gather_at(tmp_path / "file", 0, gathered_write.NO_PIECES) == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_neighbours_are_written_together() -> None:
    """Pieces of which each begins where the one before ends are one; a step back or a hole keeps them apart."""
    pieces = Pieces(np.array([100, 110, 130, 120, 135]), np.array([10, 5, 5, 10, 1]))
    joined = pieces.joined()
    assert (joined.addresses.tolist(), joined.sizes.tolist()) == ([100, 130, 120, 135], [15, 5, 10, 1])
    both = together([pieces, joined])
    assert (both.size_bytes, both.chosen(np.array([0, 5])).sizes.tolist()) == (62, [10, 15])


@pytest.mark.parametrize("most", [1, 61, 1_000, 70_000])
def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """A kernel that takes few bytes at a time, in the middle of a piece too, or is interrupted, loses none."""
    calls = 0

    def takes_few(fd: int, vectors: int, count: int, offset: int) -> int:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            ctypes.set_errno(4)  # EINTR
            return -1
        listed = np.ctypeslib.as_array(ctypes.cast(vectors, ctypes.POINTER(ctypes.c_size_t)), (count, 2))
        content = b"".join(ctypes.string_at(int(address), int(size)) for address, size in listed)
        return os.pwrite(fd, content[:most], offset)

    count = 9 if most == 1 else 300
    _memory, pieces, expected = scattered(count, seed=most)
    monkeypatch.setattr(gathered_write, "_PWRITEV", takes_few)
    assert gather_at(tmp_path / "file", 0, pieces) == len(expected)
    assert (tmp_path / "file").read_bytes() == expected


def test_full_disk_is_told(tmp_path: Path) -> None:
    """A real limit of the kernel, met in the middle: what fits is written, and the error says that no more does."""
    _memory, pieces, expected = scattered(300, seed=7)
    with file_limit(1_000), pytest.raises(SpoolFull):
        gather_at(tmp_path / "file", 0, pieces)
    assert (tmp_path / "file").read_bytes() == expected[:1_000]


@contextmanager
def file_limit(size_bytes: int) -> Iterator[None]:
    """No file of this process may become larger."""
    before: Any = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
