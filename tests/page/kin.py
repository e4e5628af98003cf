# ruff: noqa: E501 - each text stands as it is pasted
"""More pasted texts in forms near those of the samples, each with what made it hard: other separators, clocks, ports."""

from tests.page.samples import AT, ENDS, FLOW, TCP, Sample

V6 = "host 2001:0db8::3 and host 2001:0db8::53 and port 53000 and port 53 and udp"
V6_WHOLE = "host 2001:0db8:0000:0000:0000:0000:0000:0003 and host 2001:0db8:0000:0000:0000:0000:0000:0053 and port 53000 and port 53 and udp"

KIN: tuple[Sample, ...] = (
    Sample(
        "Splunk with AM and PM",
        "11/24/26 2:02:11.482 PM src_ip=10.1.2.3 src_port=51544 dest_ip=198.51.100.20 dest_port=443 transport=tcp",
        TCP,
        AT,
    ),
    Sample("Excel in the USA", "11/24/2026 2:02:11 PM,10.1.2.3,51544,198.51.100.20,443,TCP", TCP, AT),
    Sample("day before month", "24/11/2026 14:02:11 10.1.2.3:51544 -> 198.51.100.20:443", FLOW, AT),
    Sample(
        "German sentence",
        "Verbindung von 10.1.2.3 Port 51544 zu 198.51.100.20 Port 443 am 24.11.2026 um 14:02:11",
        FLOW,
        AT,
    ),
    Sample(
        "Kibana with thousands",
        "@timestamp\tNov 24, 2026 @ 14:02:11.482\nsource.ip\t10.1.2.3\nsource.port\t51,544\ndestination.ip\t198.51.100.20\ndestination.port\t443",
        FLOW,
        AT,
    ),
    Sample(
        "event.original",
        '{"event":{"original":"{\\"timestamp\\":\\"2026-11-24T14:02:11.482913+0000\\",\\"src_ip\\":\\"10.1.2.3\\",\\"src_port\\":51544,\\"dest_ip\\":\\"198.51.100.20\\",\\"dest_port\\":443,\\"proto\\":\\"TCP\\"}"},"rule":{"name":"x"}}',
        TCP,
        AT,
    ),
    Sample(
        "Python",
        "{'local_ip': '10.1.2.3', 'local_port': 51544, 'remote_ip': '198.51.100.20', 'remote_port': 443, 'user': None}",
        FLOW,
        None,
    ),
    Sample(
        "LEEF with its own sign",
        "LEEF:2.0|Vendor|Product|1.0|100|^|src=10.1.2.3^srcPort=51544^dst=198.51.100.20^dstPort=443^proto=TCP^devTime=Nov 24 2026 14:02:11",
        TCP,
        AT,
    ),
    Sample(
        "LEEF with its sign in hex",
        "LEEF:2.0|Vendor|Product|1.0|100|x5E|src=10.1.2.3^srcPort=51544^dst=198.51.100.20^dstPort=443^proto=TCP^devTime=Nov 24 2026 14:02:11",
        TCP,
        AT,
    ),
    Sample(
        "fast alert of IPv6",
        "11/24/26-14:02:11.482913  [**] [1:366:7] x [**] [Priority: 3] {UDP} 2001:0db8::3:53000 -> 2001:0db8::53:53",
        V6,
        AT,
    ),
    Sample(
        "fast alert of IPv6 in whole",
        "11/24/2026-14:02:11.482913  [**] [1:366:7] x [**] [Priority: 3] {UDP} 2001:0db8:0000:0000:0000:0000:0000:0003:53000 -> 2001:0db8:0000:0000:0000:0000:0000:0053:53",
        V6_WHOLE,
        AT,
    ),
    Sample(
        "filterlog",
        "Nov 24 14:02:11 filterlog[1]: 4,,,1000000103,em0,match,block,in,4,0x0,,64,1234,0,DF,6,tcp,60,10.1.2.3,198.51.100.20,51544,443,0,S,123,,1024,,",
        TCP,
        AT,
    ),
    Sample("NSG flow tuple", "1795528931,10.1.2.3,198.51.100.20,51544,443,T,O,A", FLOW, AT),
    Sample(
        "firewall of Windows",
        "2026-11-24 14:02:11 ALLOW TCP 10.1.2.3 198.51.100.20 51544 443 0 - 0 0 0 - - - SEND",
        TCP,
        AT,
    ),
    Sample(
        "arrow without blanks",
        "14:02:11 firewall,info forward: proto TCP (SYN), 10.1.2.3:51544->198.51.100.20:443, len 60",
        TCP,
        AT,
    ),
    Sample(
        "slashes and an arrow",
        "RT_FLOW_SESSION_CREATE: session created 10.1.2.3/51544->198.51.100.20/443 0x0",
        FLOW,
        None,
    ),
    Sample(
        "pairs with bars", "time=1795528931|src=10.1.2.3|dst=198.51.100.20|proto=6|s_port=51544|service=443", TCP, AT
    ),
    Sample(
        "Zeek without a uid",
        "1795528931.482913\tCHh\t10.1.2.3\t51544\t198.51.100.20\t443\t1\tGET\texample.org",
        FLOW,
        AT,
    ),
    Sample("packets and bytes are no ports", "10.1.2.3 198.51.100.20 12 3456", ENDS, None),
    Sample("address and port of a list", "198.51.100.20|443", "host 198.51.100.20 and port 443", None),
    Sample("MAC address", "00-11-22-33-44-55", "ether host 00:11:22:33:44:55", None),
    Sample("MAC address of Cisco", "0011.2233.4455", "ether host 00:11:22:33:44:55", None),
    Sample(
        "names of Wireshark",
        "ip.src_host == 10.1.2.3 or ipv6.addr == 2001:db8::1 && !(arp)",
        "src host 10.1.2.3 or (host 2001:db8::1 and not arp)",
        None,
    ),
    Sample(
        "VLAN and MAC",
        "vlan.id == 100 && eth.src == 00:11:22:33:44:55 && ip.addr == 10.1.2.3",
        "vlan 100 and ether src 00:11:22:33:44:55 and host 10.1.2.3",
        None,
    ),
)
