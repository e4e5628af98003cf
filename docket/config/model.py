"""The configuration: one YAML file, read once into a frozen object that is handed in. No module reads it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from docket.domain.request import DEFAULT_DEADLINE_S, DEFAULT_WINDOW_S

USER_HEADER = "X-Remote-User"
"""The header in which a proxy hands in the user's name, unless the configuration says another."""


@dataclass(frozen=True, slots=True)
class KeepOf:
    """How long the results of one owner are kept, where that is not as long as all others."""

    owner: str
    keep_s: int


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    path: Path = Path("/var/spool/docket")
    max_bytes: int = 50_000_000_000
    """Results beyond this are removed, the oldest first."""
    min_free_bytes: int = 500_000_000
    """Below this, results are removed and new jobs are refused."""
    keep_s: int = 48 * 3600
    """Results older than this are removed; their records stay."""
    keep_records_s: int = 365 * 86_400
    """Records of jobs without a result, of which nothing was written down for so long, are erased."""
    keep_of: tuple[KeepOf, ...] = ()
    """Of owners whose results are kept for longer or shorter."""
    handover_bytes: int | None = 1_000_000
    """From here on a worker of the collector's own machine writes an answer into the spool itself; None: never."""
    signing_key: Path | None = None
    """What manifests are signed with; made where there is none. Default: `key_path`."""

    @property
    def key_path(self) -> Path:
        """Never below the spool, whose readers and writers must not have it."""
        if self.signing_key is not None:
            return self.signing_key
        if self.path == SpoolConfig.default_path():
            return Path("/var/lib/docket/signing/private.pem")
        return self.path.with_name(f"{self.path.name}-signing") / "private.pem"

    @staticmethod
    def default_path() -> Path:
        return Path("/var/spool/docket")


@dataclass(frozen=True, slots=True)
class ValueAction:
    """A link that the page offers beside a value, to another program of the house."""

    name: str
    kinds: tuple[str, ...]
    """Of values: `address`, `port`, `name`, `hash`."""
    url: str
    """With `{value}` in the place of the value."""


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query that the page offers to everybody, by its name."""

    name: str
    query: str
    last: str = "15m"
    """How far back from now its window begins."""


@dataclass(frozen=True, slots=True)
class WebConfig:
    listen: tuple[str, ...] = ("127.0.0.1:8080",)
    """`host:port`, `[v6]:port` or `unix:/path`."""
    base_path: str = "/app/docket/"
    user_header: str | None = USER_HEADER
    """Header that carries the user's name; believed only from `proxy_users` and `trusted_proxies`."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies that connect over TCP."""
    proxy_users: tuple[str, ...] = ("www-data", "lighttpd", "nginx")
    """Accounts of proxies that connect to the unix socket. All others there are who the kernel says they are."""
    admins: tuple[str, ...] = ()
    own_jobs_only: bool = False
    """Hide every job from all but its owner and the admins."""
    tokens: Path | None = None
    """File with the hashed tokens of tools, a line each."""
    sendfile: str = "none"
    """Which proxy sends results from the spool itself: `lighttpd`, `nginx` or `none`."""
    cyberchef: str | None = None
    """Address of a CyberChef to which the page offers bytes; none is offered without it."""
    actions: tuple[ValueAction, ...] = ()
    queries: tuple[SavedQuery, ...] = ()


@dataclass(frozen=True, slots=True)
class JobsConfig:
    deadline_s: int = DEFAULT_DEADLINE_S
    default_window_s: int = DEFAULT_WINDOW_S
    max_bytes: int = 10_000_000_000
    """The byte limit of a job that asks for no lower one."""
    patience_s: int = 30
    """How long a source that cannot be reached keeps its jobs open."""
    open_per_user: int = 2_000
    """Jobs of one user that have not ended; further ones are refused."""


@dataclass(frozen=True, slots=True)
class StenographerConfig:
    """A source of the kind `stenographer`."""

    name: str
    url: str
    cert: Path
    key: Path
    ca: Path
    server_name: str | None = None
    """The name that the certificate must carry; default: the host of `url`, or the CN of its own CA's making."""
    flush_lag_s: int = 120
    """Packets younger than this may not be on disk yet."""
    widen_s: int = 120
    """How much wider than the window stenographer is asked, since it picks whole files by their start."""
    queries_at_once: int = 2
    slice_s: int = 3600
    """Longest stretch of time asked in one query, well below stenographer's own 15-minute stop."""
    look_inside: bool = False
    """Plain words of a query mean any layer of a packet, those in tunnels too."""
    kind: str = "stenographer"


@dataclass(frozen=True, slots=True)
class CaptureFilesConfig:
    """A source of the kind `capture-files`: a directory of rotated pcap or pcapng files."""

    name: str
    path: Path
    flush_lag_s: int = 10
    queries_at_once: int = 2
    index: str = "auto"
    """`auto`: its files are indexed, and read with the index; `off`: they are read whole."""
    look_inside: bool = False
    """As for `stenographer`."""
    ring_bytes: int | None = None
    """`docket record` records the interface into this directory, with so many bytes at most; None: others do."""
    kind: str = "capture-files"


SourceConfig = StenographerConfig | CaptureFilesConfig


@dataclass(frozen=True, slots=True)
class IndexConfig:
    path: Path | None = None
    """Directory of the index of capture files; default: /var/lib/docket/index, in `docket run` below the spool."""

    @property
    def directory(self) -> Path:
        return Path("/var/lib/docket/index") if self.path is None else self.path


@dataclass(frozen=True, slots=True)
class Config:
    sources: tuple[SourceConfig, ...]
    bus: str = "amqp://guest:guest@127.0.0.1:5672/%2F"
    """`amqp://`, `amqps://`, or `memory://` (only for `docket run`)."""
    bus_tls: dict[str, str] = field(default_factory=dict)
    """`ca`, `cert`, `key` for `amqps://`."""
    spool: SpoolConfig = field(default_factory=SpoolConfig)
    web: WebConfig = field(default_factory=WebConfig)
    jobs: JobsConfig = field(default_factory=JobsConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
