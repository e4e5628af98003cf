/** The question of a job, in all its parts. */

import { html } from "../dom.js";
import { useZone } from "../settings.js";
import { formatTime, fromRfc, zoneName } from "../time.js";
import { counted, size } from "../figures.js";
import { Annotation, Written } from "./annotation.js";

export function Question({ job }) {
  const zone = useZone();
  const time = (text) =>
    html`<span class="figure">${formatTime(fromRfc(text), zone)}</span> ${zoneName(fromRfc(text), zone)}`;
  const limits = [
    job.limits?.bytes && size(job.limits.bytes),
    job.limits?.packets && counted(job.limits.packets, "packet"),
  ].filter(Boolean);
  return html`
    <section class="panel" aria-labelledby="question-title">
      <header class="panel-head"><h2 id="question-title">Question</h2></header>
      <p class="explanation">${job.explanation}</p>
      <dl class="facts">
        <dt>Query</dt><dd><code>${job.query || "(every packet)"}</code></dd>
        ${job.asked && job.asked !== job.query && html`<dt>As asked</dt><dd><code>${job.asked}</code></dd>`}
        <dt>From</dt><dd>${time(job.after)}</dd>
        <dt>To</dt><dd>${time(job.before)} <span class="faint">(not included)</span></dd>
        <dt>Owner</dt><dd>${job.owner || html`<span class="faint">not known</span>`}</dd>
        <${Written} job=${job} />
        <dt>Limits</dt><dd>${limits.join(", ") || html`<span class="faint">server default</span>`}</dd>
        <dt>Late packets</dt><dd>${job.wait_for_flush ? "waited for until they are on disk" : "not waited for"}</dd>
        <dt>Deadline</dt><dd>${time(job.deadline)}</dd>
      </dl>
      <${Annotation} job=${job} />
    </section>
  `;
}
