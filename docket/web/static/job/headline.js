/** What came of a job, in plain words, and what can be done with it. */

import { html } from "../dom.js";
import { address } from "../base.js";
import { Actions } from "../jobs/actions.js";
import { Copy } from "../parts/copy.js";
import { Icon } from "../parts/icons.js";
import { Link } from "../route.js";
import { useZone } from "../settings.js";
import { useNow } from "../store.js";
import { formatAge, formatDuration, formatWindow, fromRfc, wholeSecond, zoneName } from "../time.js";
import { headline, isFinal, progressOf, stateOf } from "../words.js";
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
      <p class="headline-question"><code>${job.query || "every packet"}</code></p>
      <p class="headline-facts">
        <span>
          ${formatWindow(...shown, zone)} ${zoneName(after, zone)} <span class="faint">(${formatDuration(before - after)})</span>
        </span>
        <${Times} job=${job} />
        ${job.reason && html`<span>${job.reason}</span>`}
      </p>
      ${!isFinal(job.state) && html`<${Progress} part=${progressOf(job)} />`}
      <div class="headline-actions">
        <${Actions} job=${job} without=${hidden(job)} />
        <${Copy} text=${address("jobs/" + job.id)} icon="link" label="Share link: copy the address of this job">
          Share link
        <//>
      </div>
    </header>
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

function Times({ job }) {
  const nowUs = useNow(1000) * 1000;
  const created = fromRfc(job.created_at);
  const finished = fromRfc(job.finished_at);
  const deadline = fromRfc(job.deadline);
  return html`
    <span>asked ${formatAge(created, Math.max(created, nowUs))}${job.owner && ` by ${job.owner}`}</span>
    ${
      finished !== null
        ? html`<span>took ${formatDuration(finished - created)}</span>`
        : html`<span>
            running for ${formatDuration(Math.max(0, nowUs - created))}, closes ${formatAge(deadline, nowUs)} at the latest
          </span>`
    }
  `;
}
