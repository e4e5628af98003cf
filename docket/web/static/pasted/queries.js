/** Questions in older languages: paths of the original Docket, and queries as stenographer takes them. Pure. */

import { MIN, fromRfc, readDuration, readTime } from "../time.js";
import { words } from "../ask/query.js";

/** A link of the original Docket often names a beginning only, that of an alert. */
const AFTER_A_LINK = 10 * MIN;

const STARTS = /^\(*\s*(?:host|net|port|ip\s+proto|tcp|udp|icmp6?|vlan|mpls|before|after)\b/i;
/** A word of a query: its own words, and values. Anything else is a line of another kind that begins alike. */
const WORD =
  /^(?:[()!&|]+|and|or|not|host|net|mask|port|portrange|ip6?|arp|sctp|proto|tcp|udp|icmp6?|vlan|mpls|ether|src|dst|inner|any|flow|less|greater|before|after|ago|[0-9a-f]*[:.][0-9a-f:./-]*|\d+(?:[-/][\d.]+)?|\d+(?:\.\d+)?[a-z]{1,2}|\d{4}-\d\d-\d\dT\S+|-)+$/i;
const COMMAND = /^(?:sudo\s+)?(?:stenoread|stenocurl\s+\/query\s+-d)\s+(["'])(.*?)\1/;

/** From `{ after, before }` texts to a `when`; undefined if they say nothing. */
function whenOf({ after, before }, { nowUs }) {
  if (after === undefined && before === undefined) return undefined;
  if (before === undefined && readDuration(after) !== null) return { last: after.replaceAll(" ", "") };
  const read = (text) => (text === undefined ? null : readTime(text, "utc", nowUs));
  const [first, last] = [read(after), read(before)];
  if (first === null && last === null) return undefined;
  if (first === null) return { after: last - AFTER_A_LINK, before: last };
  return { after: first, before: last ?? Math.max(first + MIN, Math.min(first + AFTER_A_LINK, nowUs)) };
}

const TERMS = {
  host: (next) => `host ${next()}`,
  port: (next) => `port ${next()}`,
  net: (next) => `net ${next()}/${next()}`,
  proto: (next) => `ip proto ${next()}`,
  "proto-name": (next) => next().toLowerCase(),
  tcp: () => "tcp",
  udp: () => "udp",
  icmp: () => "icmp",
};

/** ".../api/uri/host/1.2.3.4/port/80/udp/after/3m/", with or without what stands before `uri`. */
export function readLegacyPath(text, context) {
  const found = /(?:^|\/)uri\/([^\s?#]+)$/.exec(text) ?? /^\/?((?:host|net|port)\/[^\s?#]+)$/.exec(text);
  if (!found) return null;
  const parts = found[1].split("/").filter(Boolean).map(decoded);
  const terms = [];
  const times = {};
  const next = () => parts.shift() ?? "";
  while (parts.length) {
    const name = next().toLowerCase();
    if (TERMS[name]) terms.push(TERMS[name](next));
    else if (/^(after|before)(-ago)?$/.test(name)) times[name.replace("-ago", "")] = next();
    else if (name === "sensor" || name.startsWith("steno-limit")) next();
    else return null;
  }
  return asked("link of the original Docket", terms.join(" and "), whenOf(times, context));
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** A query for stenographer, alone or as a command; its times become the window. */
export function readStenographer(text, context) {
  const query = COMMAND.exec(text)?.[2] ?? text;
  if (!STARTS.test(query) || query.includes("\n") || !words(query).every((word) => WORD.test(word.text))) return null;
  const { text: rest, times } = withoutTimes(query);
  return asked("query", rest, whenOf(times, context));
}

/** How many parentheses each word stands in. */
function depthsOf(all) {
  let depth = 0;
  return all.map((word) => {
    if (word === "(") depth += 1;
    if (word === ")") depth -= 1;
    return depth;
  });
}

/** Takes `after T` and `before T` out, where they are joined by "and" outside of parentheses. */
function withoutTimes(query) {
  const kept = [];
  const times = {};
  const all = words(query).map((word) => word.text);
  const depths = depthsOf(all);
  const hasOr = all.some((word, at) => depths[at] === 0 && /^(or|\|\|)$/i.test(word));
  for (let at = 0; at < all.length; at += 1) {
    const name = all[at].toLowerCase();
    if (hasOr || depths[at] !== 0 || (name !== "after" && name !== "before")) {
      kept.push(all[at]);
      continue;
    }
    const isAgo = all[at + 2]?.toLowerCase() === "ago";
    times[name] = isAgo || fromRfc(all[at + 1]) !== null ? all[at + 1] : "";
    at += isAgo ? 2 : 1;
    if (/^(and|&&)$/i.test(kept[kept.length - 1] ?? "")) kept.pop();
    else if (/^(and|&&)$/i.test(all[at + 1] ?? "")) at += 1;
  }
  const untouched = times.after === undefined && times.before === undefined;
  return { text: untouched ? query : kept.join(" ").replaceAll("( ", "(").replaceAll(" )", ")"), times };
}

const asked = (kind, text, when) => ({ kind, text, when, understood: [text], missed: when ? [] : ["no time in it: the window stays as it is"] });
