/** What to do next, where a job did not get everything. */

import { html } from "../dom.js";
import { Button } from "../parts/button.js";
import { askAgain, retry } from "../jobs/actions.js";
import { counted } from "../figures.js";
import { canRetry, isFinal, mendable, shortfall } from "../words.js";

/** Whether a job ended with something missing that one can do something about. */
export const hasNextSteps = (job) =>
  isFinal(job.state) && job.state !== "completed" && job.state !== "expired" && shortfall(job).length > 0;

export function NextSteps({ job }) {
  if (!hasNextSteps(job)) return null;
  const short = shortfall(job);
  const again = mendable(job);
  const rest = short.filter((source) => !again.includes(source));
  return html`
    <section class="next panel" aria-labelledby="next-title">
      <h2 id="next-title">What to do next</h2>
      <p>${adviceOf(job, again, rest)}</p>
      <div class="headline-actions">
        ${
          canRetry(job) &&
          again.length > 0 &&
          html`<${Button} icon="again" look="is-primary" onClick=${() => retry(job)}>Retry ${counted(again.length, "source")}<//>`
        }
        <${Button} icon="edit" onClick=${() => askAgain(job)}>Ask again with changes<//>
      </div>
    </section>
  `;
}

function adviceOf(job, again, rest) {
  const revision = job.revision + 1;
  const texts = [];
  if (again.length)
    texts.push(`A retry may help with ${names(again)}; new packets join this job as revision ${revision} of its file.`);
  if (rest.length) texts.push(`With ${names(rest)} it would find the same; change the window or the limits.`);
  if (job.pcap) texts.push("What has arrived can be used as it is.");
  return texts.join(" ");
}

function names(sources) {
  const all = sources.map((source) => source.name);
  return all.length > 3 ? counted(all.length, "source") : all.join(all.length === 2 ? " and " : ", ");
}
