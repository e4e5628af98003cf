/** What was written into the form for refining, as the server takes it. Pure. */

import { readCount } from "../figures.js";
import { toRfc } from "../time.js";

/** `{ order, faults }`; `readTime` gives microseconds or null. */
export function readOrder(values, readTime) {
  const faults = [];
  const wrong = (field, message) => faults.push({ code: "bad-field", field, message });
  const order = { filter: values.filter.trim(), bpf: values.bpf.trim(), note: values.note.trim() };
  for (const field of ["after", "before"]) {
    const us = readTime(values[field]);
    if (us === null) wrong(field, "this is no time that can be read");
    else order[field] = toRfc(us);
  }
  if (values.source) order.sources = [values.source];
  const sender = values.sender.trim();
  if (sender) {
    order.sender = readEnd(sender);
    if (!order.sender) wrong("sender", "write an address such as 10.1.2.3, 10.1.2.3:443 or [2001:db8::1]:443");
  }
  for (const [on, field] of [
    ["duplicates", "drop_duplicates_ms"],
    ["taps", "drop_tap_duplicates_ms"],
    ["shorten", "snaplen"],
  ]) {
    if (!values[on]) continue;
    order[field] = readCount(values[field]);
    if (!order[field]) wrong(field, "this is no whole number above 0");
  }
  return { order, faults };
}

const FORMS = [/^\[([0-9a-f:.]+)\](?::(\d{1,5}))?$/i, /^([0-9.]+)(?::(\d{1,5}))?$/, /^([0-9a-f:.]*:[0-9a-f:.]*)$/i];

/** An address, or an address and a port; null if it is neither. */
export function readEnd(text) {
  const found = FORMS.map((form) => form.exec(text)).find(Boolean);
  if (!found) return null;
  return found[2] === undefined ? { address: found[1] } : { address: found[1], port: Number(found[2]) };
}
