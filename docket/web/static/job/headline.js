/** What came of a job, in plain words, and what can be done with it. */

import { html, useState } from "../dom.js";
import { address } from "../base.js";
import { Actions } from "../jobs/actions.js";
import { Copy } from "../parts/copy.js";
import { Icon } from "../parts/icons.js";
import { Link } from "../route.js";
import { useZone } from "../settings.js";
import { useNow } from "../store.js";
import { formatAge, formatDuration, formatWindow, fromRfc, inZone, wholeSecond, zoneName } from "../time.js";
import { count } from "../figures.js";
import { askedOf, headline, isDeleted, isFinal, progressOf, stateOf } from "../words.js";
import { hasNextSteps } from "./next.js";

export function Headline({ job }) {
  const zone = useZone();
  const [after, before] = [fromRfc(job.after), fromRfc(job.before)];
  const shown = [after, before].map(wholeSecond);
  const state = stateOf(job);
  return html`
    <header class=${`headline panel tone-${state.tone}`}>
      <p class="crumbs"><${Link} to="">Jobs<//> <span aria-hidden="true">/</span> <code>${job.id}</code></p>
      <h1><${Icon} name=${state.icon} /><span>${headline(job)}</span></h1>
      <${Asked} key=${job.id} text=${askedOf(job)} />
      <p class="headline-facts">
        <span>
          ${formatWindow(...shown, zone)} ${zoneName(after, zone)} <span class="faint">(${formatDuration(before - after)})</span>
        </span>
        <${Times} job=${job} />
        ${job.reason && !isDeleted(job) && html`<span>${inZone(job.reason, zone)}</span>`}
      </p>
      ${!isFinal(job.state) && html`<${Progress} part=${progressOf(job)} />`}
      <div class="headline-actions">
        <${Actions} job=${job} without=${hidden(job)} />
        <${Copy} text=${() => location.href} icon="link" label="Share link: copy the address of this job">
          Share link
        <//>
      </div>
    </header>
  `;
}

const LONG = 400;

/** The query; of a long one the beginning, until more is wanted. */
function Asked({ text }) {
  const [all, setAll] = useState(false);
  const isLong = text.length > LONG;
  return html`
    <p class="headline-question">
      <code>${isLong && !all ? text.slice(0, LONG) + "…" : text}</code>
      ${
        isLong &&
        html` <button type="button" class="link" aria-expanded=${all} onClick=${() => setAll(!all)}>
          ${all ? "Show less" : `Show all ${count(text.length)} characters`}</button>`
      }
    </p>
  `;
}

/** What the part "What to do next" offers is not offered twice; a part of another result cannot be asked of sensors. */
const hidden = (job) => (hasNextSteps(job) ? ["retry", "again"] : job.parent ? ["again"] : []);

function Progress({ part }) {
  return html`
    <span class="bar tone-busy" role="progressbar" aria-label="Progress of the job" aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.floor(part * 100)}><span class="bar-fill" style=${{ "--part": part }}></span></span>
  `;
}

/** When the last run of a job began: a retry begins long after the job was asked. */
function begun(job) {
  const starts = (job.events ?? []).filter((event) => event.name === "job.started" && event.revision > 1);
  return fromRfc(starts.at(-1)?.at ?? job.created_at);
}

function Times({ job }) {
  const nowUs = useNow(1000) * 1000;
  const created = fromRfc(job.created_at);
  const finished = fromRfc(job.finished_at);
  const deadline = fromRfc(job.deadline);
  return html`
    <span>asked ${formatAge(created, Math.max(created, nowUs))}${job.owner && ` by ${job.owner}`}</span>
    ${
      finished !== null
        ? html`<span>took ${formatDuration(Math.max(0, finished - begun(job)))}${job.revision > 1 && ` (revision ${job.revision})`}</span>`
        : html`<span>
            running for ${formatDuration(Math.max(0, nowUs - begun(job)))}, closes ${formatAge(deadline, nowUs)} at the latest
          </span>`
    }
  `;
}
