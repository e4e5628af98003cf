"""Packet for packet what tcpdump gives: two real stenographers against tcpdump's own capture of the same traffic."""

import heapq
from typing import NamedTuple

import pytest

from docket.domain.timewindow import format_us
from tests.services.sensor import Sensor
from tests.services.stenographer import Monitored
from tests.services.traffic import (
    ALICE,
    ALICE6,
    BOB,
    DNS,
    DNS6,
    FRAGMENT_HOSTS,
    FRAGMENT_HOSTS6,
    GATEWAY,
    INNER_VLAN_HOSTS,
    MPLS_HOSTS,
    TUNNEL_HOSTS,
    TUNNEL_INNER_HOSTS,
    VLAN_HOSTS,
    WEB,
    WEB6,
)
from tests.services.truth import Packet, filtered, packets_of

pytestmark = [pytest.mark.rabbitmq, pytest.mark.stenographer]

IP_PORT = "(tcp port {0} or udp port {0})"
"""A port in Docket's meaning: TCP's or UDP's, not SCTP's, which tcpdump's `port` takes too."""

TABLE = [
    (f"host {ALICE}", f"ip host {ALICE}"),
    (f"host {ALICE6}", f"ip6 host {ALICE6}"),
    ("net 10.2.0.0/16", "ip net 10.2.0.0/16"),
    ("net 10.1.0.8 mask 255.255.255.248", "ip net 10.1.0.8/29"),
    ("net 2001:db8:2::/48", "ip6 net 2001:db8:2::/48"),
    *((f"port {port}", IP_PORT.format(port)) for port in (53, 80, 443, 22, 123, 4789)),
    ("tcp", "tcp"),
    # BPF looks behind a tag or a label only when told, and not behind the header of an IPv6 fragment at all.
    (
        "udp",
        "ip proto 17 or ip6[6] = 17 | vlan and udp | mpls and udp | ip6[6] = 44 and ip6[40] = 17 and ip6[42:2] < 8",
    ),
    ("icmp", "icmp"),
    ("icmp6", "ip6 proto 58"),
    ("ip proto 132", "ip proto 132"),
    ("proto gre", "ip proto 47"),
    (f"host {ALICE} and port 53", f"ip host {ALICE} and " + IP_PORT.format(53)),
    (f"host {ALICE} and host {WEB} and tcp", f"ip host {ALICE} and ip host {WEB} and tcp"),
    (f"host {BOB} or host {DNS6}", f"ip host {BOB} or ip6 host {DNS6}"),
    # Stenographer itself would read this from left to right: (22 or 443) and BOB.
    (f"port 22 or port 443 and host {BOB}", f"tcp port 22 or (tcp port 443 and ip host {BOB})"),
    (f"(port 22 or port 443) and host {BOB}", f"(tcp port 22 or tcp port 443) and ip host {BOB}"),
    (f"udp and (port 53 or port 123) and net {DNS}/32", f"udp and (port 53 or port 123) and ip host {DNS}"),
    (f"host {WEB6} and port 80 and tcp", f"ip6 host {WEB6} and tcp port 80"),
    (f"host {ALICE6.upper()} and icmp6", f"ip6 host {ALICE6} and ip6 proto 58"),
    (f"host {GATEWAY}", f"ip host {GATEWAY}"),
    ("host 255.255.255.255", "ip host 255.255.255.255"),
    # The kernel took the outer tag away, so this traffic is found by its addresses and comes untagged.
    (f"host {VLAN_HOSTS[0]}", f"ip host {VLAN_HOSTS[0]}"),
    ("vlan 100", "less 1"),
    # Of a double tag the inner one stays on disk and is in the index.
    ("vlan 200", "vlan 200"),
    (f"host {INNER_VLAN_HOSTS[1]}", f"vlan and ip host {INNER_VLAN_HOSTS[1]}"),
    ("mpls 77", "mpls 77"),
    (f"host {MPLS_HOSTS[0]}", f"mpls and ip host {MPLS_HOSTS[0]}"),
    # Every fragment carries the addresses, only the first one the ports.
    (f"host {FRAGMENT_HOSTS[0]}", f"ip host {FRAGMENT_HOSTS[0]}"),
    (f"host {FRAGMENT_HOSTS6[0]}", f"ip6 host {FRAGMENT_HOSTS6[0]}"),
    # Addresses inside a tunnel are not in the index.
    (f"host {TUNNEL_INNER_HOSTS[0]}", "less 1"),
    (f"host {TUNNEL_HOSTS[0]} and udp", f"ip host {TUNNEL_HOSTS[0]} and udp"),
    # Nothing to filter by: all there is, ARP included.
    ("", ""),
    ("port 9999", "less 1"),
]


class Span(NamedTuple):
    """The time between the first and the last recorded packet, µs."""

    first_us: int
    last_us: int


def truth(monitored: dict[str, Monitored], bpf: str, after_us: int, before_us: int) -> list[Packet]:
    """Both interfaces' packets by tcpdump's filters (one or more, with | between), in time order, em1 before em2."""
    parts = []
    for one in monitored.values():
        found = {
            packet for expression in bpf.split(" | ") for packet in filtered(one.truth, expression, after_us, before_us)
        }
        parts.append(sorted(found, key=lambda packet: packet.time_us))
    return list(heapq.merge(*parts, key=lambda packet: packet.time_us))


def span(monitored: dict[str, Monitored]) -> Span:
    times = [packet.time_us for one in monitored.values() for packet in packets_of(one.truth)]
    return Span(min(times), max(times))


def answered(sensor: Sensor, query: str, after_us: int, before_us: int) -> list[Packet]:
    job = sensor.finished(query, format_us(after_us), format_us(before_us))
    assert job["state"] == "completed", f"{job}\n{sensor.logs()}"
    content = packets_of(sensor.pcap(job["id"]))
    assert job["packets"] == len(content)
    verdicts = {answer["packets"] > 0: answer["verdict"] for answer in job["sources"]}
    assert set(verdicts.items()) <= {(True, "complete"), (False, "empty")}
    return content


@pytest.mark.parametrize(("query", "bpf"), TABLE, ids=[query or "everything" for query, _ in TABLE])
def test_a_job_gives_what_tcpdump_gives(
    sensor: Sensor, two_stenographers: dict[str, Monitored], query: str, bpf: str
) -> None:
    """For every kind of question the merged answer is the truth, byte for byte and in order."""
    first_us, last_us = span(two_stenographers)
    expected = truth(two_stenographers, bpf, first_us, last_us + 1)
    assert answered(sensor, query, first_us, last_us + 1) == expected
    assert bool(expected) == (bpf != "less 1")


@pytest.mark.parametrize("shift_us", [-1, 0, 1])
def test_the_first_edge_of_the_window_is_exact(
    sensor: Sensor, two_stenographers: dict[str, Monitored], shift_us: int
) -> None:
    """A packet at `after` belongs to the window; one a microsecond before it does not."""
    packets = truth(two_stenographers, "", 0, 2**62)
    edge_us = packets[len(packets) // 3].time_us + shift_us
    expected = [packet for packet in packets if packet.time_us >= edge_us]
    assert answered(sensor, "", edge_us, packets[-1].time_us + 1) == expected


@pytest.mark.parametrize("shift_us", [-1, 0, 1])
def test_the_last_edge_of_the_window_is_exact(
    sensor: Sensor, two_stenographers: dict[str, Monitored], shift_us: int
) -> None:
    """A packet at `before` does not belong to the window; one a microsecond before it does."""
    packets = truth(two_stenographers, "", 0, 2**62)
    edge_us = packets[2 * len(packets) // 3].time_us + shift_us
    expected = [packet for packet in packets if packet.time_us < edge_us]
    assert answered(sensor, "", packets[0].time_us, edge_us) == expected
