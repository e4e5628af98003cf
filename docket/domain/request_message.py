"""The one description of a request. Bus, HTTP API and their documents take it from here; `request` checks it. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from docket.domain.refinement import Refinement

OneOrMore = int | str | list[int | str] | None
Texts = str | list[str] | None


class QueryTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Terms as fields; each may be given once or as a list. `inner_` or `any_` may stand before all but lengths."""

    host: Texts = None
    src_host: Texts = None
    dst_host: Texts = None
    net: Texts = None
    src_net: Texts = None
    dst_net: Texts = None
    port: OneOrMore = None
    """A number, or a range as text: "1000-2000"."""
    src_port: OneOrMore = None
    dst_port: OneOrMore = None
    proto: OneOrMore = None
    vlan: OneOrMore = None
    mpls: OneOrMore = None
    ether: Texts = None
    src_ether: Texts = None
    dst_ether: Texts = None
    layer: Texts = None
    """ip, ip6 or arp."""
    flow: Texts = None
    """10.1.2.3:50000 - 192.0.2.7:443, with or without a protocol's name before it."""
    less: int | str | None = None
    greater: int | str | None = None


class QueryFields(QueryTerms, frozen=True, kw_only=True, rename={"excluded": "not"}):
    """The query as fields. All must hold, and none of those under `not`."""

    excluded: QueryTerms | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job stops by itself. Bytes are the bytes of the finished PCAP's records, headers included."""

    bytes: int | None = None
    packets: int | None = None


class RequestFields(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says, whichever way it comes. All but the query may be left out."""

    query: str | QueryFields = ""
    asked: str | None = None
    """The query as a person wrote it, where that is something else."""
    after: str | None = None
    before: str | None = None
    requested_at: str | None = None
    sources: list[str] | None = None
    """Default: every known source."""
    limits: Limits | None = None
    deadline_s: int | None = None
    wait_for_flush: bool | None = None
    """Default: true."""
    owner: str | None = None
    note: str | None = None
    tags: list[str] | None = None
    """Written on the job, as an annotation would be."""
    parent: str | None = None
    """Take the packets from the result of this job instead of asking sources."""
    refine: Refinement | None = None


class RequestMessage(RequestFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`job.request`: ask all sources, or some, for the packets of one query in one window.

    Everybody may publish it. `id` is a UUID that the asker chooses: the same id twice is one job. Unknown fields
    are refused, so that a mistyped name never asks for something else.
    """

    schema: str = "docket.job.request/1"
    id: str


class RequestBody(RequestFields, frozen=True, kw_only=True):
    """What is asked over HTTP: `job.request` of the bus without its schema, `fresh` and `force`."""

    id: str | None = None
    fresh: bool = False
    force: bool = False
    """Ask although the estimate is above what a job may have."""


REQUEST_FIELDS: frozenset[Any] = frozenset(RequestMessage.__struct_fields__)
"""The names that a request may carry."""
