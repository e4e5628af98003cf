/** Progress bars. Their pattern tells how it stands, not only their colour. */

import { html } from "../dom.js";
import { answerOf } from "../words.js";
import { count, percent, size } from "../figures.js";

const partOf = (source, job) =>
  source.verdict === "complete" || source.verdict === "empty" ? 1 : job.state === "queued" ? 0 : source.progress;

/** One source's bar, with what it stands for as text for screen readers and pointers. */
export function SourceBar({ source, job, tall = false }) {
  const answer = answerOf(source, job);
  const part = partOf(source, job);
  const text = `${source.name}: ${answer.word}, ${percent(part)}, ${count(source.packets)} packets, ${size(source.bytes)}`;
  return html`
    <span class=${`bar tone-${answer.tone}${tall ? " is-tall" : ""}`} role="img" aria-label=${text} title=${text}>
      <span class="bar-fill" style=${{ "--part": part }}></span>
    </span>
  `;
}
