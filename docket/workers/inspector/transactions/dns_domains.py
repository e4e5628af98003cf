"""Counts DNS by registered domain: how many names, questions and answers, and how they were answered. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from docket.workers.inspector.transactions.field_values import Values, display_text
from docket.workers.inspector.transactions.registered_domain import registered_domain

MOST_DOMAINS = 20_000
MOST_NAMES = 200_000
"""Distinct names in all; more are not distinguished."""
SHOWN = 500
LONGEST_NAME = 255

CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
"""RFC 1035 and IANA's registry."""


class ResponseCode(msgspec.Struct, frozen=True, kw_only=True):
    """How often one domain was answered with one code."""

    name: str
    count: int
    filter: str


class DnsDomain(msgspec.Struct, frozen=True, kw_only=True):
    """All names below one registered domain. Text of strangers."""

    domain: str
    names: int
    """Distinct names that were asked for; many are typical of tunnels."""
    longest: int
    """Characters of the longest of them."""
    asked: int
    answered: int
    codes: tuple[ResponseCode, ...]
    filter: str


@dataclass(slots=True)
class _Domain:
    names: set[str] = field(default_factory=set)
    longest: int = 0
    asked: int = 0
    codes: dict[int, int] = field(default_factory=dict)


class DnsCounter:
    """Fed with the fields of each packet."""

    def __init__(self) -> None:
        self.truncated = False
        self.names = 0
        self._domains: dict[str, _Domain] = {}

    def add(self, values: Values) -> None:
        for name in values.texts("dns.qry.name"):
            self._count(name[:LONGEST_NAME].lower(), values)

    def _count(self, name: str, values: Values) -> None:
        key = registered_domain(name)
        domain = self._domains.get(key)
        if domain is None:
            if len(self._domains) >= MOST_DOMAINS:
                self.truncated = True
                return
            domain = self._domains[key] = _Domain()
        if name not in domain.names:
            if self.names < MOST_NAMES:
                domain.names.add(name)
                self.names += 1
            else:
                self.truncated = True
        domain.longest = max(domain.longest, len(name))
        if values.text("dns.flags.response") in ("1", "True"):
            code = values.number("dns.flags.rcode")
            domain.codes[code] = domain.codes.get(code, 0) + 1
        else:
            domain.asked += 1

    @property
    def total(self) -> int:
        return len(self._domains)

    def domains(self) -> tuple[DnsDomain, ...]:
        """Those with the most distinct names first."""
        most = sorted(self._domains.items(), key=lambda item: (-len(item[1].names), -item[1].asked, item[0]))
        return tuple(_domain(name, domain) for name, domain in most[:SHOWN])


def _domain(name: str, domain: _Domain) -> DnsDomain:
    shown = f"dns.qry.name matches {display_text(_below(name))}"
    codes = sorted(domain.codes.items(), key=lambda item: -item[1])
    return DnsDomain(
        domain=name,
        names=len(domain.names),
        longest=domain.longest,
        asked=domain.asked,
        answered=sum(domain.codes.values()),
        codes=tuple(
            ResponseCode(
                name=CODES.get(code, str(code)),
                count=count,
                filter=f"{shown} and dns.flags.response == 1 and dns.flags.rcode == {code}",
            )
            for code, count in codes
        ),
        filter=shown,
    )


def _below(name: str) -> str:
    """An expression for the domain and all names below it; display filters do not tell capitals apart there."""
    return rf"(^|\.){re.escape(name)}$"
