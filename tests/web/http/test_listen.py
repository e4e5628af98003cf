"""Listening on TCP and on unix sockets."""

import os
import socket
import stat
from pathlib import Path

import pytest

from docket.errors import ConfigError
from docket.web.http.listen import describe, open_sockets, remove_unix_socket


def test_port_zero_is_described_as_the_port_that_was_given() -> None:
    """Tests and `docket run` learn where they listen."""
    (opened,) = open_sockets(["127.0.0.1:0"])
    with opened:
        assert describe(opened) == f"127.0.0.1:{opened.getsockname()[1]}"


def test_v6_address_is_described_in_brackets() -> None:
    """An IPv6 address is written so that a client can use it."""
    (opened,) = open_sockets(["[::1]:0"])
    with opened:
        assert describe(opened) == f"[::1]:{opened.getsockname()[1]}"


def test_unix_socket_is_for_owner_and_group_only(tmp_path: Path) -> None:
    """Mode 0660, whatever the umask; its name goes away with the server."""
    path = tmp_path / "web.socket"
    mask = os.umask(0)
    try:
        (opened,) = open_sockets([f"unix:{path}"])
    finally:
        os.umask(mask)
    with opened:
        assert (describe(opened), stat.S_IMODE(path.stat().st_mode)) == (f"unix:{path}", 0o660)
        remove_unix_socket(opened)
    assert not path.exists()


def test_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    """The socket of a process that was killed does not keep the next one from starting."""
    path = tmp_path / "web.socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    (opened,) = open_sockets([f"unix:{path}"])
    with opened, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_served_unix_socket_is_left_alone(tmp_path: Path) -> None:
    """A second server does not take the name of one that runs."""
    path = tmp_path / "web.socket"
    (opened,) = open_sockets([f"unix:{path}"])
    with opened:
        with pytest.raises(ConfigError, match="another process listens there"):
            open_sockets([f"unix:{path}"])
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_file_in_the_way_is_not_removed(tmp_path: Path) -> None:
    """What is not a socket stays."""
    path = tmp_path / "web.socket"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="not a socket"):
        open_sockets([f"unix:{path}"])
    assert path.read_text() == "precious"


def test_every_address_that_cannot_be_listened_on_is_told() -> None:
    """Faults come all at once, and nothing stays open."""
    (taken,) = open_sockets(["127.0.0.1:0"])
    address = describe(taken)
    with taken, pytest.raises(ConfigError) as refused:
        open_sockets(["127.0.0.1:0", address, "nonsense", "unix:/no/such/folder/web.socket"])
    assert [fault.code for fault in refused.value.faults] == ["cannot-listen"] * 3
    assert refused.value.faults[0].message == f"cannot listen on {address}: Address already in use"
