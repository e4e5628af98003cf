/** What to do next, where a job did not get everything. */

import { html } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { askAgain, retry } from "../jobs/actions.js";
import { counted } from "../figures.js";
import { canRetry, isFinal, shortfall } from "../words.js";

const CAN_HELP = new Set(["cut", "not-yet", "refused", "unreachable", "timed-out", "cancelled", null]);

/** Whether a job ended with something missing that one can do something about. */
export const hasNextSteps = (job) => isFinal(job.state) && job.state !== "completed" && job.state !== "expired" && shortfall(job).length > 0;

export function NextSteps({ job }) {
  if (!hasNextSteps(job)) return null;
  const short = shortfall(job);
  const again = short.filter((source) => CAN_HELP.has(source.verdict));
  const rest = short.length - again.length;
  return html`
    <section class="next panel" aria-labelledby="next-title">
      <h2 id="next-title">What to do next</h2>
      <p>
        ${again.length > 0 && `A retry asks only ${names(again)}; new packets join this job as revision ${job.revision + 1} of its file. `}
        ${rest > 0 && `For ${names(short.filter((source) => !again.includes(source)))}, a retry finds the same; change the window or the limits. `}
        ${job.pcap && "What has arrived can be used as it is."}
      </p>
      <div class="headline-actions">
        ${canRetry(job) && again.length > 0 &&
        html`<button type="button" class="button is-primary" onClick=${() => retry(job)}><${Icon} name="again" /><span>Retry ${counted(short.length, "source")}</span></button>`}
        <button type="button" class="button" onClick=${() => askAgain(job)}><${Icon} name="edit" /><span>Ask again with changes</span></button>
      </div>
    </section>
  `;
}

function names(sources) {
  const all = sources.map((source) => source.name);
  return all.length > 3 ? counted(all.length, "source") : all.join(all.length === 2 ? " and " : ", ");
}
