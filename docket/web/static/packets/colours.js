/** Colour rules for rows of the list, in the order of Wireshark's own: the first that holds counts. Pure. */

const RULES = [
  ["bad-tcp", ({ protocol, info, severity }) => /^TCP/.test(protocol) && /^\[TCP (?!Window Update|Keep-Alive)/.test(info) && severity !== "chat"],
  ["error", ({ severity }) => severity === "error"],
  ["reset", ({ info, protocol }) => /^TCP/.test(protocol) && /\[[^\]]*\bRST\b/.test(info)],
  ["icmp-error", ({ protocol, info }) => /^ICMP/.test(protocol) && /unreachable|exceeded|redirect|quench|too big/i.test(info)],
  ["arp", ({ protocol }) => protocol === "ARP"],
  ["icmp", ({ protocol }) => /^ICMP/.test(protocol)],
  ["smb", ({ protocol }) => /^(SMB|NBSS|NBNS|BROWSER|NetBIOS)/i.test(protocol)],
  ["http", ({ protocol }) => /^HTTP/.test(protocol)],
  ["routing", ({ protocol }) => /^(OSPF|EIGRP|BGP|VRRP|HSRP|GLBP|RIP|PIM|IGMP)/.test(protocol)],
  ["syn", ({ info, protocol }) => protocol === "TCP" && /\[(SYN|FIN)/.test(info)],
  ["tcp", ({ protocol, stream }) => /^(TCP|TLS|SSL|SSH)/.test(protocol) || /^tcp /.test(stream)],
  ["udp", ({ protocol, stream }) => /^(UDP|DNS|MDNS|QUIC)/.test(protocol) || /^udp /.test(stream)],
];

/** The name of the rule for a packet; empty where none holds. */
export const ruleOf = (row) => RULES.find(([, holds]) => holds(row))?.[0] ?? "";
