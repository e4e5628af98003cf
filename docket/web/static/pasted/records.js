/** Structured records: Zeek (TSV and JSON), Suricata EVE, and events in the Elastic Common Schema. Pure. */

import { S, fromRfc } from "../time.js";
import { flowText, isAddress, windowAround } from "./flow.js";

const ZEEK_FIELDS = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration"];
const ZEEK_UID = /^[A-Z][0-9A-Za-z]{8,20}$/;

/** A value by its dotted name, whether it is nested or written flat. */
function pick(record, name) {
  if (record === null || typeof record !== "object") return undefined;
  if (Object.hasOwn(record, name)) return record[name];
  for (let cut = name.indexOf("."); cut > 0; cut = name.indexOf(".", cut + 1)) {
    const head = name.slice(0, cut);
    if (Object.hasOwn(record, head)) return pick(record[head], name.slice(cut + 1));
  }
  return undefined;
}

/** Microseconds of seconds since 1970 (number or text) or of an RFC 3339 text; null if it is neither. */
function instant(value) {
  if (typeof value === "string" && !/^\d+(\.\d+)?$/.test(value)) return fromRfc(value);
  const [whole, fraction = ""] = String(value ?? "").split(".");
  return /^\d{9,10}$/.test(whole) ? Number(whole) * S + Number(fraction.padEnd(6, "0").slice(0, 6)) : null;
}

const seconds = (value) => (Number(value) > 0 ? Math.round(Number(value) * S) : 0);

function found(kind, record, { hosts, ports, proto, first, last }, context) {
  const ends = hosts.map((name, index) => ({ host: pick(record, name), port: pick(record, ports[index]) }));
  if (!ends.every((end) => isAddress(end.host))) return null;
  return { kind, text: flowText(ends, pick(record, proto)), when: windowAround(first, last, context.nowUs) };
}

function zeek(record, context) {
  const first = instant(record.ts);
  const names = { hosts: ["id.orig_h", "id.resp_h"], ports: ["id.orig_p", "id.resp_p"], proto: "proto" };
  const log = "conn_state" in record || "duration" in record ? "conn " : "";
  const last = first === null ? null : first + seconds(record.duration);
  return found(`Zeek ${log}record`, record, { ...names, first, last }, context);
}

function suricata(record, context) {
  const at = instant(record.timestamp);
  const first = instant(pick(record, "flow.start")) ?? at;
  const last = instant(pick(record, "flow.end")) ?? at;
  const names = { hosts: ["src_ip", "dest_ip"], ports: ["src_port", "dest_port"], proto: "proto" };
  return found(`Suricata ${record.event_type ?? "EVE"} record`, record, { ...names, first, last }, context);
}

function elastic(record, context) {
  const at = instant(pick(record, "event.start")) ?? instant(record["@timestamp"]);
  const duration = Number(pick(record, "event.duration")) / 1000;
  const last = instant(pick(record, "event.end")) ?? (at !== null && duration > 0 ? at + Math.round(duration) : at);
  const names = {
    hosts: ["source.ip", "destination.ip"],
    ports: ["source.port", "destination.port"],
    proto: "network.transport",
  };
  return found("Elastic event", record, { ...names, first: at, last }, context);
}

/** A JSON record of any of the three; an Elasticsearch hit is looked into. */
export function readJson(text, context) {
  if (!text.startsWith("{")) return null;
  let record;
  try {
    record = JSON.parse(text);
  } catch {
    return null;
  }
  const inner = record._source ?? record;
  if (pick(inner, "id.orig_h") !== undefined) return zeek(inner, context);
  if (inner.src_ip !== undefined) return suricata(inner, context);
  if (pick(inner, "source.ip") !== undefined) return elastic(inner, context);
  return null;
}

/** A line of a Zeek log; a `#fields` line above it says what the columns are, else they are those of conn. */
export function readZeekLine(text, context) {
  const lines = text.split(/\r?\n/);
  const header = lines.find((line) => line.startsWith("#fields"));
  const names = header ? header.split(/\s+/).slice(1) : ZEEK_FIELDS;
  const line = lines.find((candidate) => candidate && !candidate.startsWith("#")) ?? "";
  const values = line.split(line.includes("\t") ? "\t" : /\s+/);
  const record = Object.fromEntries(names.map((name, index) => [name, values[index]]));
  if (instant(record.ts) === null || !ZEEK_UID.test(record.uid ?? "")) return null;
  if (!/^(tcp|udp|icmp)$/.test(record.proto ?? "")) {
    delete record.proto;
    delete record.duration;
  }
  return zeek(record, context);
}
