/** A lane per source: how far it has read, what it found, and what its answer is worth. */

import { html, useEffect, useRef, useState } from "../dom.js";
import { Badge } from "../parts/icons.js";
import { Copied } from "../parts/copy.js";
import { SourceBar } from "../parts/bar.js";
import { useZone } from "../settings.js";
import { formatClock, formatEdges, formatTime, fromRfc, wholeSecond } from "../time.js";
import { count, counted, size } from "../figures.js";
import { answerOf, isFinal } from "../words.js";

export function Lanes({ job }) {
  const zone = useZone();
  const edges = formatEdges(fromRfc(job.after), fromRfc(job.before), zone);
  return html`
    <section class="panel" aria-labelledby="lanes-title">
      <header class="panel-head"><h2 id="lanes-title">Sources</h2></header>
      <div class="answer-axis" aria-hidden="true">
        <span>${edges[0]}</span><span>${edges[1]}</span>
      </div>
      <ul class="answers">
        ${job.sources.map((source) => html`<${Answer} key=${source.name} source=${source} job=${job} zone=${zone} />`)}
      </ul>
      ${job.sources.length === 0 && html`<p class="empty">No source is known yet.</p>`}
    </section>
  `;
}

function Answer({ source, job, zone }) {
  const running = !source.verdict && !isFinal(job.state);
  const rate = useRate(source.bytes, running);
  return html`
    <li class="answer">
      <div class="answer-name"><strong>${source.name}</strong><${Badge} of=${answerOf(source, job)} /></div>
      <div class="answer-bar">
        <${SourceBar} source=${source} job=${job} tall />
        <${Marks} source=${source} job=${job} />
      </div>
      <div class="answer-figures">
        <span><span class="figure">${count(source.packets)}</span> packets</span>
        <span class="figure">${size(source.bytes)}</span>
        <span class="figure rate" title=${source.trimmed > 0 ? "Packets outside the window, left out" : undefined}>
          ${running ? rate !== null && `${size(rate)}/s` : source.trimmed > 0 && `${count(source.trimmed)} trimmed`}
        </span>
      </div>
      <p class="answer-says">
        ${source.sentence || (running ? reached(source, zone) : "")}
        ${source.next_step && html` <span class="next-step">${source.next_step}</span>`}
      </p>
      ${source.attempt > 0 && html`<${Details} source=${source} zone=${zone} />`}
    </li>
  `;
}

/** How far a source is that has not said anything in words yet. */
function reached(source, zone) {
  if (source.last) return `Packets up to ${formatClock(wholeSecond(fromRfc(source.last)), zone)} so far.`;
  return source.attempt > 0 ? "Asked; no packet has come yet." : "Not begun yet.";
}

/** Where in the window the first and the last packet lie. */
function Marks({ source, job }) {
  const [after, before] = [fromRfc(job.after), fromRfc(job.before)];
  return [source.first, source.last].map((time, index) => {
    const us = fromRfc(time);
    if (us === null) return null;
    const from = Math.min(1, Math.max(0, (us - after) / (before - after)));
    return html`<span class="mark" key=${index} aria-hidden="true" style=${{ "--from": from }}></span>`;
  });
}

function Details({ source, zone }) {
  const time = (text) => (text ? formatTime(fromRfc(text), zone) : "none");
  return html`
    <details class="answer-details">
      <summary>Details</summary>
      <dl class="facts">
        <dt>First packet</dt><dd class="figure">${time(source.first)}</dd>
        <dt>Last packet</dt><dd class="figure">${time(source.last)}</dd>
        <dt>Trimmed</dt><dd>${counted(source.trimmed, "packet")} outside the window</dd>
        <dt>Attempt</dt><dd class="figure">${source.attempt}</dd>
        ${source.sent && html`<dt>Sent</dt><${Copied} text=${source.sent} label="Copy what the source was sent" />`}
        ${source.sha256 && html`<dt>SHA-256</dt><${Copied} text=${source.sha256} label="Copy the SHA-256 of this part" />`}
      </dl>
    </details>
  `;
}

/** Bytes per second, smoothed over about two seconds; null until two readings have been seen. */
function useRate(bytes, running) {
  const last = useRef(null);
  const [rate, setRate] = useState(null);
  useEffect(() => {
    const now = performance.now();
    const before = last.current;
    last.current = { at: now, bytes };
    if (!running || !before || bytes < before.bytes || now - before.at < 50) return;
    const fresh = ((bytes - before.bytes) * 1000) / (now - before.at);
    setRate((smooth) => (smooth === null ? fresh : smooth * 0.8 + fresh * 0.2));
  }, [bytes, running]);
  return rate;
}
