/** Records in JSON, alone, in a list, inside other records, or behind the head of a syslog line. Pure. */

import { flatten, readValues, rowsOfTable } from "./keyed.js";
import { found as foundRecord } from "./flow.js";
import { fromEpoch } from "./times.js";

const MOST_RECORDS = 200;
const ZEEK_FIELDS = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration"];
const ZEEK_UID = /^[A-Z][0-9A-Za-z]{8,20}$/;
/** In these stand whole records, and what is around them is only a wrapping. */
const WRAPPINGS = ["_source", "hits", "result", "results", "records", "data", "event", "suricata", "eve", "zeek", "message", "_raw", "fields", "doc", "original", "log", "line"];

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return /^[[{]\s*\{?\s*'/.test(text) ? parsed(fromPython(text)) : null;
  }
}

/** A record as Python prints it. */
const fromPython = (text) => text.replace(/'/g, '"').replace(/\b(None|True|False)\b/g, (word) => ({ None: "null", True: "true", False: "false" })[word]);

/** The JSON in a text, which may have something in front of it. */
function jsonIn(text) {
  const whole = /^[[{]/.test(text) ? parsed(text) : null;
  if (whole !== null) return whole;
  for (const [open, close] of ["{}", "[]"]) {
    const [start, end] = [text.indexOf(open), text.lastIndexOf(close)];
    const inner = start > 0 && end > start ? parsed(text.slice(start, end + 1)) : null;
    if (inner !== null) return inner;
  }
  return null;
}

/** What a record is called by what it has. */
function kindOf(values) {
  const has = (name) => values.has(name);
  if (has("id.orig_h")) return has("conn_state") || has("duration") ? "Zeek conn record" : "Zeek record";
  if (has("src_ip") && has("event_type")) return `Suricata ${String(values.get("event_type")).slice(0, 20)} record`;
  if (has("firstPacket") || has("srcIp")) return "Arkime session";
  if (has("source.ip")) return "Elastic event";
  return "record";
}

/** All records in a value, the outermost that name an address. */
function recordsIn(value, raw, context) {
  if (Array.isArray(value)) return value.flatMap((one) => recordsIn(one, JSON.stringify(one), context)).slice(0, MOST_RECORDS);
  if (typeof value === "string") return /[{[]/.test(value) ? recordsIn(jsonIn(value), value, context) : [];
  if (value === null || typeof value !== "object") return [];
  const inner = WRAPPINGS.map((name) => value[name]).filter((one) => one !== undefined);
  for (const one of inner) {
    const records = recordsIn(one, JSON.stringify(one), context);
    if (records.length) return records.map((record) => (record.when ? record : withTime(record, value, context)));
  }
  const values = flatten(value);
  const record = readValues(kindOf(values), values, raw, context);
  return record ? [record] : [];
}

/** A record without a time of its own, with that of what it is wrapped in. */
function withTime(record, value, context) {
  const outer = flatten(Object.fromEntries(Object.entries(value).filter(([, one]) => typeof one !== "object")));
  const ends = new Map([["src", "0.0.0.0"], ...outer]);
  const timed = readValues("", ends, "", context);
  if (!timed?.when) return record;
  return { ...record, when: timed.when, missed: record.missed.filter((text) => !text.startsWith("no time")) };
}

/** Each line, or the whole text, as JSON. */
export function readJson(text, context) {
  if (!/[{[]/.test(text)) return [];
  const whole = jsonIn(text);
  if (whole !== null) return recordsIn(whole, text, context);
  return text
    .split(/\r?\n/)
    .slice(0, MOST_RECORDS)
    .flatMap((line) => recordsIn(jsonIn(line.trim()), line, context));
}

/** Rows of a table whose head names its columns, such as a log of Zeek or a CSV file. */
export function readTable(text, context) {
  const rows = rowsOfTable(text).slice(0, MOST_RECORDS);
  const isZeek = /^#fields/m.test(text);
  return rows.map(({ named, raw }) => readValues(isZeek ? kindOf(named) : "row of a table", named, raw, context)).filter(Boolean);
}

/** Lines of a Zeek log without its head: the columns are those of conn, of which all logs have the first six. */
export function readZeekLines(text, context) {
  const lines = text.split(/\r?\n/).filter((line) => line && !line.startsWith("#"));
  return lines.slice(0, MOST_RECORDS).flatMap((line) => {
    const cells = line.trim().split(line.includes("\t") ? "\t" : /\s+/);
    const named = new Map(ZEEK_FIELDS.map((name, at) => [name, cells[at]]));
    if (fromEpoch(named.get("ts"), context.nowUs) === null || !ZEEK_UID.test(named.get("uid") ?? "")) return [];
    if (!/^(tcp|udp|icmp)$/.test(named.get("proto") ?? "")) ["proto", "service", "duration"].forEach((one) => named.delete(one));
    const record = readValues(named.has("duration") ? "Zeek conn record" : "Zeek record", named, line, context);
    return record ? [record] : [];
  });
}

/** Logs that name nothing: a value is what it is by its place. */
const PLACES = [
  {
    kind: "AWS flow log record",
    fits: (cells) => cells.length >= 14 && /^\d$/.test(cells[0]) && /^eni-/.test(cells[2]),
    separator: /\s+/,
    read: (cell) => ({ ends: [[3, 5], [4, 6]], protocol: cell[7], first: cell[10], last: cell[11] }),
  },
  {
    kind: "Palo Alto log record",
    fits: (cells) => cells.length > 29 && /^(TRAFFIC|THREAT)$/.test(cells[3]),
    separator: ",",
    read: (cell) => ({ ends: [[7, 24], [8, 25]], protocol: cell[29], first: cell[6] || cell[1], last: null }),
  },
];

export function readPlaces(text, context, readTime) {
  return text.split(/\r?\n/).slice(0, MOST_RECORDS).flatMap((line) => {
    for (const { kind, fits, separator, read } of PLACES) {
      const cells = line.trim().split(separator);
      if (!fits(cells)) continue;
      const { ends, protocol, first, last } = read(cells);
      const [begin, end] = [first, last].map((value) => readTime(value, context));
      const times = { first: begin?.us ?? null, last: Math.max(begin?.us ?? 0, end?.us ?? 0), isZoned: begin?.isZoned };
      const both = ends.map(([host, port]) => ({ host: cells[host], port: cells[port] }));
      const record = foundRecord(kind, both, protocol, times, context);
      if (record) return [record];
    }
    return [];
  });
}
