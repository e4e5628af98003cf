/** Filters of Wireshark, expressions of Arkime and searches of Kibana, as far as a query can say the same. Pure. */

import { isAddress } from "./flow.js";

const HOSTS = { "ip.addr": "", "ip.src": "src ", "ip.dst": "dst ", "ipv6.addr": "", "ipv6.src": "src ", "ipv6.dst": "dst ", ip: "", "source.ip": "src ", "destination.ip": "dst ", "client.ip": "src ", "server.ip": "dst ", "ip.host": "", "ip.src_host": "src ", "ip.dst_host": "dst ", "ipv6.host": "", "ipv6.src_host": "src ", "ipv6.dst_host": "dst ", host: "" };
const PORTS = { port: ["", ""], "port.src": ["", "src "], "port.dst": ["", "dst "], "source.port": ["", "src "], "destination.port": ["", "dst "], "tcp.port": ["tcp", ""], "tcp.srcport": ["tcp", "src "], "tcp.dstport": ["tcp", "dst "], "udp.port": ["udp", ""], "udp.srcport": ["udp", "src "], "udp.dstport": ["udp", "dst "] };
const PROTOCOLS = ["ip.proto", "ip.protocol", "network.transport", "ipv6.nxt"];
const MACS = { "eth.addr": "host", "eth.src": "src", "eth.dst": "dst" };
const NUMBERS = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", tcp: "tcp", udp: "udp", icmp: "icmp", icmpv6: "icmp6" };
const BARE = { tcp: "tcp", udp: "udp", icmp: "icmp", icmpv6: "icmp6", dns: "port 53", tls: "tcp and port 443", http: "tcp and port 80", ssh: "tcp and port 22", arp: "arp", sctp: "sctp", ip: "ip", ipv6: "ip6" };
const TOKEN = /\s*(&&|\|\||==|!=|>=|<=|[()<>~]|!|\{[^}]*\}|\[[^\]]*\]|"[^"]*"|:(?=\s)|[^\s()&|!={}]+)/gy;
const LOOKS = /(?:^|[\s(!])(?:ip(?:v6)?(?:\.(?:addr|src|dst|host|src_host|dst_host|proto|protocol))?|port(?:\.(?:src|dst))?|(?:tcp|udp)\.(?:port|srcport|dstport)|(?:source|destination)\.(?:ip|port))\s*(?:==|!=|:\s|\bin\b|\beq\b)/i;

/** Comparisons that a query has no word for. */
const UNSAID = ["contains", "matches", "~", ">", "<", ">=", "<=", "gt", "lt", "ge", "le"];

class NotRead extends Error {}

/** Whether a text may be a filter. */
export const looksLikeFilter = (text) => !text.includes("\n") && LOOKS.test(text);

/** `{ kind, text, understood, missed }`, or null. What cannot be said and only narrows is left out and named. */
export function readFilter(text) {
  if (!looksLikeFilter(text)) return null;
  TOKEN.lastIndex = 0;
  const words = [];
  for (let one = TOKEN.exec(text); one; one = TOKEN.exec(text)) words.push(one[1]);
  const reader = { words, at: 0, missed: [] };
  try {
    const query = either(reader, true);
    if (reader.at < words.length || !query) return null;
    const kind = /(?:ip(?:v6)?\.(?:addr|src|dst)|(?:tcp|udp)\.(?:port|srcport|dstport)) *(?:==|in|eq|!=)/.test(text) ? "Wireshark filter" : /\.(?:ip|port)\s*:/.test(text) ? "Kibana search" : "Arkime expression";
    return { kind, text: query, understood: [query], missed: [...reader.missed, "no time in it: the window stays as it is"] };
  } catch (error) {
    if (error instanceof NotRead) return null;
    throw error;
  }
}

const isWord = (reader, ...wanted) => wanted.includes(reader.words[reader.at]?.toLowerCase());
const bracketed = (text) => (/ (and|or) /.test(text) ? `(${text})` : text);

/** `isTop`: what is left out here makes the query wider only, so that nothing is lost. */
function either(reader, isTop) {
  const parts = [both(reader, isTop)];
  while (isWord(reader, "||", "or")) {
    reader.at += 1;
    parts.push(both(reader, false));
  }
  if (parts.length > 1 && parts.some((part) => !part)) throw new NotRead();
  return parts.length > 1 ? parts.map(bracketed).join(" or ") : parts[0];
}

function both(reader, isTop) {
  const parts = [negated(reader, isTop)];
  while (isWord(reader, "&&", "and")) {
    reader.at += 1;
    parts.push(negated(reader, isTop));
  }
  const said = parts.filter(Boolean);
  return said.length > 1 ? said.map((part) => (part.includes(" or ") ? `(${part})` : part)).join(" and ") : (said[0] ?? "");
}

function negated(reader, isTop) {
  if (!isWord(reader, "!", "not")) return term(reader, isTop);
  reader.at += 1;
  const inner = term(reader, false);
  if (!inner) throw new NotRead();
  return `not ${bracketed(inner)}`;
}

function term(reader, isTop) {
  if (isWord(reader, "(")) {
    reader.at += 1;
    const inner = either(reader, isTop);
    if (!isWord(reader, ")")) throw new NotRead();
    reader.at += 1;
    return inner;
  }
  const name = reader.words[reader.at]?.toLowerCase();
  if (!name) throw new NotRead();
  reader.at += 1;
  if (isWord(reader, ...UNSAID)) {
    const words = [name, ...reader.words.slice(reader.at, reader.at + 2)].join(" ");
    reader.at += 2;
    return leftOut(reader, words, isTop);
  }
  if (!isWord(reader, "==", "!=", "eq", "ne", "in", ":")) return BARE[name] ?? leftOut(reader, name, isTop);
  const isNot = isWord(reader, "!=", "ne");
  const sign = reader.words[reader.at];
  const value = reader.words[reader.at + 1];
  reader.at += 2;
  const said = value && comparison(name, valuesOf(value));
  if (!said) return leftOut(reader, `${name} ${sign} ${value ?? ""}`, isTop);
  return isNot ? `not ${bracketed(said)}` : said;
}

function leftOut(reader, words, isTop) {
  if (!isTop) throw new NotRead();
  reader.missed.push(`“${words.slice(0, 60)}” cannot be asked of a source; filter the result by it`);
  return "";
}

const valuesOf = (text) => text.replace(/^[{[("]+|[})\]"]+$/g, "").split(/[\s,]+/).filter(Boolean);

function comparison(name, values) {
  const each = values.map((value) => one(name, value));
  if (!each.length || each.some((text) => !text)) return "";
  return each.length > 1 ? `(${each.join(" or ")})` : each[0];
}

function one(name, value) {
  if (name in HOSTS) return hostTerm(HOSTS[name], value);
  if (name in PORTS) return portTerm(...PORTS[name], value);
  if (PROTOCOLS.includes(name)) return NUMBERS[value.toLowerCase()] ?? (/^\d{1,3}$/.test(value) ? `ip proto ${value}` : "");
  if (name in MACS && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value)) return `ether ${MACS[name]} ${value.toLowerCase()}`;
  if (name === "vlan.id" && /^\d{1,4}$/.test(value)) return `vlan ${value}`;
  return "";
}

function hostTerm(side, value) {
  const [address, behind] = /^([^/]+)\/(\d+)$/.exec(value)?.slice(1) ?? [value, null];
  const withPort = /^((?:\d+\.){3}\d+):(\d{1,5})$/.exec(address);
  if (withPort) return isAddress(withPort[1]) ? `${side}host ${withPort[1]} and ${side}port ${withPort[2]}` : "";
  if (!isAddress(address)) return "";
  return behind === null ? `${side}host ${address.toLowerCase()}` : `${side}net ${address.toLowerCase()}/${behind}`;
}

function portTerm(protocol, side, value) {
  const range = /^(\d{1,5})(?:\.\.|-)(\d{1,5})$/.exec(value);
  const text = range ? `${side}portrange ${range[1]}-${range[2]}` : /^\d{1,5}$/.test(value) ? `${side}port ${value}` : "";
  return text && protocol ? `${text} and ${protocol}` : text;
}
