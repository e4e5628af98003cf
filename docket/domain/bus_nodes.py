"""The nodes of a RabbitMQ cluster in one bus address: `amqp://user:password@a:5672,b:5672/vhost`. Pure."""

from __future__ import annotations

import re

_FIRST_AND_OTHERS = re.compile(
    r"(?P<first>[a-z]+://(?:[^/?#]*@)?[^/?#,@]*)(?P<others>(?:,[^/?#,@]*)+)(?P<rest>.*)", re.DOTALL
)


def split_nodes(url: str) -> tuple[str, list[str]]:
    """The address with its first node alone, which the library can read, and `host:port` of the others."""
    found = _FIRST_AND_OTHERS.fullmatch(url)
    if found is None:
        return url, []
    return found["first"] + found["rest"], found["others"].split(",")[1:]
