/** The question that is being written. It outlives a change of page, and a reload of the tab. */

import { useEffect, useState } from "../dom.js";
import { fromRfc, readDuration, toRfc } from "../time.js";
import { readCount, readSize, size } from "../figures.js";

const KEY = "docket.draft";
const listeners = new Set();

/** `when` is `{ last: "15m" }`, or `{ after, before }` in microseconds; `sources` null means all of them. */
export const EMPTY = {
  text: "",
  when: { last: "15m" },
  sources: null,
  bytes: "",
  packets: "",
  deadline: "",
  wait: true,
  fresh: false,
  note: "",
};

let draft = { ...EMPTY, ...read() };

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/** Change some parts of the draft. */
export function changeDraft(changes) {
  draft = { ...draft, ...changes };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // Without storage the draft lives as long as the page.
  }
  for (const listener of [...listeners]) listener();
}

export const currentDraft = () => draft;

export function useDraft() {
  const [shown, setShown] = useState(draft);
  useEffect(() => {
    const listener = () => setShown(draft);
    listeners.add(listener);
    listener();
    return () => listeners.delete(listener);
  }, []);
  return shown;
}

/** The window in microseconds, given the server's now. */
export function windowOf(when, nowUs) {
  return when.last ? { after: nowUs - readDuration(when.last), before: nowUs } : when;
}

/** Query, window and sources as the API takes them; relative times stay relative, so clocks cannot disagree. */
export function toQuestion(from) {
  const { when } = from;
  const question = { query: from.text };
  question.after = when.last ?? toRfc(when.after);
  if (!when.last) question.before = toRfc(when.before);
  if (from.sources) question.sources = from.sources;
  return question;
}

/** The whole request, or the faults that keep it from being one. */
export function toRequest(from) {
  const errors = [];
  const request = { ...toQuestion(from), wait_for_flush: from.wait };
  const read = (name, field, reader, message) => {
    if (!from[name].trim()) return null;
    const value = reader(from[name]);
    if (!value) errors.push({ code: "bad-number", field, message });
    return value;
  };
  const bytes = read("bytes", "limits.bytes", readSize, "The byte limit is a size such as 500 MB or 2 GB.");
  const packets = read("packets", "limits.packets", readCount, "The packet limit is a whole number above zero.");
  const deadline = read("deadline", "deadline_s", readDuration, "The deadline is a duration such as 20m or 1h.");
  if (from.sources && !from.sources.length) {
    errors.push({ code: "bad-sources", field: "sources", message: "Tick at least one source." });
  }
  if (bytes || packets) request.limits = { bytes, packets };
  if (deadline) request.deadline_s = Math.max(1, Math.round(deadline / 1e6));
  if (from.note.trim()) request.note = from.note.trim();
  if (from.fresh) request.fresh = true;
  return { request, errors };
}

/** A size as it can be typed, and read again without losing a byte. */
const exactSize = (bytes) => (readSize(size(bytes)) === bytes ? size(bytes) : String(bytes));

/** A draft that asks what a job asked, to be changed and asked again. */
export function draftOf(job, allNames) {
  const names = job.sources.map((source) => source.name);
  const isAll = allNames.length > 0 && allNames.every((name) => names.includes(name));
  return {
    ...EMPTY,
    text: job.query,
    when: { after: fromRfc(job.after), before: fromRfc(job.before) },
    sources: isAll ? null : names,
    bytes: job.limits?.bytes ? exactSize(job.limits.bytes) : "",
    packets: job.limits?.packets ? String(job.limits.packets) : "",
    wait: job.wait_for_flush ?? true,
    note: job.note,
    fresh: true,
  };
}
