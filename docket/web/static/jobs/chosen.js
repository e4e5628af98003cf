/** Several jobs at once: cancel, delete, or hide those that are chosen in the table. */

import { html } from "../dom.js";
import { api } from "../api.js";
import { confirmed } from "../parts/dialog.js";
import { Button } from "../parts/button.js";
import { say, sayError } from "../parts/toast.js";
import { setSetting, settings, useSetting } from "../settings.js";
import { store } from "../store.js";
import { counted } from "../figures.js";
import { canCancel, canDelete } from "../words.js";

const MOST_HIDDEN = 2000;

/** The ids that this browser's user does not want to see. */
export const useHidden = () => new Set(useSetting("hiddenJobs") ?? []);

function hide(ids) {
  const before = settings().hiddenJobs ?? [];
  setSetting("hiddenJobs", [...new Set([...ids, ...before])].slice(0, MOST_HIDDEN));
  say(`${counted(ids.length, "job")} hidden in this browser.`, {
    action: { word: "Undo", run: () => setSetting("hiddenJobs", before) },
  });
}

/** One after the other; the first error ends it, with what was done until then. */
async function each(jobs, call, done) {
  let number = 0;
  try {
    for (const job of jobs) {
      const answer = await call(job.id);
      if (answer?.id) store.putJob(answer);
      number += 1;
    }
    say(done(number));
  } catch (error) {
    sayError(error);
  }
}

export function ChosenBar({ jobs, onClear }) {
  const [running, final] = [jobs.filter(canCancel), jobs.filter(canDelete)];
  const cancel = () => each(running, api.cancel, (number) => `${counted(number, "job")} being cancelled.`);
  const remove = async () => {
    const text = `The results of ${counted(final.length, "job")} are removed for everyone; the records stay. This cannot be undone.`;
    if (!(await confirmed({ title: `Delete ${counted(final.length, "result")}?`, text, verb: "Delete" }))) return;
    onClear();
    await each(final, api.remove, (number) => `${counted(number, "result")} being deleted.`);
  };
  const hideAll = () => {
    hide(jobs.map((job) => job.id));
    onClear();
  };
  return html`
    <div class="chosen-bar" role="group" aria-label="Chosen jobs">
      <strong aria-live="polite">${counted(jobs.length, "job")} chosen</strong>
      ${running.length > 0 && html`<${Button} icon="stop" look="is-small" onClick=${cancel}>Cancel ${running.length}<//>`}
      ${final.length > 0 && html`<${Button} icon="trash" look="is-small" onClick=${remove}>Delete ${final.length}<//>`}
      <${Button} icon="minus" look="is-small" onClick=${hideAll}>Hide<//>
      <${Button} icon="cross" look="is-small" onClick=${onClear}>Clear<//>
    </div>
  `;
}

/** How many rows of this page are hidden, and the way to see them. */
export function HiddenNote({ number }) {
  if (!number) return null;
  return html`
    <p class="hidden-note hint">${counted(number, "job")} on this page hidden.
      ${" "}<button type="button" class="link" onClick=${() => setSetting("hiddenJobs", [])}>Show all</button></p>
  `;
}
