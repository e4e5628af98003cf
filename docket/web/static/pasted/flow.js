/** What all pasted records boil down to: two ends, a protocol, a time. Pure. */

import { MIN, S } from "../time.js";

/** Room around a record that has a beginning and an end, and around one that names a single instant. */
const AROUND_SPAN = MIN;
const AROUND_INSTANT = 2 * MIN;

const V4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$/;
const GROUP = /^[0-9a-f]{1,4}$/i;
const GROUPS_OF_V6 = 8;

/** Eight groups, or fewer with one "::"; the last two may be written as IPv4. */
function isV6(text) {
  const sides = text.split("::");
  if (sides.length > 2 || !text.includes(":")) return false;
  const groups = sides.flatMap((side) => (side ? side.split(":") : []));
  const tail = groups.at(-1)?.includes(".") ? groups.pop() : null;
  const number = groups.length + (tail ? 2 : 0);
  const isWhole = sides.length === 2 ? number < GROUPS_OF_V6 : number === GROUPS_OF_V6;
  return isWhole && groups.every((group) => GROUP.test(group)) && (tail === null || V4.test(tail));
}

const PROTOCOLS = { tcp: "tcp", udp: "udp", icmp: "icmp", 6: "tcp", 17: "udp", 1: "icmp" };
const ICMP6 = new Set(["icmp6", "icmpv6", "ipv6-icmp", "58"]);

export const isAddress = (text) => typeof text === "string" && (V4.test(text) || isV6(text));

/** "10.1.2.3:443", "[2001:db8::1]:443", "10.1.2.3" as `{ host, port }`; null if it holds no address. */
export function readEnd(text, withPort = false) {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  if (bracketed) return isAddress(bracketed[1]) ? { host: bracketed[1], port: bracketed[2] } : null;
  const cut = text.lastIndexOf(":");
  const [host, port] = [text.slice(0, cut), text.slice(cut + 1)];
  if (cut > 0 && /^\d{1,5}$/.test(port) && isAddress(host) && (V4.test(host) || withPort)) return { host, port };
  return isAddress(text) ? { host: text, port: undefined } : null;
}

/** "1[.]2[.]3[.]4" and "hxxp://…" as they were before they were made harmless. */
export const refanged = (text) =>
  text
    .replace(/\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)/gi, ".")
    .replace(/\[:\]/g, ":")
    .replace(/\bhxxp(s?)(?=:|\[)/gi, "http$1");

/** The query for the packets between two ends. ICMP has no ports, whatever a log writes there. */
export function flowText(ends, protocol) {
  const name = String(protocol ?? "").toLowerCase();
  const isIcmp6 = ICMP6.has(name) || (name === "icmp" && ends.some((end) => end?.host?.includes(":")));
  const proto = isIcmp6 ? "icmp6" : PROTOCOLS[name];
  const hasPorts = !isIcmp6 && proto !== "icmp";
  const unique = (values) => [...new Set(values.filter(Boolean).map((value) => String(value).toLowerCase()))];
  const hosts = unique(ends.map((end) => end?.host)).map((host) => `host ${host}`);
  const ports = hasPorts ? unique(ends.map((end) => Number(end?.port) || null)).map((port) => `port ${port}`) : [];
  return [...hosts, ...ports, ...(proto ? [proto] : [])].join(" and ");
}

/** A window around something that lasted from `first` to `last` (microseconds), or around one instant. */
export function windowAround(first, last, nowUs) {
  if (first === null || Number.isNaN(first)) return undefined;
  const around = last > first ? AROUND_SPAN : AROUND_INSTANT;
  const end = Math.max(first, last ?? first) + around;
  const after = Math.floor((first - around) / S) * S;
  return { after, before: Math.max(after + S, Math.min(Math.ceil(end / S) * S, nowUs)) };
}

const endText = (end) => (end.port ? `${end.host.includes(":") ? `[${end.host}]` : end.host} port ${end.port}` : end.host);

/**
 * What a record asks for: `{ kind, text, when, understood, missed }`. `times` is `{ first, last, isZoned }` in
 * microseconds, with null where the record names none. What could not be used is said in `missed`.
 */
export function found(kind, ends, protocol, times, context) {
  const known = ends.filter((end) => end && isAddress(end.host));
  if (!known.length) return null;
  const text = flowText(known, protocol);
  const name = String(protocol ?? "").trim();
  const isUsed = new RegExp(`\\b(tcp|udp|icmp6?)\\b`).test(text);
  const missed = [];
  if (times.first === null) missed.push("no time in it: the window stays as it is");
  else if (times.isZoned === false) missed.push(`its time names no zone: read as ${context.zone === "utc" ? "UTC" : "local time"}`);
  if (name && !isUsed && name !== "-") missed.push(`the protocol “${name.slice(0, 20)}” is left out`);
  return {
    kind,
    text,
    when: windowAround(times.first, times.last, context.nowUs),
    understood: [...known.map(endText), ...(isUsed ? [name.toUpperCase()] : [])],
    missed,
  };
}
