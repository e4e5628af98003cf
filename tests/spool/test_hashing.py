"""The hash that is taken beside is the hash of what was given, in that order, at any moment."""

import hashlib
from pathlib import Path

import pytest

from docket.errors import SpoolError
from docket.spool.hashing import BackgroundHash, FileHash


def test_hash_is_that_of_all_pieces_in_order() -> None:
    """Whatever the pieces, more of them than may wait, the digest is that of their concatenation."""
    running, pieces = BackgroundHash(), [bytes([number]) * (1000 * number + 1) for number in range(200)]
    for first, second in zip(pieces[::2], pieces[1::2], strict=True):
        running.update([first, memoryview(second)])
    assert running.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_hash_can_be_asked_in_between() -> None:
    """A digest tells of what was added before, and more may be added after."""
    running = BackgroundHash()
    digests = [running.hexdigest()]
    for piece in (b"one", b"two"):
        running.update([piece])
        digests.append(running.hexdigest())
    assert digests == [hashlib.sha256(text).hexdigest() for text in (b"", b"one", b"onetwo")]


def test_hash_of_a_growing_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    """However it grows, by little or far beyond what may wait, and asked in between as often as one likes."""
    path, content = tmp_path / "file", b""
    running = FileHash(path)
    for number, size in enumerate((0, 10, 3 << 20, 1, 20 << 20, 1 << 20, 5)):
        content += bytes([number]) * size
        path.write_bytes(content + b"not final yet")
        running.upto(len(content))
        if number != 3:
            assert running.hexdigest(len(content)) == hashlib.sha256(content).hexdigest()


def test_file_that_cannot_be_read_back_has_no_hash_until_it_can(tmp_path: Path) -> None:
    """A failure is told, and does not make a later digest wrong."""
    path, content = tmp_path / "file", bytes(3 << 20)
    running = FileHash(path)
    running.upto(len(content))
    with pytest.raises(SpoolError):
        running.hexdigest(len(content))
    # The second time some of it can be read, before it fails.
    path.write_bytes(content[:-1])
    with pytest.raises(SpoolError):
        running.hexdigest(len(content))
    path.write_bytes(content)
    assert running.hexdigest(len(content)) == hashlib.sha256(content).hexdigest()
