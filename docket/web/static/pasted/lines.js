/** Lines of text with addresses in them: Snort and Suricata fast alerts, arrows between ends, lists. Pure. */

import { DAY, fromParts, fromRfc } from "../time.js";
import { flowText, isAddress, readEnd, windowAround } from "./flow.js";

const FAST_TIME = /^(\d\d)\/(\d\d)(?:\/(\d{2}|\d{4}))?-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?/;
const FAST_ENDS = /\{([\w-]+)\}\s+(\S+)\s+(?:->|<->|<-)\s+(\S+)/;
const ARROW =
  /(\S+?)(?:[\s:]+(\d{1,5}))?\s*(?:<->|-+>|=>|→|↔|<-+|>)\s*(\[?[0-9a-fA-F.:]+\]?(?::\d{1,5})?)(?:\s+(\d{1,5})(?!\S))?/;
const TCPDUMP_END = /^((?:\d{1,3}\.){3}\d{1,3}|[0-9a-f:]*:[0-9a-f:]+)\.(\d{1,5})$/i;
const ANY_RFC = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?\s*(?:Z|[+-]\d\d:?\d\d)/i;
const PROTOCOL = /\b(tcp|udp|icmp6?|icmpv6|ipv6-icmp)\b/i;

/** A fast alert names no zone, and that of Snort not even a year: the last such day counts. */
function fastTime(found, { nowUs, zone }) {
  const [month, day, hour, minute, second] = [found[1], found[2], found[4], found[5], found[6]].map(Number);
  const parts = { month: month - 1, day, hour, minute, second, micro: Number((found[7] ?? "").padEnd(6, "0")) };
  if (found[3]) return fromParts({ ...parts, year: Number(found[3].padStart(4, "20")) }, zone);
  const year = new Date(nowUs / 1000).getUTCFullYear();
  const us = fromParts({ ...parts, year }, zone);
  return us > nowUs + DAY ? fromParts({ ...parts, year: year - 1 }, zone) : us;
}

export function readSnortAlert(text, context) {
  const time = FAST_TIME.exec(text);
  const ends = FAST_ENDS.exec(text);
  if (!time || !ends) return null;
  const protocol = ends[1].toLowerCase();
  const withPorts = protocol === "tcp" || protocol === "udp";
  const both = [readEnd(ends[2], withPorts), readEnd(ends[3], withPorts)];
  if (!both.every(Boolean)) return null;
  const at = fastTime(time, context);
  return { kind: "fast alert", text: flowText(both, protocol), when: windowAround(at, at, context.nowUs) };
}

/** One end as tcpdump, Wireshark and people write it; a port may stand behind a dot or a space. */
function looseEnd(text, port) {
  const plain = text.replace(/^[("'<]+|[)"'>,;]+$/g, "").replace(/:$/, "");
  const dotted = TCPDUMP_END.exec(plain);
  if (dotted && isAddress(dotted[1])) return { host: dotted[1], port: dotted[2] };
  const end = readEnd(plain);
  return end && { host: end.host, port: end.port ?? port };
}

/** "10.1.2.3:443 -> 10.9.8.7:51544", the second end may be left open; a time in the line is used. */
export function readArrow(text, context) {
  const found = ARROW.exec(text) ?? /^(\S+)\s*(?:-+>|→|=>)\s*(?:…|\.\.\.|\?|\*)?$/.exec(text);
  if (!found || text.includes("\n")) return null;
  const ends = [looseEnd(found[1], found[2]), found[3] ? looseEnd(found[3], found[4]) : null];
  if (!ends[0] || (found[3] && !ends[1])) return null;
  const at = fromRfc(ANY_RFC.exec(text)?.[0]);
  const protocol = PROTOCOL.exec(text)?.[1];
  return { kind: "connection", text: flowText(ends, protocol), when: windowAround(at, at, context.nowUs) };
}

/** One address (with a port, perhaps), or a list of them: any of these. */
export function readAddressList(text) {
  const items = text.split(/[\s,;]+/).filter(Boolean);
  if (items.length === 1) {
    const end = readEnd(items[0]);
    return end && { kind: "address", text: flowText([end]) };
  }
  if (!items.every(isAddress)) return null;
  const hosts = [...new Set(items.map((item) => `host ${item.toLowerCase()}`))];
  return { kind: `list of ${hosts.length} addresses`, text: hosts.join(" or ") };
}
