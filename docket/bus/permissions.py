"""The users of RabbitMQ, one per role, and the least that each may do. Pure; anybody may import it.

RabbitMQ knows three rights on names, as regular expressions: configure (declare, delete), write (publish; bind a
queue), read (consume; bind to an exchange). On topic exchanges the routing keys of publishing (write) and binding
(read) can be limited, too. Looking whether something is there needs no right up to RabbitMQ 4.2.5; from 4.2.7 and
4.3.1 on any of the three (in 4.2.6 and 4.3.0 the right to configure). So a role looks only at what it has a right to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from docket.bus.topology import (
    ALERTS_QUEUE,
    COLLECTOR_QUEUE,
    DEAD,
    EVENTS,
    FRAGMENTS,
    INSPECTOR_QUEUE,
    JOBS,
    REQUESTS,
    STREAM_QUEUE,
    UNROUTED,
    WEBHOOKS_QUEUE,
    source_queue,
)
from docket.domain.refinement import SPOOL_SOURCE

AUDIT_QUEUE = "docket.audit"
"""A durable queue that a SIEM may declare for itself."""

WEB = "docket-web"
WORKER = "docket-worker"
COLLECTOR = "docket-collector"
INSPECTOR = "docket-inspector"
ALERTS = "docket-alerts"
WEBHOOKS = "docket-webhooks"

_LISTEN = r"docket\.listen\..+"
_OWN = rf"amq\.gen-.+|{_LISTEN}"
"""Queues of one's own: exclusive ones, which RabbitMQ keeps from everybody else by itself."""
_REPLY = r"docket\.reply\..+|amq\.rabbitmq\.reply-to.*"
"""Queues at which a tool receives the events of its own jobs."""
_ASKER = r"amq\.gen-.+|amq\.rabbitmq\.reply-to.*"
"""Exclusive queues alone: one that lasts could be read by every tool of the same account."""
_DEFAULT = r"amq\.default"
"""The name by which RabbitMQ checks rights on the exchange without a name."""
_NOTHING = "^$"
_REFINEMENTS = source_queue(SPOOL_SOURCE)


@dataclass(frozen=True, slots=True)
class Topic:
    """Which routing keys may be published to (`write`) and bound (`read`) on a topic exchange."""

    exchange: str
    write: str = _NOTHING
    read: str = _NOTHING


@dataclass(frozen=True, slots=True)
class Role:
    """A user and what it may do."""

    name: str
    configure: str
    write: str
    read: str
    topics: tuple[Topic, ...]

    def may_configure(self, name: str) -> bool:
        """Whether it may declare this queue or exchange."""
        return re.search(self.configure, name) is not None

    def reads(self, queue: str) -> bool:
        """Whether it takes messages from this queue."""
        return re.search(self.read, queue) is not None

    def may_look_at(self, name: str) -> bool:
        """Whether it has any right to this queue or exchange."""
        return any(re.search(pattern, name) for pattern in (self.configure, self.write, self.read))


def worker_of(sensor: str) -> str:
    """The account of the workers of one sensor, which speaks for its sources alone."""
    return f"{WORKER}-{sensor}"


def role(name: str) -> Role:
    """One of `roles`, with the rights that are shipped."""
    return next(one for one in roles() if one.name == name)


def roles(sensor: str = "[^:]+", worker: str = WORKER) -> tuple[Role, ...]:
    """Every role. `sensor` is the pattern of the sensors whose queues a worker may read, by default all of them;
    `worker` is the name of its account."""
    source = rf"docket\.source\.{sensor}:.+"
    return (
        Role(
            WEB,
            configure=_names(_LISTEN),
            write=_names(_exactly(JOBS, EVENTS), _LISTEN),
            read=_names(_exactly(EVENTS), _LISTEN),
            topics=(
                Topic(JOBS, write=r"^job\.(request|cancel|retry|delete|forget|annotate)$"),
                Topic(EVENTS, write=r"^(audit\.[a-z]+|survey\.asked)$", read=r"^(job|source|survey)\."),
            ),
        ),
        Role(
            worker,
            # A worker declares the queues of its own sources, so that a new interface needs no change at the broker.
            configure=_names(_LISTEN, source),
            write=_names(_exactly(FRAGMENTS, EVENTS, DEAD), _LISTEN, source),
            # `docket.jobs` for brokers that lack `docket.requests`.
            read=_names(_exactly(JOBS, REQUESTS, UNROUTED, EVENTS), _LISTEN, source),
            topics=(
                Topic(JOBS, read=r"^job\.(request|retry)$"),
                Topic(EVENTS, write=r"^(source\.[a-z]+|survey\.answered)$", read=r"^(job|survey)\."),
            ),
        ),
        Role(
            COLLECTOR,
            configure=_names(_LISTEN),
            # To write to queues lets it see how many messages and readers they have; it takes nothing out of them.
            write=_names(_exactly(JOBS, EVENTS, DEAD, INSPECTOR_QUEUE), r"docket\.source\..+", _LISTEN, _DEFAULT),
            read=_names(_exactly(EVENTS, COLLECTOR_QUEUE), r"docket\.fragments\.\d+", _LISTEN),
            topics=(
                Topic(JOBS, write=r"^job\.retry$"),
                Topic(EVENTS, write=r"^(job|source)\.[a-z]+$", read=r"^(job|source)\."),
            ),
        ),
        Role(
            INSPECTOR,
            # It answers refinements like a worker does, from a queue of its own.
            configure=_names(_LISTEN, _exactly(_REFINEMENTS)),
            write=_names(_exactly(FRAGMENTS, EVENTS, DEAD, _REFINEMENTS), _LISTEN),
            read=_names(_exactly(JOBS, REQUESTS, UNROUTED, EVENTS, INSPECTOR_QUEUE, _REFINEMENTS), _LISTEN),
            topics=(
                Topic(JOBS, read=r"^job\.(request|retry)$"),
                Topic(EVENTS, write=r"^job\.inspected$", read=r"^job\."),
            ),
        ),
        Role(
            ALERTS,
            configure=_names(_exactly(ALERTS_QUEUE)),
            write=_names(_exactly(JOBS, ALERTS_QUEUE)),
            read=_names(_exactly(JOBS, ALERTS_QUEUE)),
            topics=(Topic(JOBS, write=r"^job\.request$", read=r"^alert$"), Topic(EVENTS)),
        ),
        Role(
            WEBHOOKS,
            configure=_names(_exactly(WEBHOOKS_QUEUE)),
            write=_names(_exactly(WEBHOOKS_QUEUE)),
            read=_names(_exactly(EVENTS, WEBHOOKS_QUEUE)),
            topics=(Topic(JOBS), Topic(EVENTS, read=r"^(job|source)\.")),
        ),
        Role(
            "docket-tool",
            configure=_names(_OWN, _REPLY),
            write=_names(_exactly(JOBS), _OWN, _REPLY),
            read=_names(_exactly(EVENTS, STREAM_QUEUE), _OWN, _REPLY),
            topics=(Topic(JOBS, write=r"^(job\.request|alert)$"), Topic(EVENTS, read=r"^(job|source)\.")),
        ),
        Role(
            # For tools that may not see the jobs of others: the events of its own come to its queue for replies.
            "docket-asker",
            configure=_names(_ASKER),
            write=_names(_exactly(JOBS), _ASKER),
            read=_names(_ASKER),
            topics=(Topic(JOBS, write=r"^job\.request$"), Topic(EVENTS)),
        ),
        Role(
            "docket-audit",
            configure=_names(_OWN, _exactly(AUDIT_QUEUE)),
            write=_names(_OWN, _exactly(AUDIT_QUEUE)),
            read=_names(_exactly(EVENTS, AUDIT_QUEUE), _OWN),
            topics=(Topic(JOBS), Topic(EVENTS, read=r"^audit\.")),
        ),
    )


def user_definitions(vhost: str, sensor: str = "[^:]+", worker: str = WORKER) -> dict[str, Any]:
    """Users and rights as RabbitMQ's definitions file has them.

    No user has a password, so none can log in with one; a client certificate with the user's name as CN needs none.
    Not for `load_definitions`, which would take passwords away at each start: deploy/rabbitmq/users makes users once.
    """
    return {
        "users": [
            {
                "name": role.name,
                "password_hash": "",
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
                "limits": {},
            }
            for role in roles(sensor, worker)
        ],
        "permissions": [
            {"user": role.name, "vhost": vhost, "configure": role.configure, "write": role.write, "read": role.read}
            for role in roles(sensor, worker)
        ],
        "topic_permissions": [
            {"user": role.name, "vhost": vhost, "exchange": topic.exchange, "write": topic.write, "read": topic.read}
            for role in roles(sensor, worker)
            for topic in role.topics
        ],
    }


def _names(*patterns: str) -> str:
    return f"^({'|'.join(patterns)})$"


def _exactly(*names: str) -> str:
    return "|".join(name.replace(".", r"\.") for name in names)
