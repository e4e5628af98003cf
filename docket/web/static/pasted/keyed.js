/** Records that name their values: JSON of any kind, `key=value`, `key: value`, tables with a header, XML. Pure. */

import { HOUR, S } from "../time.js";
import { found, isAddress, readEnd } from "./flow.js";
import { findTime, readAnyTime } from "./times.js";

/** Names of values without punctuation, the most telling first. */
const KEYS = {
  source: "idorigh srcip sourceip sourceaddress srcaddr sourceaddr ipsrc clientip saddr src srchost sa source localip localaddress cip",
  target: "idresph destip dstip destinationip destinationaddress dstaddr destaddr ipdst serverip daddr dst dest desthost da destination remoteip remoteaddress foreignaddress sip",
  sourcePort: "idorigp srcport sourceport spt sport clientport tcpsrcport udpsrcport sp spo localport",
  targetPort: "idrespp destport dstport destinationport dpt dport serverport tcpdstport udpdstport dp dpo remoteport p service",
  protocol: "proto networktransport transport protocol ipprotocol ipproto networkianaNumber transportprotocol",
  start: "flowstart eventstart firstpacket starttime start firstseen fp stime",
  at: "timestamp ts time utctime rt devtime eventtime datetime eventcreated timecreated systemtime receivedtime date",
  end: "flowend eventend lastpacket endtime end lastseen lp etime",
};
const WANTED = Object.fromEntries(Object.entries(KEYS).map(([what, names]) => [what, names.toLowerCase().split(" ")]));
/** Shorter names must be the whole key, longer ones may be its end, as in `winlog.event_data.SourceIp`. */
const SHORTEST_END = 5;
const MOST_KEYS = 5_000;

const plain = (key) => key.toLowerCase().replace(/[^a-z0-9]/g, "");

/** All values of a record, however deep, by their dotted names. */
export function flatten(record, way = "", into = new Map()) {
  for (const [name, value] of Object.entries(record)) {
    const key = way ? `${way}.${name}` : name;
    if (into.size > MOST_KEYS) break;
    if (Array.isArray(value) && (value.length === 0 || typeof value[0] !== "object")) into.set(key, value[0]);
    else if (value !== null && typeof value === "object") flatten(value, key, into);
    else into.set(key, value);
  }
  return into;
}

/** The first value of a kind that fits: by the order of the known names, exact ones before ends. */
function pick(values, what, fits) {
  for (const name of WANTED[what]) {
    for (const isEnd of [false, true]) {
      if (isEnd && name.length < SHORTEST_END) continue;
      for (const [key, value] of values) {
        if ((isEnd ? key.endsWith(name) : key === name) && fits(value)) return value;
      }
    }
  }
  return undefined;
}

/** Kibana writes 51544 as "51,544". */
const digitsOf = (value) => String(value ?? "").trim().replace(/^(\d{1,2}),(\d{3})$/, "$1$2");
const isPort = (value) => /^\d{1,5}$/.test(digitsOf(value)) && Number(digitsOf(value)) < 65_536;
const asEnd = (value) => (typeof value === "string" ? readEnd(value.trim(), true) : null);

/** What a record with these named values asks for, or null if it names no address. `raw` is its text. */
export function readValues(kind, named, raw, context) {
  const values = [...named].map(([key, value]) => [plain(key), value]);
  const ends = ["source", "target"].map((side) => {
    const end = asEnd(pick(values, side, (value) => asEnd(value) !== null));
    const port = pick(values, `${side}Port`, isPort);
    return end && { host: end.host, port: end.port ?? (port === undefined ? undefined : digitsOf(port)) };
  });
  if (!ends[0] && !ends[1]) return null;
  const protocol = pick(values, "protocol", (value) => /^[\w-]{1,12}$/.test(String(value ?? "").trim()));
  return found(kind, ends, protocol, timesOf(values, named, raw, context), context);
}

/** `{ first, last, isZoned }` of a record. */
function timesOf(values, named, raw, context) {
  const utc = values.some(([key]) => key.endsWith("utctime"));
  const inZone = utc ? { ...context, zone: "utc" } : context;
  const read = (value) => readAnyTime(value, inZone);
  const time = (what) => read(pick(values, what, (value) => read(value) !== null));
  const at = time("start") ?? dayAndTime(values, inZone) ?? time("at") ?? findTime(raw, inZone);
  if (!at) return { first: null, last: null };
  const end = time("end") ?? lastSeen(time("at"), at);
  const seconds = Number(named.get("duration")) > 0 ? Number(named.get("duration")) : 0;
  const nanoseconds = Number(named.get("event.duration")) > 0 ? Number(named.get("event.duration")) : 0;
  const length = Math.round(nanoseconds ? nanoseconds / 1000 : seconds * S);
  return { first: at.us, last: Math.max(at.us, end?.us ?? at.us + length), isZoned: at.isZoned || utc };
}

/** A record that names its beginning is often written at its end. */
const lastSeen = (written, begun) => (written && written.us > begun.us && written.us < begun.us + HOUR ? written : null);

/** FortiGate and others write the day and the time of day as two values, with the offset as a third. */
function dayAndTime(values, context) {
  const value = (name) => values.find(([key]) => key === name)?.[1];
  const [day, time] = [value("date"), value("time")];
  if (!/^\d{4}-\d\d-\d\d$/.test(day ?? "") || !/^\d\d:\d\d/.test(time ?? "")) return null;
  return findTime(`${day} ${time} ${value("tz") ?? ""}`.trim(), context);
}

const PAIR = /([A-Za-z_@][\w.@-]*)=("(?:[^"\\]|\\.)*"|'[^']*'|[^\t\n]*?)(?=,?\s+[A-Za-z_@][\w.@-]*=|,[A-Za-z_@][\w.@-]*=|\t|\s*$|\n|\||;)/g;
const XML = /<Data Name=["'](\w+)["']>([^<]*)<\/Data>/g;
const unquoted = (text) => text.trim().replace(/^(["'])(.*)\1$/, "$2");

const LEEF = /\bLEEF:2\.0(?:\|[^|]*){4}\|(?:0?x([0-9a-f]{2})|([^|\w\s]))\|/i;

/** LEEF 2.0 names the sign between its pairs. */
function withTabs(text) {
  const found = LEEF.exec(text);
  return found ? text.replaceAll(found[2] ?? String.fromCharCode(parseInt(found[1], 16)), "\t") : text;
}

/** `src=10.1.2.3 dpt=443`, as in CEF, LEEF, FortiGate, iptables and Splunk. */
export function pairsOf(text) {
  return new Map([...withTabs(text).matchAll(PAIR)].map((one) => [one[1], unquoted(one[2])]));
}

/** Lines of a key and a value, with a colon, a tab or a column of blanks between them; or the value on the next line. */
export function linesOf(text) {
  const named = new Map();
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  lines.forEach((line, at) => {
    const one = /^([A-Za-z_@][\w.@ -]{0,60}?)\s*(?::\s+|\t+|\s{2,}|\s(?=[\d[]))(.+)$/.exec(line);
    if (one) named.set(one[1], unquoted(one[2]));
    else if (/^[a-z_@][\w.@]*$/i.test(line) && lines[at + 1]) named.set(line, lines[at + 1]);
  });
  for (const one of text.matchAll(/\b(Src|Dst|Src Port|Dst Port|Source Port|Destination Port): ([0-9a-fA-F.:]+)/g)) {
    if (isAddress(one[2]) || isPort(one[2])) named.set(one[1], one[2]);
  }
  for (const one of text.matchAll(XML)) named.set(one[1], one[2]);
  return named;
}

/** The rows of a table whose first line names the columns. */
export function rowsOfTable(text) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() && (!line.startsWith("#") || line.startsWith("#fields")));
  const separator = ["\t", ",", ";", "|"].find((one) => (lines[0]?.split(one).length ?? 0) > 2);
  if (!separator || lines.length < 2) return [];
  const cells = (line) => line.split(separator).map(unquoted);
  const head = cells(lines[0].replace(/^#fields\s+/, ""));
  const known = head.map(plain).filter((name) => [...WANTED.source, ...WANTED.target].includes(name));
  if (!known.length) return [];
  return lines.slice(1).map((line) => ({ raw: line, named: new Map(cells(line).map((cell, at) => [head[at] ?? "", cell])) }));
}
