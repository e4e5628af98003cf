/** One source: is it there, since when does it have packets, up to when, and how is it doing. */

import { html } from "../dom.js";
import { Fault } from "../parts/button.js";
import { Badge } from "../parts/icons.js";
import { Link } from "../route.js";
import { useZone } from "../settings.js";
import { useNow, useStore } from "../store.js";
import { formatAge, formatDuration, formatTime, fromRfc, wholeSecond } from "../time.js";
import { VERDICTS, isFinal, isFull } from "../words.js";
import { Counters } from "./counters.js";

const HEALTH = {
  online: { word: "Online", icon: "check", tone: "good" },
  offline: { word: "Offline", icon: "unplug", tone: "bad" },
};
const MOST_JOBS = 5;

export function SourceCard({ source }) {
  const nowUs = useNow(1000) * 1000;
  const online = source.state === "online";
  const seen = fromRfc(source.last_seen);
  const gone = formatDuration(Math.max(0, nowUs - seen));
  return html`
    <section class="card panel" aria-labelledby=${"source-" + source.name}>
      <header class="panel-head">
        <h2 id=${"source-" + source.name}>${source.name}</h2>
        <${Badge} of=${HEALTH[source.state] ?? HEALTH.offline}>${!online && seen !== null && ` for ${gone}`}<//>
        <span class="grow"></span>
        <span class="faint">${source.kind}</span>
      </header>
      ${source.error && html`<${Fault} fault=${{ message: source.error }} />`}
      <${Edges} source=${source} nowUs=${nowUs} />
      <${Errors} source=${source} />
      <${Busy} name=${source.name} />
      <${Counters} source=${source} />
    </section>
  `;
}

/** From when to when it has packets. */
function Edges({ source, nowUs }) {
  const zone = useZone();
  const [oldest, edge, seen] = [source.oldest, source.readable_until, source.last_seen].map(fromRfc);
  const instant = (us) =>
    us === null
      ? html`<span class="faint">not known</span>`
      : html`<span class="figure">${formatTime(wholeSecond(us), zone)}</span> <span class="faint">${formatAge(us, nowUs)}</span>`;
  return html`
    <dl class="facts">
      <dt>Oldest packet</dt><dd>${instant(oldest)}</dd>
      <dt>Readable until</dt><dd>${instant(edge)}</dd>
      <dt>Last heard</dt><dd>${instant(seen)}</dd>
    </dl>
  `;
}

/** Errors it had since the page was opened, the newest first. */
function Errors({ source }) {
  const zone = useZone();
  const errors = useStore((state) => state.errors.get(source.name)) ?? [];
  const past = errors.filter((error) => error.text !== source.error);
  if (!past.length) return null;
  return html`
    <h3>Last errors</h3>
    <ul class="error-list">
      ${past.map(
        (error) => html`<li key=${error.at}>
          <span class="figure faint">${formatTime(wholeSecond(fromRfc(error.at)), zone)}</span> ${error.text}
        </li>`,
      )}
    </ul>
  `;
}

/** Jobs that read from it now, and the last ones in which it fell short. */
function Busy({ name }) {
  const key = useStore((state) => idsOf(state.jobs, name, isReading).join());
  const short = useStore((state) => idsOf(state.jobs, name, fellShort).join());
  return html`
    <${JobList} title="Reading for" ids=${key} name=${name} nothing="nobody right now" />
    ${short && html`<${JobList} title="Fell short for" ids=${short} name=${name} />`}
  `;
}

const isReading = (answer, job) => !isFinal(job.state) && !answer.verdict;
const fellShort = (answer) => answer.verdict !== null && answer.verdict !== "cancelled" && !isFull(answer.verdict);

function idsOf(jobs, name, wanted) {
  const found = [];
  for (const job of jobs.values()) {
    const answer = job.sources.find((source) => source.name === name);
    if (answer && wanted(answer, job)) found.push(job);
  }
  found.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  return found.slice(0, MOST_JOBS).map((job) => job.id);
}

function JobList({ title, ids, name, nothing }) {
  const jobs = useStore((state) => state.jobs);
  return html`
    <h3>${title}</h3>
    ${!ids && html`<p class="hint">${nothing}</p>`}
    <ul class="job-list">
      ${ids
        .split(",")
        .filter(Boolean)
        .map((id) => {
          const job = jobs.get(id);
          const verdict = VERDICTS[job.sources.find((source) => source.name === name)?.verdict];
          return html`<li key=${id}>
          <${Link} to=${"jobs/" + id}><code>${job.query || "every packet"}</code><//>
          ${verdict && html`<${Badge} of=${verdict} />`}
        </li>`;
        })}
    </ul>
  `;
}
