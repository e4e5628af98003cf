/** One source: is it there, since when does it have packets, up to when, and how is it doing. */

import { html } from "../dom.js";
import { api } from "../api.js";
import { gapsOf } from "../ask/holes.js";
import { count } from "../figures.js";
import { Button, Fault } from "../parts/button.js";
import { confirmed } from "../parts/dialog.js";
import { Badge } from "../parts/icons.js";
import { say, sayError } from "../parts/toast.js";
import { Link } from "../route.js";
import { useZone } from "../settings.js";
import { store, useNow, useStore } from "../store.js";
import { formatAge, formatDuration, formatEdges, formatTime, fromRfc, inZone, wholeSecond } from "../time.js";
import { VERDICTS } from "../words.js";
import { newest } from "./busy.js";
import { Counters } from "./counters.js";
import { healthOf } from "./health.js";

const MOST_GAPS = 5;

/** Follows its source by itself, so that news of one draws one card. */
export function SourceCard({ name, busy }) {
  const source = useStore((state) => state.sources.get(name));
  return source ? html`<${Card} source=${source} busy=${busy} />` : null;
}

function Card({ source, busy }) {
  const nowUs = useNow(1000) * 1000;
  const online = source.state === "online";
  const seen = fromRfc(source.last_seen);
  const gone = formatDuration(Math.max(0, nowUs - seen));
  return html`
    <section class="card panel" aria-labelledby=${"source-" + source.name}>
      <header class="panel-head">
        <h2 id=${"source-" + source.name}>${source.name}</h2>
        <${Badge} of=${healthOf(source)}>${!online && seen !== null && ` for ${gone}`}<//>
        <span class="grow"></span>
        <span class="faint">${source.kind}</span>
      </header>
      ${source.error && html`<${Fault} fault=${{ message: source.error }} />`}
      <${Edges} source=${source} nowUs=${nowUs} />
      <${Gaps} source=${source} />
      <${Errors} source=${source} />
      <${Jobs} name=${source.name} busy=${busy} />
      <${Counters} source=${source} />
      ${!online && html`<${Forget} name=${source.name} />`}
    </section>
  `;
}

/** Only a source that is offline; the server says which ones stay, and who may do it. */
function Forget({ name }) {
  const forget = async () => {
    const text = `Later jobs do not ask ${name}, and lists do not show it. If its worker announces it again, it is back.`;
    if (!(await confirmed({ title: `Forget ${name}?`, text, verb: "Forget" }))) return;
    try {
      const { done } = await api.forgetSource(name);
      if (done) store.dropSource(name);
      say(done ? `${name} is forgotten.` : `${name} is being forgotten.`);
    } catch (error) {
      sayError(error);
    }
  };
  return html`<p class="card-actions"><${Button} icon="trash" look="is-small" onClick=${forget}>Forget this source<//></p>`;
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

/** Stretches without a sign of recording, the newest first: when, and how it is known. */
function Gaps({ source }) {
  const zone = useZone();
  const gaps = [...gapsOf(source)].reverse();
  if (!gaps.length) return null;
  return html`
    <h3>Gaps <span class="count">${count(gaps.length)}</span></h3>
    <ul class="error-list gap-list">
      ${gaps.slice(0, MOST_GAPS).map(
        ({ from, to, reason }) => html`<li key=${from}>
          <span class="figure">${formatEdges(wholeSecond(from), wholeSecond(to), zone).join(" to ")}</span>
          ${" "}<span class="faint">(${formatDuration(to - from)})</span> ${inZone(reason, zone)}</li>`,
      )}
      ${gaps.length > MOST_GAPS && html`<li class="faint">and ${count(gaps.length - MOST_GAPS)} older</li>`}
    </ul>
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
function Jobs({ name, busy }) {
  useStore((state) => state.seq);
  const [reading, short] = [busy.reading, busy.short].map((index) => newest(index.get(name)));
  return html`
    <${JobList} title="Reading for" jobs=${reading} name=${name} nothing="no job right now" />
    ${short.length > 0 && html`<${JobList} title="Fell short for" jobs=${short} name=${name} />`}
  `;
}

function JobList({ title, jobs, name, nothing }) {
  return html`
    <h3>${title}</h3>
    ${!jobs.length && html`<p class="hint">${nothing}</p>`}
    <ul class="job-list">
      ${jobs.map((job) => {
        const verdict = VERDICTS[job.sources.find((source) => source.name === name)?.verdict];
        return html`<li key=${job.id}>
          <${Link} to=${"jobs/" + job.id}><code>${job.query || "every packet"}</code><//>
          ${verdict && html`<${Badge} of=${verdict} />`}
        </li>`;
      })}
    </ul>
  `;
}
