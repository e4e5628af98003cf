/** Any line of text with addresses in it: alerts, firewalls, netstat, packet lists, sentences. Pure. */

import { S } from "../time.js";
import { counted } from "../figures.js";
import { found, isAddress, readEnd } from "./flow.js";
import { findTime } from "./times.js";

const V4 = "(?:\\d{1,3}\\.){3}\\d{1,3}";
const V6 = "(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9a-fA-F]{1,4}|(?:\\d{1,3}\\.){3}\\d{1,3})?";
/** An address with what stands directly behind it: a port after a colon, a dot, a slash or a blank, or a length of a net. */
const ADDRESS = new RegExp(
  `(?<![\\w.-])(?:\\[(${V6})\\](?::(\\d{1,5}))?|(${V4})(?:[:.](\\d{1,5})(?![\\w.])|/(\\d{1,5})(?![\\w.])|\\((\\d{1,5})\\))?|(?<!:)(${V6})(?:/(\\d{1,3})(?!\\d)|\\.(\\d{1,5})(?![\\w.]))?)(?!\\w|-(?!-*>)|\\.\\d)`,
  "g",
);
const LONGEST_V4_NET = 32;
const PROTOCOL = /\b(tcp|udp|icmp6|icmpv6|ipv6-icmp|icmp|sctp|gre|esp)(?=\b|v?[46]\b)/i;
const PORTS = /(?<![\d.:])(\d{1,5})\s*(?:→|->|>|=>)\s*(\d{1,5})(?![\d.:])/;
const HAS_PORTS = /\b(?:tcp|udp|sctp)\b|,[TU],/i;
const TIMES_OF_NFDUMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\s+(\d+\.\d+)\s/;
const LASTED = /\bduration (\d+):(\d\d):(\d\d)\b/;
const URL = /\b(https?|ftp|ssh|rdp|smb|ldaps?):\/\/(?:[^\s/@]*@)?(\[[0-9a-f:.]+\]|[^\s/:?#"'<>]+)(?::(\d{1,5}))?/gi;
const PORT_OF = { http: "80", https: "443", ftp: "21", ssh: "22", rdp: "3389", smb: "445", ldap: "389", ldaps: "636" };
const METHOD = /\b(?:GET|POST|PUT|HEAD|CONNECT|DELETE|OPTIONS)\b/;
const LONGEST_REST = 100;
const BARE = new Set(["0.0.0.0", "255.255.255.255", "127.0.0.1", "::", "::1", "224.0.0.1"]);

/** Every address of a text as `{ host, port, net, at, end }`, in its order. */
export function addressesIn(text) {
  const nat = /%(?:ASA|FTD|PIX)-/.test(text);
  const all = [];
  for (const one of text.matchAll(ADDRESS)) {
    const [, six, sixPort, four, fourPort, slash, bracket, bareSix, sixNet, dotPort] = one;
    const host = six ?? four ?? bareSix;
    if (!isAddress(host)) continue;
    const isNet = four ? slash !== undefined && !nat && Number(slash) <= LONGEST_V4_NET && !/->|→/.test(text) : sixNet !== undefined;
    const port = sixPort ?? fourPort ?? bracket ?? dotPort ?? (isNet ? undefined : slash) ?? portOfV6(bareSix, text.slice(one.index + one[0].length));
    all.push({
      host,
      port: Number(port) < 65_536 ? port : undefined,
      net: isNet ? `${host}/${slash ?? sixNet}` : null,
      at: one.index,
      end: one.index + one[0].length,
    });
  }
  return nat ? all.filter(({ at }) => text[at - 1] !== "(") : all;
}

/** Alerts write the port of an IPv6 address behind one more colon, which is plain behind eight groups, or five digits. */
function portOfV6(host, behind) {
  const port = host && /^:(\d{1,5})(?![\w:])/.exec(behind)?.[1];
  return port && (port.length === 5 || host.split(":").length === 8) ? port : undefined;
}

/** A port behind a blank: "10.1.2.3 51544 -> 10.9.8.7 443". */
function withBlankPorts(text, ends) {
  return ends.map((end, at) => {
    const named = /^,?\s+port\s+(\d{1,5})\b/i.exec(text.slice(end.end));
    if (named && end.port === undefined) return { ...end, port: named[1] };
    const behind = /^\s+(\d{1,5})\s*(?=-+>|→|=>|>|<|$|\s)/.exec(text.slice(end.end));
    const isLast = at === ends.length - 1;
    const arrow = /^\s+\d{1,5}\s*(?:-+>|→|=>|>|<-+>|<-)/.test(text.slice(end.end));
    return end.port === undefined && behind && (arrow || (isLast && ends[0].blank)) ? { ...end, port: behind[1], blank: true } : end;
  });
}

/** The same in two steps, as the second end takes a blank port only where the first has one. */
function endsOf(text) {
  const all = addressesIn(text).filter((one) => !one.net);
  const first = withBlankPorts(text, all.slice(0, 1));
  return withBlankPorts(text, [...first, ...all.slice(1)]).slice(0);
}

/** A fast alert writes the port of an IPv6 address behind one more colon. */
function withColonPort(end) {
  const found = /^(.+):(\d{1,5})$/.exec(end.host);
  return found && end.port === undefined && end.host.includes("::") && isAddress(found[1]) ? { ...end, host: found[1], port: found[2] } : end;
}

const APART = "[\\s,;|\"]+";
const PORT_APART = new RegExp(`^${APART}(\\d{1,5})(?=${APART}|$)`);
const PORTS_APART = new RegExp(`^${APART}(\\d{1,5})${APART}(\\d{1,5})(?=${APART}|$)`);
const ONLY_APART = new RegExp(`^${APART}$`);
const ONLY_PORT = new RegExp(`^${APART}(\\d{1,5})${APART}$`);

/** The ports of a log without names: "a, b, 51544, 443" where a protocol has ports, or "a, 51544, b, 443". */
function portsApart(text, [one, other]) {
  if (!other || one.port !== undefined || other.port !== undefined || other.at < one.end) return null;
  const [between, behind] = [text.slice(one.end, other.at), text.slice(other.end)];
  const first = ONLY_PORT.exec(between);
  const found = first ? [first[1], PORT_APART.exec(behind)?.[1]] : ONLY_APART.test(between) && HAS_PORTS.test(text) ? PORTS_APART.exec(behind)?.slice(1) : null;
  return found?.every((port) => Number(port) > 0 && Number(port) < 65_536) ? found : null;
}

const ARROW = /->|→|=>|<->|↔/;

const KINDS = [
  [/%(?:ASA|FTD|PIX)-\d-\d+/, "Cisco ASA message"],
  [/\[\*\*\]/, "fast alert"],
  [/\bFlags \[|\bIP6? .* > .*: /, "tcpdump line"],
  [/\b(?:ESTAB|ESTABLISHED|TIME[-_]WAIT|CLOSE[-_]WAIT|SYN[-_]SENT|LISTEN)\b/, "line of netstat or ss"],
  [/\brule \d+.*\b(?:block|pass)\b/, "pf log line"],
];

/** One line or a few that belong together: its first two ends, its protocol, its time. */
export function readLine(text, context) {
  const ends = distinct(endsOf(text)).filter(({ host }, at, all) => !BARE.has(host) || all.length < 2);
  if (!ends.length) return null;
  if (/\{(?:TCP|UDP)\}/i.test(text)) ends.splice(0, ends.length, ...ends.map(withColonPort));
  const ports = PORTS.exec(text);
  if (ports && ends.length >= 2 && ends[0].port === undefined && ends[1].port === undefined) {
    [ends[0].port, ends[1].port] = [ports[1], ports[2]];
  }
  const apart = portsApart(text, ends);
  if (apart) [ends[0].port, ends[1].port] = apart;
  const kind = KINDS.find(([form]) => form.test(text))?.[1] ?? (ends.length > 1 || ARROW.test(text) ? "connection" : "address");
  const time = findTime(withoutAddresses(text), context);
  const record = found(kind, ends.slice(0, 2), PROTOCOL.exec(text)?.[1], lastedFrom(text, time), context);
  if (record && ends.length > 2) record.missed.push(`${counted(ends.length - 2, "more end")} not taken`);
  return record;
}

/** A firewall names the end of a connection and how long it was; nfdump the beginning. */
function lastedFrom(text, time) {
  if (!time) return { first: null, last: null };
  const lasted = LASTED.exec(text);
  if (lasted) {
    const seconds = Number(lasted[1]) * 3600 + Number(lasted[2]) * 60 + Number(lasted[3]);
    return { first: time.us - seconds * S, last: time.us, isZoned: time.isZoned };
  }
  const flow = TIMES_OF_NFDUMP.exec(text.trim());
  return { first: time.us, last: time.us + Math.round(Number(flow?.[1] ?? 0) * S), isZoned: time.isZoned };
}

/** Without what could be taken for a time. */
const withoutAddresses = (text) =>
  addressesIn(text).reduce((rest, { at, end }) => rest.slice(0, at) + " ".repeat(end - at) + rest.slice(end), text);

/** The words of a text beside its addresses, shortened; "" where there are only numbers and signs. */
export function restOf(text) {
  const rest = withoutAddresses(text).replace(/\s+/g, " ").trim();
  if (!/\p{L}{3}/u.test(rest)) return "";
  return rest.length > LONGEST_REST ? `${rest.slice(0, LONGEST_REST)}…` : rest;
}

const distinct = (ends) =>
  ends.filter((end, at) => ends.findIndex((other) => other.host === end.host && other.port === end.port) === at);

/** Links, each with the port that its scheme means; names in them are said to be of no use. */
export function readLinks(text, context) {
  const links = [...text.matchAll(URL)];
  const ends = links.map((one) => ({ end: readEnd(one[2].replace(/^\[|\]$/g, "")), port: one[3] ?? PORT_OF[one[1].toLowerCase()], name: one[2] }));
  const known = ends.filter(({ end }) => end).map(({ end, port }) => ({ host: end.host, port }));
  if (!known.length) return [];
  const rest = text.replace(URL, " ");
  const time = findTime(withoutAddresses(rest), context);
  const times = { first: time?.us ?? null, last: time?.us ?? null, isZoned: time?.isZoned };
  const others = distinct(addressesIn(rest).filter((one) => !one.net));
  // In the log of a proxy the other address is the client; in a letter it is one more to look for.
  if (METHOD.test(rest) && others.length && known.length === 1) return [found("request of a proxy", [others[0], known[0]], "", times, context)];
  return [...known.map((end) => found("URL", [end], "", times, context)), ...others.map((end) => found("address", [end], "", times, context))];
}

/** The names in links of a text that have no address. */
export const namesIn = (text) => [...text.matchAll(URL)].map((one) => one[2]).filter((name) => !readEnd(name.replace(/^\[|\]$/g, "")));

/** One address, net or end, or a list of nothing else: any of these. */
export function readAddressList(text) {
  // Lists of indicators write "address|port".
  const items = text.replace(/([\d\]])\|(?=\d{1,5}(?:\s|$))/g, "$1:").split(/[\s,;|]+/).filter(Boolean);
  const terms = items.map(termOf);
  if (!items.length || terms.some((term) => term === null)) return null;
  const unique = [...new Set(terms)];
  const missed = ["no time in it: the window stays as it is"];
  if (unique.length === 1) return { kind: "address", text: unique[0], understood: items.slice(0, 1), missed };
  const texts = unique.map((term) => (term.includes(" and ") ? `(${term})` : term));
  return { kind: `list of ${unique.length} addresses`, text: texts.join(" or "), understood: items, missed };
}

const MAC = /^(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})$/i;
const macOf = (text) => text.toLowerCase().replace(/[^0-9a-f]/g, "").match(/../g).join(":");

/** One word of a list, as a term of a query. */
export function termOf(item) {
  const net = /^(.+)\/(\d{1,3})$/.exec(item);
  if (net) return isAddress(net[1]) && Number(net[2]) <= (net[1].includes(":") ? 128 : 32) ? `net ${item.toLowerCase()}` : null;
  const end = readEnd(item);
  if (!end) return MAC.test(item) ? `ether host ${macOf(item)}` : null;
  return `host ${end.host.toLowerCase()}${end.port ? ` and port ${Number(end.port)}` : ""}`;
}
