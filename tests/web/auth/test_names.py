"""How names reach Docket: lighttpd's Forwarded header, and the tokens of tools."""

from pathlib import Path

import pytest

from docket.errors import ConfigError
from docket.web.auth.forwarded import remote_user
from docket.web.auth.tokens import bearer, digest, make_token, read_tokens


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ('for="127.0.0.1";proto="https";remote_user="anna"', "anna"),
        ("for=127.0.0.1;proto=https;remote_user=anna", "anna"),
        ('for=192.0.2.1;remote_user="root", for="127.0.0.1";remote_user="anna"', "anna"),
        ('for=192.0.2.1;remote_user="root", for="127.0.0.1"', ""),
        (r'remote_user="an\"na, x"', 'an"na, x'),
        ('For="[2001:db8::1]:1";Remote_User="anna"', "anna"),
        ("", ""),
    ],
)
def test_last_element_is_the_proxys_word(header: str, user: str) -> None:
    """Whatever stands before it, the last element's remote_user counts."""
    assert remote_user(header) == user


@pytest.mark.parametrize(
    "header",
    [
        'for=", for="127.0.0.1";remote_user="anna"',
        'x="\\, for="127.0.0.1";remote_user="anna"',
        'for="127.0.0.1";remote_user="anna";remote_user="root"',
        "for=127.0.0.1,",
        "for=127.0.0.1;",
        "nothing",
        'remote_user="anna" root',
    ],
)
def test_header_that_is_not_well_formed_names_nobody(header: str) -> None:
    """A quote left open by a client cannot swallow the proxy's own words."""
    with pytest.raises(ValueError):
        remote_user(header)


def test_token_is_known_by_its_hash(tmp_path: Path) -> None:
    """The line that `make_token` gives lets exactly its token in."""
    token, line = make_token("siem")
    (tmp_path / "tokens").write_text(f"# tools\n\n{line}  # added today\n")
    names = read_tokens(tmp_path / "tokens")
    assert names == {digest(token): "siem"}
    assert token not in (tmp_path / "tokens").read_text()


def test_every_bad_line_is_told(tmp_path: Path) -> None:
    """A file with faults lets nobody in, and all of them are told."""
    (tmp_path / "tokens").write_text("siem abc\nonly-a-name\n")
    with pytest.raises(ConfigError) as caught:
        read_tokens(tmp_path / "tokens")
    assert [fault.code for fault in caught.value.faults] == ["bad-token-line"] * 2
    with pytest.raises(ConfigError):
        read_tokens(tmp_path / "missing")


@pytest.mark.parametrize("name", ["", "two words", "a" * 300, "-x", "ä"])
def test_name_of_a_tool_is_plain(name: str) -> None:
    """A name that would break the file's line is refused."""
    with pytest.raises(ValueError):
        make_token(name)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abcdefghijklmnop", "abcdefghijklmnop"),
        ("bearer  abcdefghijklmnop ", "abcdefghijklmnop"),
        ("Bearer short", ""),
        ("Bearer", ""),
        ("Basic YW5uYTp4", None),
        ("", None),
    ],
)
def test_only_bearer_is_a_token(header: str, token: str | None) -> None:
    """Other schemes are the proxy's; a malformed token is nobody's."""
    assert bearer(header) == token
