"""A running `docket run` is found by the same user's `docket get`, and only while it runs."""

from pathlib import Path

from docket.cli.client.discovery import announced, running_server, server_file

URL = "http://127.0.0.1:8080/app/docket/"


def test_address_is_found_while_it_is_announced(tmp_path: Path) -> None:
    """The file's address counts as long as the announcement lasts."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with announced(URL, environ) as mine:
        assert (mine, running_server(environ)) == (True, URL)
    assert running_server(environ) is None


def test_first_server_keeps_the_file(tmp_path: Path) -> None:
    """A second server changes nothing, and is told so."""
    environ = {"HOME": str(tmp_path)}
    with announced(URL, environ), announced("http://127.0.0.1:9/", environ) as second:
        assert (second, running_server(environ)) == (False, URL)


def test_address_of_a_dead_server_is_not_used(tmp_path: Path) -> None:
    """A file that nobody holds, as after a power cut, names no server."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    server_file(environ).parent.mkdir()
    server_file(environ).write_text(URL)
    assert running_server(environ) is None


def test_state_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """Without a place for the file the server runs all the same."""
    (tmp_path / "file").touch()
    with announced(URL, {"XDG_STATE_HOME": str(tmp_path / "file")}) as mine:
        assert mine is False
