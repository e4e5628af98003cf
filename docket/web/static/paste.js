/**
 * Makes a question of whatever somebody has at hand: a Zeek, Suricata or Snort record, two addresses with an
 * arrow, a link of the original Docket, a query for stenographer. Pure.
 */

import { readAddressList, readArrow, readSnortAlert } from "./pasted/lines.js";
import { readLegacyPath, readStenographer } from "./pasted/queries.js";
import { readJson, readZeekLine } from "./pasted/records.js";

/** More than this is no record that somebody copied. */
const LONGEST = 100_000;

const READERS = [readJson, readZeekLine, readSnortAlert, readLegacyPath, readStenographer, readArrow, readAddressList];

/**
 * What a pasted text asks for, or null if it is nothing known:
 *
 *     { kind: "Zeek conn record", text: "host … and port …", when: { after, before } | { last } | undefined }
 *
 * `when` is in microseconds, or the duration back from now; it is left out where the text names no time.
 * `context` is `{ nowUs, zone }`: zone ("utc" or "local") is that of times without one. Of several records,
 * the first counts.
 */
export function readPasted(text, context) {
  const trimmed = text.slice(0, LONGEST).trim();
  if (!trimmed) return null;
  const lines = trimmed.split(/\r?\n/).filter((line) => line.trim());
  for (const candidate of [trimmed, ...(lines.length > 1 ? lines : [])]) {
    for (const reader of READERS) {
      const found = reader(candidate.trim(), context);
      if (found) return found;
    }
  }
  return null;
}
