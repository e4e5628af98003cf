/** Where a job came from if it was taken from another's result, and what was taken from its own. */

import { html, useEffect, useState } from "../dom.js";
import { api } from "../api.js";
import { Link } from "../route.js";
import { store, useLive, useStore } from "../store.js";
import { Badge, Icon } from "../parts/icons.js";
import { counted } from "../figures.js";
import { refinedBy, stateOf } from "../words.js";

const MOST = 20;

export function Family({ job }) {
  const jobs = useStore((state) => state.jobs);
  useStore((state) => state.seq);
  useOlder(job.id);
  const children = [...jobs.values()]
    .filter((other) => other.parent === job.id)
    .sort((one, other) => (one.created_at < other.created_at ? 1 : -1))
    .slice(0, MOST);
  if (!job.parent && !children.length) return null;
  return html`
    <section class="panel family" aria-labelledby="family-title">
      <header class="panel-head"><h2 id="family-title">Refined</h2></header>
      ${
        job.parent &&
        html`<p><${Icon} name="left" /> Taken from the result of
          ${" "}<${Link} to=${`jobs/${job.parent}`}>job <code>${job.parent.slice(0, 8)}</code><//>, without asking a
          sensor.</p>`
      }
      ${
        children.length > 0 &&
        html`<ul>
        ${children.map(
          (child) => html`<li key=${child.id}>
            <${Badge} of=${stateOf(child)} />
            <${Link} to=${`jobs/${child.id}`}>${whatOf(child)}<//>
            <span class="faint">${counted(child.packets, "packet")}</span>
          </li>`,
        )}</ul>`
      }
    </section>
  `;
}

/** Brings those that the browser has not heard of; what comes from now on, the WebSocket tells. */
function useOlder(parent) {
  const live = useLive();
  const [, setCount] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    api
      .jobs({ parent, limit: MOST }, stop.signal)
      .then(({ jobs }) => {
        jobs.forEach(store.putJob);
        setCount(jobs.length); // draws them: nothing of the WebSocket does
      })
      .catch(() => {}); // without a connection there is a notice already, and another turn when it is back
    return () => stop.abort();
  }, [parent, live]);
}

/** What was kept of the parent, in a few words. */
const whatOf = (job) => [job.note, refinedBy(job)].filter(Boolean).join("; ") || `part ${job.id.slice(0, 8)}`;
