"""What stenographer is asked is never less than what is asked for, and the rest is filtered."""

from __future__ import annotations

import random

import pytest

from docket.domain.query.canonical import Query, parse
from docket.domain.query.hints import hints
from docket.domain.query.planning import Plan, for_stenographer
from docket.domain.query.render import explain, to_stenographer
from docket.packet.match import match
from tests.packet.decoded import decoded
from tests.packet.linked import packets
from tests.packet.questions import random_question

QUESTIONS = 2_000


@pytest.mark.parametrize(
    ("text", "asked", "kept"),
    [
        ("", "", None),
        ("host 10.1.2.3 and port 443", "host 10.1.2.3 and port 443", None),
        ("host 10.1.2.3 and not port 443", "host 10.1.2.3", "not port 443"),
        ("net 10.0.0.0/8 and not port 443 and not port 80", "net 10.0.0.0/8", "not port 80 and not port 443"),
        ("src host 10.1.2.3", "host 10.1.2.3", "src host 10.1.2.3"),
        ("not port 443", "", "not port 443"),
        ("port 443 or not tcp", "", "port 443 or not tcp"),
        ("src port 443 or udp", "port 443 or udp", "udp or src port 443"),
        ("tcp and (src port 443 or not vlan 5)", "tcp", "src port 443 or not vlan 5"),
        ("tcp port 80", "tcp and port 80", None),
        ("portrange 80-82", "port 80 or port 81 or port 82", None),
        ("portrange 1-1024", "tcp or udp", "portrange 1-1024"),
        ("tcp portrange 1-1024", "tcp", "tcp portrange 1-1024"),
        ("sctp port 5", "sctp", "sctp port 5"),
        ("ip6", "net ::/0", "ip6"),
        ("ip", "", "ip"),
        ("arp", "", "arp"),
        ("less 100 and tcp", "tcp", "less 100"),
        ("inner host 10.1.2.3 and port 4789", "port 4789", "inner host 10.1.2.3"),
        (
            "flow 10.1.2.3:5 - 10.1.2.4:6",
            "host 10.1.2.3 and host 10.1.2.4 and (sctp or (port 5 and port 6))",
            "flow 10.1.2.3:5 - 10.1.2.4:6",
        ),
    ],
)
def test_the_weakest_question_is_asked(text: str, asked: str, kept: str | None) -> None:
    """And what is left to be decided on each packet is named."""
    plan = for_stenographer(parse(text))
    assert plan.asked == parse(asked)
    assert (plan.kept and plan.kept.canonical) == (None if kept is None else parse(kept).canonical)
    assert plan.is_exact == (kept is None)
    assert plan.reads_everything == (kept is not None and not asked)


def test_what_matches_the_query_matches_what_is_asked() -> None:
    """Random queries of the whole language over packets of every encapsulation."""
    chance = random.Random(14)
    made = packets(1, 300, seed=77, depth=3)
    headers = decoded([packet.data for packet in made], 1)
    narrower = 0
    for _ in range(QUESTIONS):
        question = random_question(chance)
        query = parse(question.text)
        plan = for_stenographer(query)
        wanted = [question.means(packet) for packet in made]
        sent = match(headers, plan.asked.root).mask.tolist()
        assert all(there or not meant for meant, there in zip(wanted, sent, strict=True)), question.text
        assert plan.kept is not None or sent == wanted, question.text
        assert match(headers, query.root).mask.tolist() == wanted, question.text
        assert parse(query.canonical) == query
        assert "not" not in to_stenographer(query, 0, 1)
        assert explain(query).endswith(".")
        narrower += not plan.asked.is_empty
    assert narrower > QUESTIONS // 5


def test_asking_again_for_what_is_asked_changes_nothing() -> None:
    """What a store is asked can be asked of it."""
    chance = random.Random(15)
    for _ in range(500):
        asked = for_stenographer(parse(random_question(chance).text)).asked
        assert for_stenographer(asked) == Plan(asked, asked, None)


def test_looking_inside_asks_for_everything() -> None:
    """What is in tunnels is in no index."""
    plan = for_stenographer(parse("host 10.1.2.3"), look_inside=True)
    assert (plan.asked, plan.kept) == (Query(None), parse("host 10.1.2.3"))
    assert plan.sentence() == "asks for everything in the window, keeps what matches host 10.1.2.3"


def test_the_plan_says_what_is_asked_and_kept() -> None:
    """In the words of the query."""
    plan = for_stenographer(parse("host 10.1.2.3 and not port 443"))
    assert plan.sentence() == "asks for host 10.1.2.3, keeps what is not port 443"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tcp and udp", "did you mean tcp or udp"),
        ("host 10.0.0.1 and host 10.0.0.2 and host 10.0.0.3", "two addresses"),
        ("port 1 and port 2 and port 3", "two ports"),
        ("src host 10.0.0.1 and src host 10.0.0.2", "one src address"),
        ("dst port 1 and dst port 2", "one dst port"),
        ("icmp and port 80", "has no port"),
        ("sctp and port 80", "sctp port 80"),
        ("host 10.0.0.1 and host ::1", "one version of IP"),
        ("ip and ip6", "did you mean or"),
        ("arp and port 80", "ARP has neither"),
        ("tcp and not tcp", "never hold together"),
        ("vlan 5 or (tcp and udp)", "did you mean tcp or udp"),
    ],
)
def test_a_hint_says_why_nothing_can_match(text: str, words: str) -> None:
    """Also of a part of the query."""
    assert any(words in hint for hint in hints(parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host 10.0.0.1 and host 10.0.0.2 and port 1 and port 2 and tcp",
        "tcp or udp",
        "inner tcp and udp",
        "src net 10.0.0.0/8 and src host 10.0.0.1",
        "dst portrange 1-10 and dst port 5",
        "ip and host 10.0.0.1",
        "sctp and sctp port 80",
    ],
)
def test_a_query_that_can_match_has_no_hint(text: str) -> None:
    """Nothing is said where packets may be found."""
    assert hints(parse(text)) == ()
