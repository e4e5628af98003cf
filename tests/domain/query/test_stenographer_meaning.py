"""A query never means something else at stenographer than here: random ones, sent to its real server."""

import random
import threading

import pytest

from docket.domain.query.canonical import parse
from docket.domain.query.render import to_stenographer
from docket.workers.sources.stenographer.session import StenoSession
from tests.domain.query.query_meaning import dissect, matches
from tests.domain.query.random_queries import random_query
from tests.services.chance import seed_from_environment
from tests.services.stenographer import Monitored
from tests.services.truth import packets_of

pytestmark = pytest.mark.stenographer

QUERIES = 300
"""Of each interface's server."""
FAR_US = 4_000_000_000_000_000


@pytest.mark.parametrize("interface", ["em1", "em2"])
def test_random_queries_mean_the_same_there(two_stenographers: dict[str, Monitored], interface: str) -> None:
    """What the server finds for Docket's text is what the question means, by its tree and by whoever wrote it."""
    seed = seed_from_environment()
    chance = random.Random(seed)
    monitored = two_stenographers[interface]
    packets = [(packet, dissect(packet.frame)) for packet in packets_of(monitored.truth)]
    server = monitored.stenographer
    session = StenoSession(server.url, server.cert, server.key, server.ca, None)
    wrong, found_some = [], 0
    for _ in range(QUERIES):
        text, means = random_query(chance)
        query = parse(text)
        expected = sorted(packet for packet, facts in packets if means(facts))
        by_tree = sorted(packet for packet, facts in packets if matches(query.root, facts))
        body = session.post("/query", to_stenographer(query, 0, FAR_US), {}, threading.Event())
        answered = sorted(packets_of(b"".join(body.blocks())))
        body.leave()
        found_some += bool(expected)
        if not expected == by_tree == answered:
            wrong.append(f"{text!r}: {len(expected)} meant, {len(by_tree)} by its tree, {len(answered)} found")
    session.close()
    assert wrong == [], f"seed {seed}"
    assert found_some > QUERIES // 4
