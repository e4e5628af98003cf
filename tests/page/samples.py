# ruff: noqa: E501 - each text stands as it is pasted
"""What analysts paste: sixty-seven texts in the forms of the tools they come from, all made for these tests.

Each is about the same connection, 10.1.2.3 port 51544 to 198.51.100.20 port 443, at 14:02:11 UTC on 2026-11-24, unless
its form cannot say that.
"""

import json
from dataclasses import dataclass
from typing import Any

SECONDS = 1_795_528_931
ENDS = "host 10.1.2.3 and host 198.51.100.20"
FLOW = f"{ENDS} and port 51544 and port 443"
TCP = f"{FLOW} and tcp"
AT = "14:02:11"
"""The time that the window must hold."""

_UID = "CHhAvVGS1DHFjwGM9"
_FIVE = f"{SECONDS}.123456\t{_UID}\t10.1.2.3\t51544\t198.51.100.20\t443"
_HEAD = "#separator \\x09\n#path\t{path}\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\t{more}\n"
_ZEEK: dict[str, Any] = {
    "ts": SECONDS + 0.123456,
    "uid": _UID,
    "id.orig_h": "10.1.2.3",
    "id.orig_p": 51544,
    "id.resp_h": "198.51.100.20",
    "id.resp_p": 443,
}
_EVE: dict[str, Any] = {
    "timestamp": "2026-11-24T14:02:11.123456+0000",
    "event_type": "alert",
    "src_ip": "10.1.2.3",
    "src_port": 51544,
    "dest_ip": "198.51.100.20",
    "dest_port": 443,
    "proto": "TCP",
    "alert": {"signature": "made up", "severity": 1},
}
_ECS: dict[str, Any] = {
    "@timestamp": "2026-11-24T14:02:11.123Z",
    "source": {"ip": "10.1.2.3", "port": 51544},
    "destination": {"ip": "198.51.100.20", "port": 443},
    "network": {"transport": "tcp", "community_id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
}
_FLAT = {
    "source.ip": "10.1.2.3",
    "source.port": 51544,
    "destination.ip": "198.51.100.20",
    "destination.port": 443,
    "network.transport": "tcp",
}
_ARKIME = {
    "firstPacket": SECONDS * 1000 + 123,
    "lastPacket": SECONDS * 1000 + 4_500,
    "ipProtocol": 6,
    "source": {"ip": "10.1.2.3", "port": 51544, "packets": 9},
    "destination": {"ip": "198.51.100.20", "port": 443, "packets": 7},
}
_SYSMON = (
    "Network connection detected:\nRuleName: -\nUtcTime: 2026-11-24 14:02:11.123\nProcessGuid: {{x}}\nProtocol: tcp\n"
    "Initiated: true\nSourceIsIpv6: false\nSourceIp: 10.1.2.3\nSourceHostname: pc1\nSourcePort: 51544\n"
    "DestinationIp: 198.51.100.20\nDestinationPort: 443"
)
_PAN = (
    "1,2026/11/24 14:02:11,0011C1,TRAFFIC,end,2305,2026/11/24 14:02:11,10.1.2.3,198.51.100.20,0.0.0.0,0.0.0.0,out,,,ssl,"
    "vsys1,trust,untrust,e1/1,e1/2,fwd,2026/11/24 14:02:11,4711,1,51544,443,0,0,0x1c,tcp,allow,9000,4000,5000,20"
)


def _json(record: object) -> str:
    return json.dumps(record)


@dataclass(frozen=True)
class Sample:
    """`query` is what must be asked, `at` the time that the window must hold; None: no time is in the text."""

    name: str
    text: str
    query: str
    at: str | None = AT


SAMPLES = [
    Sample("zeek conn", _HEAD.format(path="conn", more="proto\tservice\tduration") + f"{_FIVE}\ttcp\tssl\t2.5", TCP),
    Sample("zeek conn without head", f"{_FIVE}\ttcp\tssl\t2.500000\t1021\t48213\tSF", TCP),
    Sample("zeek conn json", _json(_ZEEK | {"proto": "tcp", "duration": 2.5, "conn_state": "SF"}), TCP),
    Sample("zeek dns", _HEAD.format(path="dns", more="proto\ttrans_id\tquery") + f"{_FIVE}\ttcp\t7\tx.example", TCP),
    Sample("zeek dns json", _json(_ZEEK | {"proto": "tcp", "query": "x.example", "qtype_name": "A"}), TCP),
    Sample(
        "zeek http", _HEAD.format(path="http", more="trans_depth\tmethod\thost") + f"{_FIVE}\t1\tGET\tx.example", FLOW
    ),
    Sample("zeek http json", _json(_ZEEK | {"method": "GET", "host": "x.example", "uri": "/"}), FLOW),
    Sample("zeek ssl", _HEAD.format(path="ssl", more="version\tcipher") + f"{_FIVE}\tTLSv12\tX", FLOW),
    Sample("zeek ssl json", _json(_ZEEK | {"version": "TLSv12", "server_name": "x.example"}), FLOW),
    Sample("zeek json, time as text", _json(_ZEEK | {"ts": "2026-11-24T14:02:11.123456Z", "proto": "tcp"}), TCP),
    Sample("eve alert", _json(_EVE), TCP),
    Sample(
        "eve flow",
        _json(
            _EVE
            | {
                "event_type": "flow",
                "flow": {"start": "2026-11-24T14:02:11.000000+0000", "end": "2026-11-24T14:02:40.000000+0000"},
            }
        ),
        TCP,
    ),
    Sample("eve dns", _json(_EVE | {"event_type": "dns", "dns": {"type": "query", "rrname": "x.example"}}), TCP),
    Sample("eve behind syslog", f"<134>Nov 24 14:02:12 rock01 suricata[311]: {_json(_EVE)}", TCP),
    Sample("eve in a list", _json([_EVE]), TCP),
    Sample("eve below event", _json({"host": "rock01", "event": _EVE}), TCP),
    Sample("eve below suricata.eve", _json({"suricata": {"eve": _EVE}, "agent": {"type": "filebeat"}}), TCP),
    Sample("eve as a text in a message", _json({"@timestamp": "2026-11-24T14:02:13Z", "message": _json(_EVE)}), TCP),
    Sample(
        "snort fast",
        "11/24-14:02:11.123456  [**] [1:2013028:4] ET x [**] [Priority: 2] {TCP} 10.1.2.3:51544 -> 198.51.100.20:443",
        TCP,
    ),
    Sample(
        "suricata fast",
        "11/24/2026-14:02:11.123456  [**] [1:2019401:9] ET x [**] [Classification: A] [Priority: 1] {TCP} 10.1.2.3:51544 -> 198.51.100.20:443",
        TCP,
    ),
    Sample(
        "snort full alert",
        "[**] [1:2013028:4] ET x [**]\n[Priority: 2]\n11/24-14:02:11.123456 10.1.2.3:51544 -> 198.51.100.20:443\nTCP TTL:64 TOS:0x0 ID:4711",
        FLOW,
    ),
    Sample("ecs event", _json(_ECS), TCP),
    Sample("ecs, flat names", _json({"@timestamp": "2026-11-24T14:02:11.123Z", **_FLAT}), TCP),
    Sample("elastic hit", _json({"_index": "x", "_id": "1", "_source": _ECS}), TCP),
    Sample("elastic answer", _json({"took": 3, "hits": {"total": 1, "hits": [{"_source": _ECS}]}}), TCP),
    Sample(
        "elastic hit, fields as lists",
        _json(
            {
                "_index": "x",
                "fields": {
                    "@timestamp": ["2026-11-24T14:02:11.123Z"],
                    **{name: [value] for name, value in _FLAT.items()},
                },
            }
        ),
        TCP,
    ),
    Sample(
        "kibana table",
        "@timestamp\tNov 24, 2026 @ 14:02:11.123\n" + "\n".join(f"{name}\t{value}" for name, value in _FLAT.items()),
        TCP,
    ),
    Sample(
        "kibana table, value below name",
        "@timestamp\nNov 24, 2026 @ 14:02:11.123\n" + "\n".join(f"{name}\n{value}" for name, value in _FLAT.items()),
        TCP,
    ),
    Sample(
        "kibana search",
        "source.ip : 10.1.2.3 and destination.ip : 198.51.100.20 and destination.port : 443",
        "src host 10.1.2.3 and dst host 198.51.100.20 and dst port 443",
        None,
    ),
    Sample(
        "security onion alert",
        _json(
            {
                "@timestamp": "2026-11-24T14:02:11.123Z",
                "rule.name": "ET x",
                "event.module": "suricata",
                "log.id.uid": "1",
                **_FLAT,
            }
        ),
        TCP,
    ),
    Sample("arkime session", _json(_ARKIME), TCP),
    Sample(
        "arkime session, old names",
        _json(
            {
                "fp": SECONDS,
                "lp": SECONDS + 4,
                "srcIp": "10.1.2.3",
                "srcPort": 51544,
                "dstIp": "198.51.100.20",
                "dstPort": 443,
                "ipProtocol": 6,
            }
        ),
        TCP,
    ),
    Sample("arkime expression", "ip == 10.1.2.3 && port == 443", "host 10.1.2.3 and port 443", None),
    Sample(
        "arkime expression, sides",
        "ip.src == 10.1.2.3 && ip.dst == 198.51.100.20 && port.dst == 443",
        "src host 10.1.2.3 and dst host 198.51.100.20 and dst port 443",
        None,
    ),
    Sample("wireshark filter", "ip.addr == 10.1.2.3 && tcp.port == 443", "host 10.1.2.3 and port 443 and tcp", None),
    Sample(
        "wireshark filter, follow stream",
        "(ip.addr eq 10.1.2.3 and ip.addr eq 198.51.100.20) and (tcp.port eq 51544 and tcp.port eq 443)",
        "host 10.1.2.3 and host 198.51.100.20 and port 51544 and tcp and port 443 and tcp",
        None,
    ),
    Sample(
        "wireshark list",
        "42\t14:02:11.123456\t10.1.2.3\t198.51.100.20\tTCP\t74\t51544 → 443 [SYN] Seq=0 Win=64240 Len=0",
        TCP,
    ),
    Sample(
        "wireshark tree",
        "Frame 42: 74 bytes on wire\n    Arrival Time: Nov 24, 2026 14:02:11.123456789 UTC\nInternet Protocol Version 4, Src: 10.1.2.3, Dst: 198.51.100.20\nTransmission Control Protocol, Src Port: 51544, Dst Port: 443, Seq: 0, Len: 0",
        FLOW,
    ),
    Sample(
        "asa 302013",
        "Nov 24 2026 14:02:11: %ASA-6-302013: Built outbound TCP connection 4711 for outside:198.51.100.20/443 (198.51.100.20/443) to inside:10.1.2.3/51544 (203.0.113.9/40001)",
        "host 198.51.100.20 and host 10.1.2.3 and port 443 and port 51544 and tcp",
    ),
    Sample(
        "asa 302014",
        "Nov 24 2026 14:02:41: %ASA-6-302014: Teardown TCP connection 4711 for outside:198.51.100.20/443 to inside:10.1.2.3/51544 duration 0:00:30 bytes 900 TCP FINs",
        "host 198.51.100.20 and host 10.1.2.3 and port 443 and port 51544 and tcp",
    ),
    Sample(
        "asa 106023",
        'Nov 24 2026 14:02:11: %ASA-4-106023: Deny tcp src inside:10.1.2.3/51544 dst outside:198.51.100.20/443 by access-group "x" [0x0, 0x0]',
        TCP,
    ),
    Sample("palo alto", _PAN, TCP),
    Sample(
        "fortigate",
        'date=2026-11-24 time=14:02:11 devname="fw" logid="0000000013" type="traffic" srcip=10.1.2.3 srcport=51544 srcintf="lan" dstip=198.51.100.20 dstport=443 proto=6 action="accept" service="HTTPS"',
        TCP,
    ),
    Sample(
        "cef",
        "CEF:0|Made|Up|1.0|100|A thing happened|5|src=10.1.2.3 spt=51544 dst=198.51.100.20 dpt=443 proto=TCP rt=Nov 24 2026 14:02:11 msg=some words here",
        TCP,
    ),
    Sample(
        "cef, time in milliseconds",
        f"Nov 24 14:02:12 host CEF:0|Made|Up|1.0|100|x|5|rt={SECONDS * 1000} src=10.1.2.3 spt=51544 dst=198.51.100.20 dpt=443 proto=TCP",
        TCP,
    ),
    Sample(
        "leef",
        "LEEF:1.0|Made|Up|1.0|100|src=10.1.2.3\tsrcPort=51544\tdst=198.51.100.20\tdstPort=443\tproto=TCP\tdevTime=Nov 24 2026 14:02:11",
        TCP,
    ),
    Sample(
        "iptables",
        "Nov 24 14:02:11 fw kernel: [12345.678] DROP IN=eth0 OUT= MAC=02:00:00:00:00:01 SRC=10.1.2.3 DST=198.51.100.20 LEN=60 TOS=0x00 TTL=64 ID=4711 DF PROTO=TCP SPT=51544 DPT=443 WINDOW=64240 SYN",
        TCP,
    ),
    Sample(
        "pf",
        "Nov 24 14:02:11.123456 rule 2/0(match): block in on em0: 10.1.2.3.51544 > 198.51.100.20.443: Flags [S], seq 1",
        FLOW,
    ),
    Sample(
        "nfdump",
        "2026-11-24 14:02:11.123     2.500 TCP         10.1.2.3:51544 ->   198.51.100.20:443         12     4000     1",
        TCP,
    ),
    Sample(
        "aws flow",
        f"2 123456789012 eni-0a1b2c3d 10.1.2.3 198.51.100.20 51544 443 6 12 4000 {SECONDS} {SECONDS + 30} ACCEPT OK",
        TCP,
    ),
    Sample(
        "splunk raw",
        "2026-11-24T14:02:11.123+00:00 host=fw action=allowed src_ip=10.1.2.3 src_port=51544 dest_ip=198.51.100.20 dest_port=443 transport=tcp",
        TCP,
    ),
    Sample(
        "splunk json",
        _json(
            {
                "preview": False,
                "result": {
                    "_time": "2026-11-24T14:02:11.123+00:00",
                    "src": "10.1.2.3",
                    "src_port": "51544",
                    "dest": "198.51.100.20",
                    "dest_port": "443",
                    "transport": "tcp",
                },
            }
        ),
        TCP,
    ),
    Sample("sysmon 3", _SYSMON, TCP),
    Sample(
        "sysmon 3 json",
        _json(
            {
                "winlog": {
                    "event_id": 3,
                    "event_data": {
                        "UtcTime": "2026-11-24 14:02:11.123",
                        "Protocol": "tcp",
                        "SourceIp": "10.1.2.3",
                        "SourcePort": "51544",
                        "DestinationIp": "198.51.100.20",
                        "DestinationPort": "443",
                    },
                }
            }
        ),
        TCP,
    ),
    Sample(
        "netstat",
        "tcp        0      0 10.1.2.3:51544          198.51.100.20:443       ESTABLISHED 4711/curl",
        TCP,
        None,
    ),
    Sample("ss", "tcp   ESTAB  0      0      10.1.2.3:51544      198.51.100.20:443", TCP, None),
    Sample(
        "tcpdump",
        "2026-11-24 14:02:11.123456 IP 10.1.2.3.51544 > 198.51.100.20.443: Flags [S], seq 1, win 64240, length 0",
        FLOW,
    ),
    Sample("tcpdump, time of day", "14:02:11.123456 IP 10.1.2.3.51544 > 198.51.100.20.443: Flags [S], seq 1", FLOW),
    Sample(
        "tcpdump ipv6",
        "14:02:11.123456 IP6 2001:db8::1.51544 > 2001:db8::2.443: Flags [S], seq 1",
        "host 2001:db8::1 and host 2001:db8::2 and port 51544 and port 443",
    ),
    Sample(
        "e-mail, defanged",
        "Hello,\n\nplease look at these two, seen 2026-11-24 14:02 UTC:\n\n  10[.]1[.]2[.]3\n  198[.]51[.]100[.]20\n\nthanks",
        "host 10.1.2.3 or host 198.51.100.20",
        "14:02:00",
    ),
    Sample("url", "https://198.51.100.20:8443/x/y?z=1", "host 198.51.100.20 and port 8443", None),
    Sample("url, defanged", "hxxp://198[.]51[.]100[.]20/malware.exe", "host 198.51.100.20 and port 80", None),
    Sample(
        "list of nets",
        "10.1.0.0/16\n192.0.2.0/24, 2001:db8::/32",
        "net 10.1.0.0/16 or net 192.0.2.0/24 or net 2001:db8::/32",
        None,
    ),
    Sample("list of ends", "10.1.2.3:443 10.1.2.4", "(host 10.1.2.3 and port 443) or host 10.1.2.4", None),
    Sample("record with community id", _json({"community_id": "1:LQU9qZlK+B5F3KDmev6m5PMibrg=", **_EVE}), TCP),
    Sample(
        "sentence",
        "10.1.2.3:443 -> 10.9.8.7:5555 at 14:02",
        "host 10.1.2.3 and host 10.9.8.7 and port 443 and port 5555",
        "14:02:00",
    ),
    Sample(
        "original docket link",
        "https://rock/app/docket/api/uri/host/10.1.2.3/port/443/after/2026-11-24T14:02:11Z/",
        "host 10.1.2.3 and port 443",
    ),
]
