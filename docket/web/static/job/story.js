/** What happened to a job, in order. */

import { html } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { useZone } from "../settings.js";
import { S, formatClock, formatTime, fromRfc, inZone } from "../time.js";
import { counted } from "../figures.js";
import { VERDICTS, eventOf } from "../words.js";

export function Story({ job, error }) {
  const zone = useZone();
  const events = job.events ?? [];
  const missing = error ? `The events could not be loaded: ${error.message}` : "Loading the events…";
  return html`
    <section class="panel" aria-labelledby="story-title">
      <header class="panel-head"><h2 id="story-title">Story</h2></header>
      ${!job.events && html`<p class="hint" role="status">${missing}</p>`}
      <ol class="story">
        ${events.map((event) => html`<${Happening} key=${event.seq} event=${event} zone=${zone} job=${job} />`)}
      </ol>
    </section>
  `;
}

function Happening({ event, zone, job }) {
  const at = fromRfc(event.at);
  const what = lookOf(event);
  const details = detailOf(event, job).map((text) => inZone(text, zone));
  return html`
    <li>
      <span class=${`tone-${what.tone}`}><${Icon} name=${what.icon} /></span>
      <span class="story-text"><strong>${what.word}</strong> ${details.join(" ")}</span>
      <time datetime=${event.at} title=${formatTime(at, zone)}>
        ${formatClock(Math.floor(at / 1000) * 1000, zone)}
        <span class="faint">${offset(at - fromRfc(job.created_at))}</span>
      </time>
    </li>
  `;
}

/** A source's own event is shown by its name and, once it has one, its verdict. */
function lookOf(event) {
  const answer = event.name === "job.source" && event.answers?.length === 1 ? event.answers[0] : null;
  if (!answer) return eventOf(event.name);
  const verdict = VERDICTS[answer.verdict];
  return verdict
    ? { ...verdict, word: `${answer.name}: ${verdict.word.toLowerCase()}.` }
    : { word: `${answer.name}:`, icon: "clock", tone: "idle" };
}

function detailOf(event, job) {
  const texts = [];
  if (event.name === "job.source") texts.push(...(event.answers ?? []).map((answer) => answer.sentence));
  if (event.name === "job.started" && event.revision > 1) texts.push(`revision ${event.revision}`);
  if (event.pcap) texts.push(counted(event.packets ?? job.packets, "packet"));
  if (event.annotation) texts.push(writtenOf(event.annotation));
  if (event.reason) texts.push(event.reason);
  if (event.user && !event.reason?.includes(event.user)) texts.push(`by ${event.user}`);
  return texts.filter(Boolean);
}

/** What was written, in few words. */
function writtenOf({ note, tags, case: number }) {
  const texts = [];
  if (note != null) texts.push(note ? `note “${note.slice(0, 80)}”` : "no note");
  if (tags) texts.push(tags.length ? `tags ${tags.join(", ")}` : "no tags");
  if (number != null) texts.push(number ? `case ${number}` : "no case");
  return texts.join("; ");
}

const offset = (us) =>
  us < 0 ? "" : us < 60 * S ? `+${(us / S).toFixed(us < 10 * S ? 2 : 1)} s` : `+${Math.round(us / S / 60)} min`;
