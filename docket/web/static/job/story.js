/** What happened to a job, in order. */

import { html } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { useZone } from "../settings.js";
import { S, formatClock, formatTime, fromRfc } from "../time.js";
import { counted } from "../figures.js";
import { VERDICTS, eventOf } from "../words.js";

export function Story({ job, error }) {
  const zone = useZone();
  const events = (job.events ?? []).filter((event) => (event.name ?? event.event) !== "job.progress");
  return html`
    <section class="panel" aria-labelledby="story-title">
      <header class="panel-head"><h2 id="story-title">Story</h2></header>
      ${!job.events && html`<p class="hint" role="status">${error ? `The events could not be loaded: ${error.message}` : "Loading the events…"}</p>`}
      <ol class="story">
        ${events.map((event, index) => html`<${Happening} key=${event.seq ?? index} event=${event} began=${fromRfc(job.created_at)} zone=${zone} job=${job} />`)}
      </ol>
    </section>
  `;
}

function Happening({ event, began, zone, job }) {
  const name = event.name ?? event.event;
  const at = fromRfc(event.at);
  const what = lookOf(event, name);
  return html`
    <li>
      <span class=${`tone-${what.tone}`}><${Icon} name=${what.icon} /></span>
      <span class="story-text"><strong>${what.word}</strong>${detailOf(event, name, job).map((text) => html` <span key=${text}>${text}</span>`)}</span>
      <time datetime=${event.at} title=${formatTime(at, zone)}>${formatClock(Math.floor(at / 1000) * 1000, zone)}<span class="faint">${offset(at - began)}</span></time>
    </li>
  `;
}

function lookOf(event, name) {
  const answer = event.answers?.length === 1 ? event.answers[0] : null;
  const verdict = name === "job.source" && answer ? VERDICTS[answer.verdict] : null;
  return verdict ? { ...verdict, word: `${answer.name}: ${verdict.word.toLowerCase()}` } : eventOf(name);
}

function detailOf(event, name, job) {
  const texts = [];
  if (name === "job.source") texts.push(...(event.answers ?? []).map((answer) => answer.sentence));
  if (name === "job.started" && event.revision > 1) texts.push(`revision ${event.revision}`);
  if (event.pcap) texts.push(counted(event.packets ?? job.packets, "packet"));
  if (event.reason) texts.push(event.reason);
  if (event.user && !event.reason?.includes(event.user)) texts.push(`by ${event.user}`);
  return texts.filter(Boolean);
}

const offset = (us) => (us < 0 ? "" : us < 60 * S ? `+${(us / S).toFixed(us < 10 * S ? 2 : 1)} s` : `+${Math.round(us / S / 60)} min`);
