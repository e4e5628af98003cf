"""The configuration file: defaults, every kind of value, and every fault at once with its line."""

from pathlib import Path
from textwrap import dedent

import pytest

from docket.config.loader import DEFAULT_PATH, find_config, load_config
from docket.config.model import CaptureFilesConfig, Config, SpoolConfig, StenographerConfig
from docket.config.values import TcpAddress, base_path, duration_s, listen_address, size_bytes
from docket.errors import ConfigError


def write(directory: Path, text: str) -> Path:
    path = directory / "docket.yaml"
    path.write_text(dedent(text))
    return path


def load(directory: Path, text: str) -> Config:
    return load_config(write(directory, text), {})


def faults(
    directory: Path, text: str, *, check_files: bool = False, allow_memory: bool = True
) -> list[tuple[int | None, str]]:
    """The line and the code of every fault."""
    with pytest.raises(ConfigError) as caught:
        load_config(write(directory, text), {}, check_files=check_files, allow_memory=allow_memory)
    return [(fault.position, fault.code) for fault in caught.value.faults]


def sentences(directory: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(write(directory, text), {})
    return str(caught.value)


def test_everything_but_the_sources_has_a_default(tmp_path: Path) -> None:
    """A file with sources alone is a whole configuration."""
    assert load(tmp_path, "sources: []") == Config(sources=())


def test_every_setting_is_read(tmp_path: Path) -> None:
    """Each key lands in its field, with its unit."""
    config = load(
        tmp_path,
        """
        bus: {url: "amqps://broker/docket", ca: tls/ca.pem, cert: tls/cert.pem, key: /keys/key.pem}
        spool: {path: /data/docket, max_bytes: 1.5TB, min_free: 700MB, keep: 3d12h}
        web:
          listen: ["unix:/run/docket/docket.socket", "[::1]:8443"]
          base_path: packets
          user_header: null
          trusted_proxies: 10.0.0.0/8
          admins: [anna, bert]
        jobs: {deadline: 5m, default_window: 2h, max_bytes: 1000, patience: 90}
        sources:
          - {name: "rock01:em1", kind: stenographer, url: "https://10.0.0.5:1234/", cert: c.pem, key: k.pem, ca: ca.pem,
             server_name: steno, flush_lag: 90s, widen: 61s, queries_at_once: 4, slice: 30m}
          - {name: "rock01:em2", kind: capture-files, path: pcap/em2, flush_lag: 5s, queries_at_once: 1}
        """,
    )
    tls = tmp_path / "tls"
    assert (config.bus, config.bus_tls) == (
        "amqps://broker/docket",
        {"ca": str(tls / "ca.pem"), "cert": str(tls / "cert.pem"), "key": "/keys/key.pem"},
    )
    assert config.spool == SpoolConfig(Path("/data/docket"), 1_500_000_000_000, 700_000_000, 302_400)
    assert config.web.listen == ("unix:/run/docket/docket.socket", "[::1]:8443")
    assert (config.web.base_path, config.web.user_header) == ("/packets/", None)
    assert (config.web.trusted_proxies, config.web.admins) == (("10.0.0.0/8",), ("anna", "bert"))
    assert (config.jobs.deadline_s, config.jobs.default_window_s) == (300, 7200)
    assert (config.jobs.max_bytes, config.jobs.patience_s) == (1000, 90)
    assert config.sources == (
        StenographerConfig(
            name="rock01:em1",
            url="https://10.0.0.5:1234",
            cert=tmp_path / "c.pem",
            key=tmp_path / "k.pem",
            ca=tmp_path / "ca.pem",
            server_name="steno",
            flush_lag_s=90,
            widen_s=61,
            queries_at_once=4,
            slice_s=1800,
        ),
        CaptureFilesConfig("rock01:em2", tmp_path / "pcap/em2", 5, 1),
    )


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    """One reading of a broken file names all that is wrong with it, in the order of its lines."""
    broken = """\
        bus: http://example
        spool: {path: /x, max_bytes: lots}
        spol: {}
        web:
          listen: ["127.0.0.1:8080", "somewhere", "127.0.0.1:70000"]
        jobs: [1]
        sources:
          - {name: rock01, kind: capture-files, path: /data}
          - {name: "a:b", kind: other}
          - name: "a:c"
            kind: stenographer
            url: http://127.0.0.1:1234
            cert: c
            key: k
            ca: ca
          - {name: "a:d", kind: capture-files, path: [1]}
          - {name: "a:d", kind: capture-files}
          - {name: "a:e", kind: capture-files, path: /data}
          - {name: "a:e", kind: capture-files, path: /data}
        """
    assert faults(tmp_path, broken) == [
        (1, "bad-value"),
        (2, "bad-value"),
        (3, "unknown-setting"),
        (5, "bad-value"),
        (5, "bad-value"),
        (6, "bad-type"),
        (8, "bad-value"),
        (9, "bad-kind"),
        (12, "bad-value"),
        (16, "bad-type"),
        (17, "missing"),
        (19, "duplicate-source"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "`sources` is missing"),
        ("[]", "the file must hold settings"),
        ("sources: {}", "`sources` must be a list"),
        ("sources: []\nsources: []", "`sources` stands twice"),
        ("sources: []\nspool: {keeep: 1h}", "no setting `spool.keeep`; did you mean `keep`?"),
        ("sources: []\nspool:", "`spool` must be a mapping"),
        ("sources: []\nspool: {keep: null}", "`spool.keep` must be a single value"),
        ("sources: []\nspool: {keep: 5 parsecs}", "'5 parsecs' is not a duration"),
        ("sources: []\njobs: {deadline: 25h}", "from 1 s to 24 h"),
        ("sources: []\nbus: {url: amqp://h, ca: x}", "are for an amqps:// address"),
        ("sources: []\nbus: {ca: x}", "`url` is missing"),
        ("sources: []\nbus: amqp://h:99999/", "'99999' is not a port"),
        ("sources: [5]", "a source must be a mapping"),
        ("sources: []\nweb: {base_path: /a/../b/}", "is not a path like /app/docket/"),
        ("sources: []\nweb: {user_header: 'X User'}", "is not the name of a header"),
        ("sources: []\nweb: {trusted_proxies: [here]}", "'here' is not an address or a net"),
        ("sources: []\nweb: {listen: 'unix:relative'}", "a socket needs an absolute path"),
        ("sources: [\n", "this is not YAML"),
        ("sources: \x07", "this is not YAML"),
    ],
)
def test_fault_is_said_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    """Each fault has a sentence that names the setting and what would be right."""
    assert sentence in sentences(tmp_path, text)


def test_certificates_are_looked_for_on_demand_only(tmp_path: Path) -> None:
    """Files that are named must be there when `check_files` says so, and may be elsewhere otherwise."""
    text = """\
        sources:
          - {name: "a:b", kind: stenographer, url: "https://h:1", cert: c.pem, key: k.pem, ca: docket.yaml}
          - {name: "a:c", kind: capture-files, path: nowhere}
        """
    assert len(load(tmp_path, text).sources) == 2
    assert faults(tmp_path, text, check_files=True) == [(2, "no-file"), (2, "no-file"), (3, "no-file")]


def test_memory_bus_is_for_one_process(tmp_path: Path) -> None:
    """memory:// is refused, with its line, where several processes would need it."""
    text = "sources: []\nbus: memory://"
    assert load(tmp_path, text).bus == "memory://"
    assert faults(tmp_path, text, allow_memory=False) == [(2, "bad-bus")]


def test_default_bus_stands_for_a_file_without_one(tmp_path: Path) -> None:
    """`docket run` has a default of its own, which a file that names a bus overrides."""
    without, named = "sources: []", "sources: []\nbus: amqp://h/"
    assert load_config(write(tmp_path, without), {}, default_bus="memory://").bus == "memory://"
    assert load_config(write(tmp_path, named), {}, default_bus="memory://").bus == "amqp://h/"


def test_file_is_found_in_the_documented_order(tmp_path: Path) -> None:
    """The option comes before the environment, the environment before /etc."""
    environ = {"DOCKET_CONF": str(tmp_path / "environment")}
    assert find_config(tmp_path / "option", environ) == tmp_path / "option"
    assert find_config(None, environ) == tmp_path / "environment"
    assert find_config(None, {}) == DEFAULT_PATH == Path("/etc/docket/docket.yaml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"#" * 1_000_001])
def test_file_that_cannot_be_read_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    """No file, no text, no end: each is an error of the configuration, not of Python."""
    path = tmp_path / "docket.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=str(path)):
        load_config(path, {})


@pytest.mark.parametrize(
    ("text", "size"),
    [("50GB", 50_000_000_000), ("500MB", 500_000_000), ("1.5 kB", 1500), ("2T", 2 * 10**12), ("7", 7), ("3b", 3)],
)
def test_sizes(text: str, size: int) -> None:
    """Sizes are decimal, with or without the B."""
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1MB", "1XB", "1 000", "1e9", "½GB"])
def test_what_is_no_size(text: str) -> None:
    """Anything else is refused with an example of what is right."""
    with pytest.raises(ValueError, match="write it like 50GB"):
        size_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("48h", 172_800), ("120s", 120), ("1w", 604_800), ("1h30m", 5400), ("9", 9)]
)
def test_durations(text: str, seconds: int) -> None:
    """Durations are written as in a query's window; a bare number is seconds."""
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", TcpAddress("127.0.0.1", 8080)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("[::1]:80", TcpAddress("::1", 80)),
        ("unix:/run/x.socket", Path("/run/x.socket")),
    ],
)
def test_listen_addresses(text: str, address: TcpAddress | Path) -> None:
    """An address is taken apart, and written again as it was."""
    assert listen_address(text) == address
    assert str(address) == text.removeprefix("unix:")


@pytest.mark.parametrize("text", ["8080", ":8080", "::1:80", "h:", "h:x", "h:65536", "unix:", "unix:/" + "x" * 107])
def test_what_is_no_listen_address(text: str) -> None:
    """What cannot be listened on is refused when the file is read."""
    with pytest.raises(ValueError, match=text[:20].replace("[", r"\[")):
        listen_address(text)


@pytest.mark.parametrize(("text", "path"), [("/", "/"), ("", "/"), ("app/docket", "/app/docket/"), ("/a/b/", "/a/b/")])
def test_base_path_gets_its_slashes(text: str, path: str) -> None:
    """Both ends of the base path have a slash, however it was written."""
    assert base_path(text) == path


def test_actions_for_values(tmp_path: Path) -> None:
    """Each with its name, the kinds of values it is for, and an address that is nothing but a place in the web."""
    path = tmp_path / "docket.yaml"
    path.write_text(
        "sources: []\nweb:\n  cyberchef: https://chef.example/\n  actions:\n"
        "    - {name: Assets, for: [address, name], url: 'https://assets.example/?q={value}'}\n"
        "    - {name: Hashes, for: hash, url: 'http://hashes.example/{value}'}\n"
    )
    web = load_config(path, {}).web
    assert web.cyberchef == "https://chef.example/"
    assert [(one.name, one.kinds, one.url) for one in web.actions] == [
        ("Assets", ("address", "name"), "https://assets.example/?q={value}"),
        ("Hashes", ("hash",), "http://hashes.example/{value}"),
    ]
    path.write_text("sources: []\nweb: {queries: [{name: DNS, query: port 53, last: 1h}, {name: All, query: ''}]}\n")
    assert [(one.name, one.query, one.last) for one in load_config(path, {}).web.queries] == [
        ("DNS", "port 53", "1h"),
        ("All", "", "15m"),
    ]
    path.write_text("sources: []\nweb: {queries: [{name: DNS, query: port port}, {name: X, query: tcp, last: soon}]}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path, {})
    assert [fault.field for fault in error.value.faults] == ["web.queries[0].query", "web.queries[1].last"]
    path.write_text(
        "sources: []\nweb:\n  cyberchef: javascript:alert(1)\n  actions:\n"
        "    - {name: A, for: colour, url: 'https://x.example/{value}'}\n"
        "    - {name: B, for: hash, url: 'javascript:alert({value})'}\n"
        "    - {name: C, for: hash, url: 'https://x.example/'}\n"
        "    - {name: D, for: hash, url: 'https://{value}.example/'}\n"
        "    - {name: E, url: 'https://x.example/{value}'}\n"
    )
    with pytest.raises(ConfigError) as error:
        load_config(path, {})
    assert [fault.field for fault in error.value.faults] == [
        "web.cyberchef",
        "web.actions[0].for",
        "web.actions[1].url",
        "web.actions[2].url",
        "web.actions[3].url",
        "web.actions[4].for",
    ]
