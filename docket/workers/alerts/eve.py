"""One alert, as Suricata writes it: a line of EVE JSON. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from docket.domain.plain_text import packet_address
from docket.domain.timewindow import parse_time_us

LONGEST_LINE_BYTES = 1_000_000
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "ICMP": "icmp", "IPV6-ICMP": "icmp6", "SCTP": "sctp"}


class Alert(NamedTuple):
    """What counts of it."""

    at_us: int
    signature_id: int
    signature: str
    severity: int
    """1 is the gravest."""
    category: str
    source: str
    destination: str
    source_port: int | None
    destination_port: int | None
    protocol: str
    """tcp, udp, sctp, icmp, icmp6, or empty."""
    capture_file: str

    @property
    def flow(self) -> str:
        """The conversation as a query; the same for both directions."""
        ends = sorted([(self.source, self.source_port), (self.destination, self.destination_port)], key=str)
        hosts = " and ".join(f"host {address}" for address in dict.fromkeys(address for address, _ in ends))
        if self.protocol not in ("tcp", "udp", "sctp") or None in (self.source_port, self.destination_port):
            return f"{hosts} and ip proto {58 if self.protocol == 'icmp6' else 1}" if "icmp" in self.protocol else hosts
        flow = " - ".join(f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address, port in ends)
        return f"flow {self.protocol} {flow}"


def read_alert(line: bytes) -> Alert | None:
    """The alert of a line; None for every other event. Raises ValueError for what is no EVE line."""
    if len(line) > LONGEST_LINE_BYTES:
        raise ValueError("the line is too long")
    try:
        event = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(event, dict):
        raise ValueError("the line is no JSON object")
    if event.get("event_type") != "alert":
        return None
    try:
        return _alert(event, event["alert"])
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"the alert has no sound {error}") from error


def _alert(event: dict[str, Any], alert: dict[str, Any]) -> Alert:
    return Alert(
        at_us=parse_time_us(_with_colon(str(event["timestamp"])), None),
        signature_id=int(alert["signature_id"]),
        signature=str(alert.get("signature", ""))[:200],
        severity=int(alert.get("severity", 3)),
        category=str(alert.get("category", "")),
        source=str(packet_address(event["src_ip"])),
        destination=str(packet_address(event["dest_ip"])),
        source_port=_port(event.get("src_port")),
        destination_port=_port(event.get("dest_port")),
        protocol=_PROTOCOLS.get(str(event.get("proto", "")).upper(), ""),
        capture_file=str(event.get("capture_file", ""))[:300],
    )


def _with_colon(time: str) -> str:
    """Suricata writes +0000."""
    return f"{time[:-2]}:{time[-2:]}" if len(time) > 5 and time[-5] in "+-" else time


def _port(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 65536 else None
