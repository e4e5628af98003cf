/** A lane per source: how far it has read, what it found, and what its answer is worth. */

import { html, useEffect, useRef, useState } from "../dom.js";
import { Badge } from "../parts/icons.js";
import { Copied } from "../parts/copy.js";
import { SourceBar } from "../parts/bar.js";
import { useZone } from "../settings.js";
import { formatClock, formatEdges, formatTime, fromRfc, inZone, wholeSecond } from "../time.js";
import { count, counted, size } from "../figures.js";
import { answerOf, isFinal, isFull } from "../words.js";

/** Up to so many are all shown. */
const FEW = 12;
const AT_FIRST = 20;
const MORE = 50;

export function Lanes({ job }) {
  const zone = useZone();
  const [kind, setKind] = useState("");
  const [most, setMost] = useState(AT_FIRST);
  const edges = formatEdges(fromRfc(job.after), fromRfc(job.before), zone);
  const many = job.sources.length > FEW;
  const matching = many && kind ? job.sources.filter((source) => answerOf(source, job).word === kind) : job.sources;
  const shown = many ? worstFirst(matching).slice(0, most) : matching;
  const rest = matching.length - shown.length;
  return html`
    <section class="panel" aria-labelledby="lanes-title">
      <header class="panel-head">
        <h2 id="lanes-title">Sources${many && html`<span class="count">${count(job.sources.length)}</span>`}</h2>
        ${many && html`<${Kinds} job=${job} kind=${kind} onKind=${setKind} />`}
      </header>
      <div class="answer-axis" aria-hidden="true">
        <span>${edges[0]}</span><span>${edges[1]}</span>
      </div>
      <ul class="answers">
        ${shown.map((source) => html`<${Answer} key=${source.name} source=${source} job=${job} zone=${zone} />`)}
      </ul>
      ${
        rest > 0 &&
        html`<p class="finds-more"><button type="button" class="link" onClick=${() => setMost(most + MORE)}>
          Show ${count(Math.min(rest, MORE))} of ${counted(rest, "more source")}</button></p>`
      }
      ${job.sources.length === 0 && html`<p class="empty">No source is known yet.</p>`}
    </section>
  `;
}

/** Those that fell short or still read before those that are done; otherwise as they stand. */
function worstFirst(sources) {
  const isDone = (source) => Number(isFull(source.verdict));
  return [...sources].sort((one, other) => isDone(one) - isDone(other));
}

/** How many sources there are of each verdict; a press shows only those. */
function Kinds({ job, kind, onKind }) {
  const numbers = new Map();
  for (const source of job.sources) {
    const { word } = answerOf(source, job);
    numbers.set(word, (numbers.get(word) ?? 0) + 1);
  }
  const choice = (word, number, text = word) => html`
    <button type="button" class="segment" key=${word} aria-pressed=${kind === word} onClick=${() => onKind(word)}>
      ${text} <span class="faint">${count(number)}</span></button>
  `;
  return html`
    <span class="ranges" role="group" aria-label="Show sources by verdict">
      ${choice("", job.sources.length, "All")}
      ${[...numbers].map(([word, number]) => choice(word, number))}
    </span>
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
        <span class="figure">${counted(source.packets, "packet")}</span>
        <span class="figure">${size(source.bytes)}</span>
        <span class="figure rate" title=${source.trimmed > 0 ? "Packets outside the window, left out" : undefined}>
          ${running ? rate !== null && `${size(rate)}/s` : source.trimmed > 0 && `${count(source.trimmed)} trimmed`}
        </span>
      </div>
      <p class="answer-says">
        ${source.sentence ? inZone(source.sentence, zone) : running ? reached(source, zone) : ""}
        ${source.next_step && html` <span class="next-step">${inZone(source.next_step, zone)}</span>`}
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
