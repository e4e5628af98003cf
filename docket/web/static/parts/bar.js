/** Progress bars. Their pattern shows how it stands, not only their colour. */

import { html } from "../dom.js";
import { fromRfc } from "../time.js";
import { answerOf } from "../words.js";
import { counted, percent, size } from "../figures.js";

const NOTHING_CAME = new Set(["refused", "unreachable"]);

/** How much of its bar is filled. */
function partOf(source, job) {
  if (source.verdict === "complete" || source.verdict === "empty") return 1;
  const nothing = NOTHING_CAME.has(source.verdict) && source.packets === 0;
  return nothing || job.state === "queued" ? 0 : source.progress;
}

const TIME = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? UTC/g;

/** The parts of the window, 0 to 1, that a source says are missing: before its oldest packet, or in its gaps. Pure. */
export function missingParts(source, job) {
  if (source.verdict !== "aged-out" && source.verdict !== "gap") return [];
  const [after, before] = [fromRfc(job.after), fromRfc(job.before)];
  const place = (us) => Math.min(1, Math.max(0, (us - after) / (before - after)));
  const times = [...(source.sentence ?? "").matchAll(TIME)].map((found) => place(fromRfc(`${found[1]}T${found[2]}Z`)));
  if (source.verdict === "aged-out") return times.length && times[0] < 1 ? [{ from: 0, to: times[0] }] : [];
  return times.flatMap((from, at) => (at % 2 === 0 && times[at + 1] > from ? [{ from, to: times[at + 1] }] : []));
}

/** One source's bar, with what it stands for as text for screen readers and pointers. */
export function SourceBar({ source, job, tall = false }) {
  const answer = answerOf(source, job);
  const missing = missingParts(source, job);
  const part = missing.length ? 1 : partOf(source, job);
  const text = `${source.name}: ${answer.word}, ${percent(part)}, ${counted(source.packets, "packet")}, ${size(source.bytes)}`;
  const look = `bar tone-${answer.tone}${tall ? " is-tall" : ""}${missing.length ? " has-missing" : ""}`;
  return html`
    <span class=${look} role="img" aria-label=${text} title=${text}>
      <span class="bar-fill" style=${{ "--part": part }}></span>
      ${missing.map(
        ({ from, to }) => html`<span class="bar-missing" key=${from} style=${{ "--from": from, "--to": to }}></span>`,
      )}
    </span>
  `;
}
