"""Find the headers of many packets at once: addresses, ports, tags, labels, tunnels. Pure; anybody may import it.

    scanned = scan(block, byte_order="<", nanoseconds=False)
    headers = decode(block, scanned.records, linktype=1)
    matches = match(headers, query.root)

It serves the exact filter (`match`), the index (`values`) and counts, so that there is one meaning. A plain packet
costs about 0.1 µs; nothing is read that does not decide where the next header is. Whatever the bytes say, nothing is
raised, nothing outside of a packet's kept bytes is read, and the way through one packet has a bounded length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from docket.errors import CaptureError
from docket.packet import link, network, tunnels, wireless
from docket.packet.headers import LINK_CUT, Headers, Layer
from docket.packet.link import FIRST_HEADERS, LINKTYPE_BITS
from docket.packet.octets import Buffer, Integers, Octets
from docket.packet.records import Records
from docket.packet.walk import Kind, Walk

MOST_INNER_LAYERS = 4
"""Tunnels in tunnels. What lies deeper is unknown, and said to be."""


def _stop(walk: Walk, rows: Integers, _at: Integers) -> None:
    walk.open[rows] |= LINK_CUT


_READERS: Mapping[Kind, Callable[[Walk, Integers, Integers], None]] = {
    Kind.ETHERNET: link.ethernet,
    Kind.ETHERTYPE: link.ethertype,
    Kind.LLC: link.llc,
    Kind.TAG: link.tag,
    Kind.LABEL: link.label,
    Kind.BEHIND_LABELS: link.behind_labels,
    Kind.PPPOE: link.pppoe,
    Kind.PPP: link.ppp,
    Kind.FRAMED_PPP: link.framed_ppp,
    Kind.SERIAL: link.serial,
    Kind.LOOPBACK: link.loopback,
    Kind.COOKED: link.cooked,
    Kind.COOKED2: link.cooked2,
    Kind.WIFI: wireless.wifi,
    Kind.RADIOTAP: wireless.radiotap,
    Kind.PRISM: wireless.prism,
    Kind.AVS: wireless.avs,
    Kind.PPI: wireless.ppi,
    Kind.RAW: link.raw,
    Kind.IPV4: network.ipv4,
    Kind.IPV6: network.ipv6,
    Kind.EXTENSION: network.extension,
    Kind.FIRST_FRAGMENT: network.first_fragment,
    Kind.GRE: tunnels.gre,
    Kind.VXLAN: tunnels.vxlan,
    Kind.GENEVE: tunnels.geneve,
    Kind.GTP: tunnels.gtp,
    Kind.GTP_EXTENSION: tunnels.gtp_extension,
    Kind.L2TP: tunnels.l2tp,
    Kind.L2TP_IP: tunnels.l2tp_ip,
    Kind.L2TP3: tunnels.l2tp3,
    Kind.ETHERIP: tunnels.etherip,
    Kind.ERSPAN2: tunnels.erspan2,
    Kind.ERSPAN3: tunnels.erspan3,
}
_BEYOND = dict.fromkeys(_READERS, _stop)


def decode(buffer: Buffer, records: Records, linktype: int = 1) -> Headers:
    """The headers of the records, all of one link type (the number in a file's header; upper bits are ignored).

    The buffer must stay as it is as long as the headers are used. Raises CaptureError for a link type that cannot be
    looked into (`link.is_known`), and IndexError for records that are not inside the buffer.
    """
    octets = Octets(buffer)
    captured_end = records.data_at + records.captured
    if len(records) and (int(captured_end.max()) > octets.size or int(records.data_at.min()) < 0):
        raise IndexError("a record ends behind the buffer")
    kind, skipped = _first_header(linktype)
    # A record that tells of more kept bytes than there were on the wire has those that were kept.
    wire_end = records.data_at + np.maximum(records.captured, records.original)
    indices = np.arange(len(records), dtype=np.int64)
    walk = Walk(octets, indices, captured_end, wire_end)
    walk.push(kind, indices, records.data_at + skipped)
    return Headers(len(records), records.captured, records.original, tuple(_layers(walk)))


def _layers(walk: Walk) -> list[Layer]:
    layers: list[Layer] = []
    following: Walk | None = walk
    while following is not None:
        deepest = len(layers) > MOST_INNER_LAYERS
        following.run(_BEYOND if deepest else _READERS)
        layers.append(following.layer())
        following = None if deepest else following.inside()
    return layers


def _first_header(linktype: int) -> tuple[Kind, int]:
    first = FIRST_HEADERS.get(linktype & LINKTYPE_BITS)
    if first is None:
        raise CaptureError(f"packets of link type {linktype & LINKTYPE_BITS} cannot be looked into")
    return first
