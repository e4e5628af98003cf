/** Makes questions of a pasted text: records of any kind, lines with addresses, links, filters, queries. Pure. */

import { addressesIn, namesIn, readAddressList, readLine, readLinks, restOf } from "./pasted/lines.js";
import { refanged } from "./pasted/flow.js";
import { looksLikeFilter, readFilter } from "./pasted/filters.js";
import { linesOf, pairsOf, readValues } from "./pasted/keyed.js";
import { readLegacyPath, readStenographer } from "./pasted/queries.js";
import { readJson, readPlaces, readTable, readZeekLines } from "./pasted/records.js";
import { readAnyTime } from "./pasted/times.js";

/** More than this is no record that was copied. */
const LONGEST = 200_000;
const MOST_RECORDS = 200;

const COMMUNITY_ID = /\b1:[A-Za-z0-9+/]{27}=/;

const OPERATOR = /==|!=|&&|\|\||\b(?:contains|matches)\b/;
const RANGE = /(?:\d{1,3}\.){3}\d{1,3}\s*-\s*(?:\d{1,3}\.){1,3}\d{1,3}/;

const KEYED_KINDS = [
  [/\bCEF:\d/, "CEF message"],
  [/\bLEEF:\d/, "LEEF message"],
  [/\bdevname=|\blogid=/, "FortiGate record"],
  [/\bIN=\S* .*\bSRC=/, "iptables line"],
  [/\bSourceIp\b/, "Sysmon event"],
  [/Internet Protocol Version/, "packet of Wireshark"],
];

/** A text that names its values, as one record. */
function readKeyed(text, context) {
  const named = new Map([...linesOf(text), ...pairsOf(text)]);
  if (named.size < 2) return null;
  const kind = KEYED_KINDS.find(([form]) => form.test(text))?.[1] ?? "record";
  const record = readValues(kind, named, text, context);
  return record && isTelling(record, text) ? record : null;
}

/** A record by names is believed where it has two ends, or where the text has no more than the one. */
const isTelling = (record, text) => record.understood.length > 1 || text.split("\n").length > 1 || /=/.test(text);

const list = (record) => (record ? [record] : []);

/** Those that take the text as a whole. */
const WHOLE = [
  readJson,
  readTable,
  readZeekLines,
  (text, context) => readPlaces(text, context, readAnyTime),
  (text, context) => list(readLegacyPath(text, context)),
  (text) => list(readFilter(text)),
  readEndsOfFilter,
  (text, context) => list(readStenographer(text, context)),
  (text) => list(readAddressList(text)),
];

/** One line, or a text of several that is one record. */
const LINE = [
  readJson,
  (text, context) => list(readLegacyPath(text, context)),
  (text, context) => list(readStenographer(text, context)),
  (text, context) => list(readKeyed(text, context)),
  readLinks,
  (text) => list(readAddressList(text)),
  (text, context) => list(readLine(text, context)),
];

const firstOf = (readers, text, context) => {
  for (const reader of readers) {
    const records = reader(text, context);
    if (records.length) return records;
  }
  return [];
};

/**
 * All that a pasted text asks for: `{ records, note }`. A record is
 *
 *     { kind: "Zeek conn record", text: "host … and port …", when: { after, before } | { last } | undefined,
 *       understood: ["10.1.2.3 port 443", …], missed: ["no time in it …", …] }
 *
 * `when` is in microseconds, or the duration back from now; it is left out where the text names no time. `note` says
 * why a text asks for nothing. `context` is `{ nowUs, zone }`: zone ("utc" or "local") is that of times without one.
 */
export function readAll(text, context) {
  const trimmed = refanged(text.slice(0, LONGEST)).trim();
  if (!trimmed) return { records: [], note: "" };
  const records = unique(readText(trimmed, context)).slice(0, MOST_RECORDS);
  return { records, note: records.length ? "" : noteOf(trimmed) };
}

/** A filter that a query cannot say as a whole asks for all addresses in it: too much rather than too little. */
function readEndsOfFilter(text) {
  if (!looksLikeFilter(text) || !OPERATOR.test(text)) return [];
  const ends = addressesIn(text).map(({ host, net }) => (net ? `net ${net}` : `host ${host}`));
  const unsaid = "its conditions cannot be asked of a source as they stand: any of its addresses; filter the result by it";
  return ends.length ? [{ kind: "filter", text: [...new Set(ends)].join(" or "), understood: ends, missed: [unsaid, "no time in it: the window stays as it is"] }] : [];
}

function readText(text, context) {
  const whole = firstOf(WHOLE, text, context);
  if (whole.length) return whole;
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  if (lines.length > 1) {
    const one = readKeyed(text, context);
    if (one && one.understood.length > 1 && lines.filter((line) => readKeyed(line, context)?.understood.length > 1).length < 2) return [one];
  }
  const each = lines.flatMap((line) => firstOf(LINE, line.trim(), context));
  if (each.length < 2) return withTimeOf(each.map((one) => withRest(one, text)), text, context);
  return withTimeOf(each.every((one) => one.kind === "address") ? together(each) : each, text, context);
}

/** An address that stands in a longer text says which words beside it are not used. */
function withRest(record, text) {
  const rest = record.kind === "address" ? restOf(text) : "";
  return rest ? { ...record, missed: [...record.missed, `“${rest}”`] } : record;
}

/** Where only other lines name a time, as in an alert of several lines, all records have that. */
function withTimeOf(records, text, context) {
  if (!records.length || records.some((one) => one.when)) return records;
  const timed = readLine(`0.0.0.0 ${text.replace(/\n/g, " ")}`, context);
  if (!timed?.when) return records;
  const named = timed.missed.filter((words) => words.startsWith("its time"));
  return records.map((one) => ({ ...one, when: timed.when, missed: [...one.missed.filter((words) => !words.startsWith("no time")), ...named] }));
}

/** Addresses that stand in a text here and there: any of them. */
function together(records) {
  const terms = [...new Set(records.map((one) => one.text))];
  const when = records.find((one) => one.when)?.when;
  const kind = terms.length > 1 ? `list of ${terms.length} addresses` : "address";
  const text = terms.map((term) => (term.includes(" and ") && terms.length > 1 ? `(${term})` : term)).join(" or ");
  return [{ kind, text, when, understood: records.flatMap((one) => one.understood), missed: records[0].missed }];
}

const unique = (records) => {
  const seen = new Set();
  return records.filter((one) => {
    const key = JSON.stringify([one.text, one.when]);
    return !seen.has(key) && seen.add(key);
  });
};

function noteOf(text) {
  if (COMMUNITY_ID.test(text))
    return "A community id is a hash of a flow: its addresses cannot be computed from it. Paste the record that it stands in.";
  if (RANGE.test(text)) return "A range of addresses is not read: write it as nets, such as 10.1.2.0/28.";
  const names = namesIn(text);
  if (names.length) return `Packets carry addresses, not names: look up the address of ${names[0].slice(0, 80)} and paste that.`;
  return "No address, net or query was found in this text.";
}

/** The first record of a text, or null. */
export const readPasted = (text, context) => readAll(text, context).records[0] ?? null;

/** Several records as one question: any of them, over a window that has all of theirs. */
export function anyOf(records) {
  if (records.length === 1) return records[0];
  const texts = [...new Set(records.map((one) => one.text))];
  const windows = records.map((one) => one.when).filter((when) => when?.after !== undefined);
  const when = windows.length
    ? { after: Math.min(...windows.map((one) => one.after)), before: Math.max(...windows.map((one) => one.before)) }
    : records.find((one) => one.when)?.when;
  const text = texts.length === 1 ? texts[0] : texts.map((one) => (/ (and|or) /.test(one) ? `(${one})` : one)).join(" or ");
  return { kind: `${records.length} records`, text, when, understood: texts, missed: [] };
}
