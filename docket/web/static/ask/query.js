/**
 * The question as fields and as text, both ways. Pure.
 *
 * Fields can say: all (or any) of some hosts, nets, ports, VLANs and MPLS labels, none of some others, each on either
 * side or one, and one protocol. A text that says more, with other nesting, has no fields; it is edited as text only.
 */

export const KINDS = ["host", "net", "port", "vlan", "mpls"];
const PROTOCOLS = new Set(["tcp", "udp", "icmp", "icmp6"]);
const SIDED = new Set(["host", "net", "port"]);
const SIDES = new Set(["src", "dst"]);
const NOT = new Set(["not", "!"]);
const AND = new Set(["and", "&&"]);
const OR = new Set(["or", "||"]);

export function emptyFields() {
  const fields = { proto: "" };
  for (const kind of KINDS) fields[kind] = { values: [], any: false };
  return fields;
}

/** The words of a query text, each `{ text, at }`. */
export function words(text) {
  return [...text.matchAll(/\(|\)|&&|\|\||!|[^\s()&|!]+|[&|]/g)].map((found) => ({ text: found[0], at: found.index }));
}

/** Where the word at a place ends, for marking it. */
export function endOfWord(text, at) {
  const word = words(text).find((candidate) => candidate.at <= at && at < candidate.at + candidate.text.length);
  return word ? word.at + word.text.length : Math.min(text.length, at + 1);
}

/** The fields that say exactly what the text says, or null where fields cannot. */
export function readFields(text) {
  const reader = { words: words(text), at: 0 };
  const fields = emptyFields();
  if (!reader.words.length) return fields;
  const only = readAlternatives(reader);
  if (only && reader.at === reader.words.length) return putGroup(fields, only) ? fields : null;
  reader.at = 0;
  do {
    const group = readGroup(reader);
    if (!group || !putGroup(fields, group)) return null;
  } while (takeWord(reader, AND));
  return reader.at === reader.words.length ? fields : null;
}

function takeWord(reader, wanted) {
  const word = reader.words[reader.at]?.text.toLowerCase();
  if (word === undefined || !wanted.has(word)) return false;
  reader.at += 1;
  return true;
}

const OPEN = new Set(["("]);
const CLOSE = new Set([")"]);

function readGroup(reader) {
  if (takeWord(reader, NOT)) {
    const term = readTerm(reader);
    return term && term.kind !== "proto" ? [{ ...term, not: true }] : null;
  }
  if (!takeWord(reader, OPEN)) {
    const term = readTerm(reader);
    return term && [term];
  }
  const group = readAlternatives(reader);
  return group && takeWord(reader, CLOSE) ? group : null;
}

/** One term, or several of one kind with "or" between them. */
function readAlternatives(reader) {
  const group = [];
  do {
    const term = readTerm(reader);
    if (!term || (group.length && term.kind !== group[0].kind)) return null;
    group.push(term);
  } while (takeWord(reader, OR));
  return group;
}

function readTerm(reader) {
  const next = () => reader.words[reader.at++];
  let word = next()?.text.toLowerCase();
  if (word === undefined) return null;
  const side = SIDES.has(word) ? word : "";
  if (side) word = next()?.text.toLowerCase();
  if (word === "portrange") word = "port";
  if (side && !SIDED.has(word)) return null;
  if (PROTOCOLS.has(word)) return { kind: "proto", value: word };
  if (word === "ip" || word === "proto") {
    const number = word === "proto" || next()?.text.toLowerCase() === "proto" ? next()?.text : undefined;
    return number === undefined ? null : { kind: "proto", value: number.toLowerCase() };
  }
  if (!KINDS.includes(word)) return null;
  const value = next();
  if (value === undefined || /^[()&|]/.test(value.text) || AND.has(value.text) || OR.has(value.text)) return null;
  if (word === "net" && reader.words[reader.at]?.text.toLowerCase() === "mask") {
    next();
    const mask = next();
    return mask === undefined ? null : { kind: word, side, value: `${value.text} mask ${mask.text}`, at: value.at };
  }
  return { kind: word, side, value: value.text, at: value.at };
}

function putGroup(fields, group) {
  const { kind } = group[0];
  if (kind === "proto") {
    if (group.length > 1 || fields.proto) return false;
    fields.proto = group[0].value;
    return true;
  }
  const field = fields[kind];
  if (group[0].not) {
    field.values.push(valueOf(group[0]));
    return true;
  }
  const wanted = field.values.filter((value) => !value.not);
  if (field.any || (group.length > 1 && wanted.length)) return false;
  field.any = group.length > 1;
  field.values.push(...group.map(valueOf));
  return true;
}

const valueOf = ({ value, at, side, not }) => ({
  text: value,
  at,
  ...(side && { side }),
  ...(not && { not }),
});

/** One value as a term. */
function termOf(kind, { text, side }) {
  const word = kind === "port" && /^\d+-\d+$/.test(text) ? "portrange" : kind;
  return `${side ? side + " " : ""}${word} ${text}`;
}

/** The text that says what the fields say, in Docket's order of words. */
export function writeFields(fields) {
  const parts = KINDS.map((kind) => {
    const { values, any } = fields[kind];
    const terms = values.filter((value) => !value.not).map((value) => termOf(kind, value));
    const others = values.filter((value) => value.not).map((value) => `not ${termOf(kind, value)}`);
    return [any && terms.length > 1 ? `(${terms.join(" or ")})` : terms.join(" and "), ...others];
  })
    .flat()
    .filter(Boolean);
  if (fields.proto) parts.push(PROTOCOLS.has(fields.proto) ? fields.proto : `ip proto ${fields.proto}`);
  const only = parts.length === 1 && parts[0].startsWith("(");
  return only ? parts[0].slice(1, -1) : parts.join(" and ");
}
