/** Protocols by the names that people use, instead of the short names inside the dissector. Pure. */

const NAMES = {
  eth: "Ethernet",
  ip: "IPv4",
  ipv6: "IPv6",
  icmpv6: "ICMPv6",
  sll: "Linux cooked capture",
  vlan: "VLAN (802.1Q)",
  http: "HTTP",
  http2: "HTTP/2",
  http3: "HTTP/3",
  dns: "DNS",
  mdns: "mDNS",
  llmnr: "LLMNR",
  nbns: "NetBIOS names",
  nbss: "NetBIOS sessions",
  nbdgm: "NetBIOS datagrams",
  smb: "SMB",
  smb2: "SMB2",
  dcerpc: "DCE/RPC",
  kerberos: "Kerberos",
  gquic: "GQUIC",
  wg: "WireGuard",
  isakmp: "IKE",
  esp: "ESP",
  ah: "AH",
  gre: "GRE",
  vxlan: "VXLAN",
  geneve: "GENEVE",
  ldap: "LDAP",
  cldap: "CLDAP",
  imf: "Internet message",
  x509sat: "X.509",
  pop: "POP",
  imap: "IMAP",
  ftp: "FTP",
  "ftp-data": "FTP data",
  tftp: "TFTP",
  smtp: "SMTP",
  ssh: "SSH",
  telnet: "Telnet",
  ntp: "NTP",
  snmp: "SNMP",
  syslog: "Syslog",
  dhcp: "DHCP",
  dhcpv6: "DHCPv6",
  arp: "ARP",
  data: "Data",
  "data-text-lines": "Text lines",
  json: "JSON",
  xml: "XML",
  media: "Media type",
  "image-gif": "GIF image",
  "image-jfif": "JPEG image",
  png: "PNG image",
  x11: "X11",
  mysql: "MySQL",
  pgsql: "PostgreSQL",
  redis: "Redis",
  memcache: "Memcached",
  amqp: "AMQP",
  mqtt: "MQTT",
  rtp: "RTP",
  rtcp: "RTCP",
  sip: "SIP",
  "_ws.malformed": "Malformed packet",
  "urlencoded-form": "URL-encoded form",
  mime_multipart: "MIME multipart",
  tpkt: "TPKT",
};

/** "TCP" of "tcp", "Ethernet" of "eth". */
export const protocolName = (name) => NAMES[name] ?? name.replaceAll("_", " ").toUpperCase();

/** Parts of a layer that the dissector counts as layers, such as `tcp.segments`. */
const isPart = (name) => name.includes(".") && !name.startsWith("_ws.");

/**
 * The hierarchy without repetitions: parts of a layer are taken out, what is below them moves up, and a protocol
 * inside itself (eleven requests in one segment) stands once.
 */
export function plainHierarchy(protocols, above = "") {
  const found = new Map();
  const put = (protocol) => {
    const known = found.get(protocol.name);
    if (known) {
      known.children.push(...protocol.children);
      known.packets += protocol.packets;
      known.bytes += protocol.bytes;
      known.filter = known.filter && protocol.filter && `(${known.filter}) or (${protocol.filter})`;
    } else found.set(protocol.name, { ...protocol, children: [...protocol.children] });
  };
  for (const protocol of protocols) {
    if (isPart(protocol.name) || protocol.name === above) lifted(protocol.children, above).forEach(put);
    else put(protocol);
  }
  return [...found.values()].map((one) => ({ ...one, children: plainHierarchy(one.children, one.name) }));
}

const lifted = (protocols, above) =>
  protocols.flatMap((one) => (isPart(one.name) || one.name === above ? lifted(one.children, above) : [one]));
