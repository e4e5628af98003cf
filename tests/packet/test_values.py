"""What the values of packets leave out can match no term: an index of them excludes no packet that is asked for."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from docket.domain.query.terms import EtherHost, FilterNode, Flow, Mpls, Net, NetworkLayer, Port, Protocol, Vlan
from docket.packet.headers import Headers
from docket.packet.match import match
from docket.packet.occurring_values import occurring, unsure
from tests.packet.decoded import decoded
from tests.packet.linked import MAKERS, packets
from tests.packet.questions import random_question

_ETHERTYPES = {"ip": 0x0800, "ip6": 0x86DD, "arp": 0x0806}

Listed = dict[tuple[str, int], set[int]]


def listed(headers: Headers) -> Listed:
    """The records of each value, by its kind."""
    found: Listed = defaultdict(set)
    for occurrences in occurring(headers):
        values = occurrences.values.tolist()
        for value, record in zip(values, occurrences.records.tolist(), strict=True):
            number = value[0] << 64 | value[1] if isinstance(value, list) else value
            found[occurrences.kind, number].add(record)
    return found


def possible(node: FilterNode, found: Listed, count: int) -> set[int]:
    """The records that may match a single term, by their values alone."""
    match node:
        case Net(network):
            kind = f"address{network.version}"
            wanted = range(int(network.network_address), int(network.broadcast_address) + 1)
            return {
                one for (name, value), records in found.items() if name == kind and value in wanted for one in records
            }
        case Port():
            return set().union(*(found["port", port] for port in range(node.number, node.end + 1)))
        case Protocol(number):
            return found["protocol", number]
        case Vlan(number):
            return found["vlan", number]
        case Mpls(label):
            return found["label", label]
        case EtherHost(address):
            return found["mac", address]
        case NetworkLayer(word):
            return found["ethertype", _ETHERTYPES[word]]
        case Flow(one, _, other):
            return found[f"address{one.version}", int(one)] & found[f"address{other.version}", int(other)]
        case _:
            return set(range(count))


@pytest.mark.parametrize("linktype", sorted(MAKERS))
def test_what_is_not_listed_does_not_match(linktype: int) -> None:
    """Of whole and of cut packets: each that a term matches, or leaves undecided, has the value or is unsure."""
    chance = random.Random(linktype)
    whole = [packet.data for packet in packets(linktype, 200, seed=4000 + linktype)]
    cuts = [chance.choice((len(data), chance.randrange(len(data) + 1))) for data in whole]
    kept = [data[:cut] for data, cut in zip(whole, cuts, strict=True)]
    headers = decoded(kept, linktype, [len(data) for data in whole])
    found, always = listed(headers), set(unsure(headers).nonzero()[0].tolist())
    for _ in range(60):
        question = random_question(chance, depth=3)
        matches = match(headers, question.node)
        asked = set((matches.mask | matches.undecided).nonzero()[0].tolist())
        assert asked <= possible(question.node, found, headers.count) | always, question.text


def test_whole_packets_are_never_unsure() -> None:
    """Only the recorder's cuts make a record belong to every question."""
    headers = decoded([packet.data for packet in packets(1, 300, seed=6)], 1)
    assert not unsure(headers).any()
    assert {found.kind for found in occurring(headers)} == {
        "address4",
        "address6",
        "port",
        "protocol",
        "vlan",
        "label",
        "mac",
        "ethertype",
    }
