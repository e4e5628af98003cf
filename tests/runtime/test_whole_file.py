"""A file is replaced in one piece: its readers see the old one or the new one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from docket.runtime.whole_file import replace_file


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    """Nothing is left beside it, and the umask does not count."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    replace_file(path, [b"new ", b"content"], mode=0o664, sync=True)
    assert path.read_bytes() == b"new content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
    assert [path] == list(tmp_path.iterdir())


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """Also when the content itself fails half-way."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        replace_file(path, pieces())
    assert path.read_bytes() == b"old"
    assert [path] == list(tmp_path.iterdir())


def test_a_leftover_is_not_followed(tmp_path: Path) -> None:
    """A link with the name of the new file leads nowhere: what it names stays as it is."""
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_bytes(b"other")
    (tmp_path / ".file.new").symlink_to(other)
    replace_file(path, [b"new"])
    assert (path.read_bytes(), other.read_bytes()) == (b"new", b"other")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_mode_are_kept_where_wanted(tmp_path: Path) -> None:
    """A configuration may hold a password and belong to a group."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o604)
    os.chown(path, 1, 2)
    replace_file(path, [b"new"], keep_owner=True)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1, 2, 0o604)
