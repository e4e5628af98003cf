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

const TIME = "(\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d) UTC";
const BEGINS = new RegExp(TIME);
/** The reason behind a stretch names times of its own, those of files: "between … and …". */
const STRETCH = new RegExp(`from ${TIME} to ${TIME}`, "g");

/** The parts of the window, 0 to 1, that a source says are missing: before its oldest packet, or in its gaps. Pure. */
export function missingParts(source, job) {
  if (source.verdict !== "aged-out" && source.verdict !== "gap") return [];
  const [after, before] = [fromRfc(job.after), fromRfc(job.before)];
  const place = (text) => {
    const us = fromRfc(text.replace(" ", "T") + "Z");
    return Math.min(1, Math.max(0, (us - after) / (before - after)));
  };
  const sentence = source.sentence ?? "";
  if (source.verdict === "aged-out") {
    const begins = BEGINS.exec(sentence)?.[1];
    const to = begins ? place(begins) : 0;
    return to > 0 && to < 1 ? [{ from: 0, to }] : [];
  }
  const stretches = [...sentence.matchAll(STRETCH)].map(([, from, to]) => ({ from: place(from), to: place(to) }));
  return stretches.filter(({ from, to }) => to > from);
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
