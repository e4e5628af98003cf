/** A question in an address: `?query=…&after=…&before=…&sources=…&note=…` fills the form, and is written for others. */

import { address } from "../base.js";
import { readDuration, readTime } from "../time.js";
import { EMPTY, changeDraft, toQuestion } from "./draft.js";

const NAMES = ["query", "after", "before", "sources", "note", "bytes", "packets", "deadline"];

/** The draft that an address asks for, or null if it names no question. Pure. */
export function draftOfSearch(search, nowUs) {
  if (!NAMES.some((name) => search.has(name))) return null;
  const draft = { ...EMPTY, text: search.get("query") ?? "" };
  const [after, before] = [search.get("after") ?? "", search.get("before") ?? ""].map((text) => text.trim());
  const last = after.replace(/\s*ago$/i, "").replaceAll(" ", "");
  if (after && !before && readDuration(last)) draft.when = { last };
  else if (after || before) {
    const [from, to] = [readTime(after, "utc", nowUs), before ? readTime(before, "utc", nowUs) : nowUs];
    if (from !== null && to !== null && from < to) draft.when = { after: from, before: to };
  }
  const sources = (search.get("sources") ?? "").split(",").filter(Boolean);
  if (sources.length) draft.sources = sources;
  for (const name of ["note", "bytes", "packets", "deadline"]) draft[name] = search.get(name) ?? "";
  return draft;
}

/** The address that fills the form with a draft. */
export function linkOf(draft) {
  const { query, after, before, sources } = toQuestion(draft);
  const search = new URLSearchParams({ query, after });
  if (before) search.set("before", before);
  if (sources) search.set("sources", sources.join(","));
  for (const name of ["note", "bytes", "packets", "deadline"]) if (draft[name].trim()) search.set(name, draft[name].trim());
  return `${address("")}?${search}`;
}

/** Fills the form from the address, and takes the question out of it: what is changed then stands in the form alone. */
export function takeLink(nowUs) {
  const search = new URLSearchParams(location.search);
  const draft = draftOfSearch(search, nowUs);
  if (!draft) return false;
  changeDraft(draft);
  for (const name of NAMES) search.delete(name);
  const text = search.toString();
  history.replaceState(history.state, "", location.pathname + (text && "?" + text));
  return true;
}
