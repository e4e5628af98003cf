"""Who is asking, and whether the request may change anything: user header, proxies, origins.

A user's name comes from the proxy in front, in a header that is believed only from the proxy: over TCP from
`web.trusted_proxies`, on a unix socket from root and from the accounts in `web.proxy_users`, by the kernel's word. From
all others the header is ignored; on a unix socket they are the accounts that they run as. A tool may name itself with
a token, wherever it comes from.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import pwd
import socket
import struct
from dataclasses import dataclass

from tornado.httputil import HTTPServerRequest

from docket.config.model import WebConfig
from docket.domain.plain_text import packet_address
from docket.domain.request import LONGEST_OWNER
from docket.errors import ConfigError, Fault
from docket.runtime.own_names import host_name, is_loopback, is_own_name, netloc
from docket.web.auth.forwarded import remote_user
from docket.web.auth.tokens import bearer, digest, read_tokens
from docket.web.http.api_errors import ApiError, api_error

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_DEFAULT_PORTS = (":80", ":443")
_FORWARDING = ("Forwarded", "X-Forwarded-For")
"""Every proxy adds one of these; programs that connect by themselves send none."""
_UCRED = struct.Struct("3i")
"""pid, uid, gid, as `struct ucred` has them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The account of a process that is connected to a unix socket, by the word of the kernel (SO_PEERCRED, unix(7))."""

    uid: int
    account: str
    """Empty for an account without a name."""

    @property
    def is_privileged(self) -> bool:
        """Whether it could do everything here anyway: root, and the account that this process runs as."""
        return self.uid in (0, os.geteuid())


@dataclass(frozen=True, slots=True)
class Principal:
    """One request's sender."""

    user: str
    """Empty without a user."""
    address: str
    """Where the request came from, for the audit trail; behind a trusted proxy, what the proxy says."""
    proxied: bool
    """Whether a trusted proxy handed the request in, so that it may name users and send files by itself."""
    is_admin: bool

    @property
    def share(self) -> str:
        """Under what name things are counted that there are only so many of: the user, or the address without one."""
        return self.user or f"anonymous at {self.address}"


class Authenticator:
    """Decides who a principal is. Made once from the configuration; raises ConfigError."""

    def __init__(self, web: WebConfig) -> None:
        self._header = web.user_header
        self._is_forwarded = (web.user_header or "").lower() == "forwarded"
        self._admins = frozenset(web.admins)
        self._proxies = _networks(web.trusted_proxies)
        self._proxy_accounts = frozenset(web.proxy_users)
        self._tokens = read_tokens(web.tokens) if web.tokens is not None else {}

    def principal(self, request: HTTPServerRequest) -> Principal:
        """Raises ApiError for a user header that makes no sense (400) and for an unknown token (401)."""
        peer = unix_peer(request)
        proxied = self._is_proxied(request, peer)
        address = _address(request, peer)
        user = self._tool(request) or (self._user(request) if proxied else "") or self._account(request, peer)
        return Principal(
            user=user,
            address=_forwarded_for(request, address) if proxied else address,
            proxied=proxied,
            is_admin=user != "" and user in self._admins,
        )

    def principal_or_stranger(self, request: HTTPServerRequest) -> Principal:
        """The principal; for a request whose name or token makes no sense, one without a name."""
        try:
            return self.principal(request)
        except ApiError:
            address = _address(request, unix_peer(request))
            return Principal(user="", address=address, proxied=False, is_admin=False)

    def check_host(self, request: HTTPServerRequest, principal: Principal) -> None:
        """Refuse a request over this machine's loopback that was sent to a name which is not this machine's.

        A page of any site can have its own name resolved to 127.0.0.1 (DNS rebinding); the browser then takes
        Docket for that site. Where a proxy is configured, the names are the proxy's concern.
        """
        if self._proxies or principal.proxied or principal.user or not is_loopback(str(request.remote_ip)):
            return
        if not is_own_name(host_name(request.headers.get("Host", ""))):
            raise api_error(421, "foreign-host", "this server is not known by that name; use its address or localhost")

    def check_same_origin(self, request: HTTPServerRequest, principal: Principal) -> None:
        """Refuse what another site's page makes a browser send; programs that send no `Origin` are let through.

        Needed for everything that changes something and for WebSockets, which browsers open across origins.
        """
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get("Origin")
        if site in ("same-origin", "none") or (site is None and origin is None):
            return
        hosts = {_host(request.headers.get("Host", ""))}
        if principal.proxied:
            hosts |= {_host(name) for name in request.headers.get("X-Forwarded-Host", "").split(",")}
        if site is None and origin is not None and _host(netloc(origin)) in hosts - {""}:
            return
        raise api_error(403, "foreign-origin", "the request comes from a page of another site")

    def check_link(self, request: HTTPServerRequest) -> None:
        """Refuse a GET that asks a question unless a person followed a link, or a program sent it.

        Links on other sites are fine (Kibana may be one); their images, frames and scripts are not.
        """
        site = request.headers.get("Sec-Fetch-Site")
        if site is None and _is_embedded(request):
            raise _no_link()
        followed = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
        if site not in (None, "same-origin", "none") and followed != ("navigate", "document"):
            raise _no_link()

    def _is_proxied(self, request: HTTPServerRequest, peer: Peer | None) -> bool:
        if peer is None:
            return self._is_proxy(str(request.remote_ip))
        return peer.is_privileged or peer.account in self._proxy_accounts

    def _account(self, request: HTTPServerRequest, peer: Peer | None) -> str:
        """Who is at the unix socket without a proxy. A proxy that names no user speaks for no one."""
        if peer is None or peer.account in self._proxy_accounts or forwarded(request):
            return ""
        return peer.account

    def _tool(self, request: HTTPServerRequest) -> str:
        token = bearer(request.headers.get("Authorization", ""))
        if token is None:
            return ""
        name = self._tokens.get(digest(token), "")
        if not name:
            challenge = {"WWW-Authenticate": 'Bearer realm="docket", error="invalid_token"'}
            raise api_error(401, "bad-token", "unknown token", headers=challenge)
        return name

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._proxies)

    def _user(self, request: HTTPServerRequest) -> str:
        if self._header is None:
            return ""
        values = request.headers.get_list(self._header)
        if not values:
            return ""
        if len(values) > 1:
            raise _bad_user()
        try:
            # Tornado reads header bytes as Latin-1; names beyond ASCII come as UTF-8.
            text = values[0].encode("latin-1").decode()
            user = (remote_user(text) if self._is_forwarded else text).strip()
        except ValueError as error:
            raise _bad_user() from error
        if len(user) > LONGEST_OWNER or not user.isprintable():
            raise _bad_user()
        return user


def _address(request: HTTPServerRequest, peer: Peer | None) -> str:
    return str(request.remote_ip) if peer is None else "unix"


def _is_embedded(request: HTTPServerRequest) -> bool:
    """Whether a browser that does not tell of sites (Safari before 16.4) loads this as image, script or style: it says
    what it takes, and that is no page. Programs are no browsers by their own word."""
    browser = request.headers.get("User-Agent", "").startswith("Mozilla/")
    return browser and "text/html" not in request.headers.get("Accept", "text/html").lower()


def _no_link() -> ApiError:
    return api_error(403, "foreign-origin", "the request comes from a page of another site, and is no link")


def forwarded(request: HTTPServerRequest) -> bool:
    """Whether a proxy has passed the request on, by its own word."""
    return any(name in request.headers for name in _FORWARDING)


def _bad_user() -> ApiError:
    return api_error(400, "bad-user", "the proxy sent a user header that is no name")


def _networks(names: tuple[str, ...]) -> tuple[_Network, ...]:
    networks: list[_Network] = []
    faults: list[Fault] = []
    for name in names:
        try:
            networks.append(ipaddress.ip_network(name, strict=False))
        except ValueError:
            message = f"web.trusted_proxies: {name!r} is neither an address nor a network"
            faults.append(Fault("bad-address", message, "web.trusted_proxies"))
    if faults:
        raise ConfigError(faults)
    return tuple(networks)


def _forwarded_for(request: HTTPServerRequest, peer: str) -> str:
    """The last address in the list is the one that our own proxy saw; earlier ones anybody can write."""
    last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(packet_address(last))
    except ValueError:
        return peer


def _host(text: str) -> str:
    host = text.strip().lower()
    for port in _DEFAULT_PORTS:
        host = host.removesuffix(port)
    return host


def unix_peer(request: HTTPServerRequest) -> Peer | None:
    """The peer of the request's connection; None where that is no unix socket."""
    context = getattr(request.connection, "context", None)
    if getattr(context, "address_family", None) != socket.AF_UNIX:
        return None
    stream = getattr(request.connection, "stream", None)
    connected = getattr(stream, "socket", None)
    if connected is None:
        return Peer(uid=-1, account="")
    _, uid, _ = _UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(uid=uid, account=_account_of(uid))


@functools.lru_cache(maxsize=256)
def _account_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
