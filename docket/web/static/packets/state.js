/** How far the inspector is with a result, and what it could not do; nothing once everything is there. */

import { html } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { percent } from "../figures.js";

export function SummaryState({ summary, error, onAgain }) {
  if (error) {
    return html`<${Note} tone="bad">
      ${reasonOf(error)} <button type="button" class="link" onClick=${onAgain}>Try again</button><//>`;
  }
  if (!summary) return html`<p class="packets-note hint" role="status">Looking into the packets…</p>`;
  if (summary.state === "working") return html`<${Working} summary=${summary} />`;
  if (summary.state === "failed") return html`<${Note} tone="bad">${failureOf(summary)}<//>`;
  if (summary.state === "partial") return html`<${Note} tone="warn">${summary.covers.sentence} ${summary.note}<//>`;
  const isPart = summary.covers.packets < summary.packets || summary.covers.sentence !== "All packets were looked at.";
  return isPart && html`<${Note} tone="warn">${summary.covers.sentence} ${summary.note}<//>`;
}

function Working({ summary }) {
  return html`
    <div class="packets-note packets-working" role="status">
      <span>Looking into the packets: ${percent(summary.progress)}${summary.note && `. ${summary.note}`}</span>
      <span class="bar tone-busy" aria-hidden="true">
        <span class="bar-fill" style=${{ "--part": summary.progress }}></span>
      </span>
    </div>
  `;
}

export function Note({ tone, children }) {
  return html`
    <p class=${`packets-note tone-${tone}`} role=${tone === "bad" ? "alert" : "status"}>
      <${Icon} name="warn" /><span>${children}</span>
    </p>
  `;
}

function failureOf({ note, dissector, covers }) {
  const why = note || (dissector ? "The dissector gave no answer." : "tshark is not installed on the server.");
  return `The packets could not be dissected: ${why} ${covers.sentence} The file can be downloaded all the same.`;
}

/** Why an answer did not come, for people. */
export function reasonOf(error) {
  const message = error.message.replace(/\.?$/, ".");
  const said = message[0].toUpperCase() + message.slice(1);
  if (error.status === 503) return `The packets cannot be shown now. ${said} The file can be downloaded all the same.`;
  return said;
}
