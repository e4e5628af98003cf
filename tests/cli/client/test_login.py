"""What was named on the command line is asked and no other server, and a password is never shown."""

import argparse
import io
from pathlib import Path

import pytest

from docket.cli.client.discovery import announced
from docket.cli.ui.terminal import Terminal, client_for
from docket.client.login import Login, find_login
from docket.errors import ConfigError

RUNNING = "http://127.0.0.1:7001/app/docket/"
OTHER = "http://127.0.0.1:7002/app/docket/"


def asked(environ: dict[str, str], server: str | None = None, config: Path | None = None) -> str:
    """The server that a command asks."""
    args = argparse.Namespace(server=server, config=config, user=None, ca=None)
    return client_for(args, Terminal(environ, io.StringIO(), io.StringIO())).url


def test_named_server_wins_over_what_runs(tmp_path: Path) -> None:
    """Two servers on one machine: --server, then --config, then DOCKET_SERVER, then the one that runs."""
    config = tmp_path / "other.yaml"
    config.write_text('web: {listen: ["127.0.0.1:7002"]}\nsources: []\n')
    third = "http://127.0.0.1:7003/app/docket/"
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with announced(RUNNING, environ):
        assert asked(environ) == RUNNING
        assert asked(environ, server=OTHER) == OTHER
        assert asked(environ, config=config) == OTHER
        assert asked(environ | {"DOCKET_SERVER": third}, config=config) == OTHER
        assert asked(environ | {"DOCKET_SERVER": third}) == third
        assert asked(environ | {"DOCKET_CONF": str(config)}) == OTHER


def test_password_is_taken_out_of_the_address() -> None:
    """Neither the address nor the login shows it."""
    url, login = find_login("https://anna:s%40cret@rock01/app/docket/", None, None, {})
    assert (url, login.user, login.password) == ("https://rock01/app/docket/", "anna", "s@cret")
    assert "s@cret" not in repr(login)


def test_password_comes_from_the_environment_netrc_or_a_prompt(tmp_path: Path) -> None:
    """In this order; without any of them it is a fault."""
    url = "https://rock01/app/docket/"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine rock01 login anna password of-netrc\n")
    netrc.chmod(0o600)
    known = {"NETRC": str(netrc)}
    assert find_login(url, "anna", None, known | {"DOCKET_PASSWORD": "of-env"})[1] == Login("anna", "of-env")
    assert find_login(url, None, None, known)[1] == Login("anna", "of-netrc")
    assert find_login(url, "ben", None, known, lambda _: "typed")[1] == Login("ben", "typed")
    with pytest.raises(ConfigError, match="DOCKET_PASSWORD"):
        find_login(url, "ben", None, {"HOME": str(tmp_path)})


def test_authorities_that_cannot_be_read_are_a_fault(tmp_path: Path) -> None:
    """Rather than trusting the system's in their place."""
    with pytest.raises(ConfigError, match="--ca"):
        find_login("https://rock01/", None, tmp_path / "none.pem", {})


def test_configuration_that_names_no_server_is_a_fault(tmp_path: Path) -> None:
    """The one that runs is not asked instead: neither where nothing is listened on, nor where the file is wrong."""
    config = tmp_path / "other.yaml"
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with announced(RUNNING, environ):
        config.write_text("web: {listen: []}\nsources: []\n")
        with pytest.raises(ConfigError, match=r"web\.listen"):
            asked(environ, config=config)
        with pytest.raises(ConfigError, match=r"web\.listen"):
            asked(environ | {"DOCKET_CONF": str(config)})
        config.write_text("web: {listn: []}\nsources: []\n")
        with pytest.raises(ConfigError, match="listn"):
            asked(environ, config=config)
        with pytest.raises(ConfigError, match="listn"):
            asked(environ | {"DOCKET_CONF": str(config)})
