/** What can be done with a job, wherever it is shown. Each says what came of it. */

import { html } from "../dom.js";
import { api } from "../api.js";
import { changeDraft, draftOf } from "../ask/draft.js";
import { confirmed } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";
import { say, sayError } from "../parts/toast.js";
import { noticeFor } from "../notices.js";
import { path } from "../base.js";
import { navigate } from "../route.js";
import { setSetting } from "../settings.js";
import { store } from "../store.js";
import { counted, size } from "../figures.js";
import { canCancel, canDelete, canDownload, canRetry, isFinal, worthRetrying } from "../words.js";

/** Where a job's packets are; while it runs, the file that grows until the job ends. */
export const pcapPath = (job) =>
  job.pcap?.url || path(`api/v1/jobs/${job.id}/pcap${isFinal(job.state) ? "" : "?follow=1"}`);

/** Where the evidence to its file is: who asked what, what each source answered, checksums. */
export const manifestPath = (job) => path(`api/v1/jobs/${job.id}/manifest`);

async function change(call, done) {
  try {
    const job = await call();
    if (job?.id) store.putJob(job);
    say(done);
  } catch (error) {
    sayError(error);
  }
}

export async function cancel(job) {
  await change(() => api.cancel(job.id), "The job is being cancelled; what has arrived can be downloaded.");
}

export async function retry(job) {
  noticeFor(job.id);
  await change(() => api.retry(job.id), `Asking ${counted(worthRetrying(job).length, "source")} again.`);
}

export async function remove(job) {
  const file = job.pcap
    ? `The file with ${counted(job.packets, "packet")} (${size(job.pcap.size)}) is removed for everybody.`
    : "The result is removed for everybody.";
  const text = `${file} The record of the question and its answers stays. This cannot be undone.`;
  if (await confirmed({ title: "Delete this result?", text, verb: "Delete" })) {
    await change(() => api.remove(job.id), "The result is being deleted.");
  }
}

/** Puts the job's question into the form, to be changed and asked again. */
export function askAgain(job) {
  changeDraft(draftOf(job, store.state.names));
  setSetting("askOpen", true);
  navigate("");
  say("The question is in the form; change it and ask.");
}

const ACTIONS = [
  { name: "cancel", word: "Cancel", icon: "stop", can: canCancel, run: cancel },
  { name: "retry", word: "Retry", icon: "again", can: canRetry, run: retry },
  { name: "again", word: "Ask again", icon: "edit", can: () => true, run: askAgain },
  { name: "delete", word: "Delete", icon: "trash", can: canDelete, run: remove },
];

/** Buttons for all that can be done, except for `without`. `compact` shows icons only, for rows of a table. */
export function Actions({ job, compact = false, without = [] }) {
  const look = compact ? "plain" : "button";
  const what = job.query || "every packet";
  const download = isFinal(job.state) || compact ? "Download" : "Download as it grows";
  return html`
    <span class=${compact ? "actions is-compact" : "actions"}>
      ${
        canDownload(job) &&
        html`<a class=${compact ? "plain" : "button is-primary"} href=${pcapPath(job)} download
        title=${download} aria-label=${compact ? `${download}: ${what}` : undefined}>
        <${Icon} name="download" /><span>${download}</span>
      </a>`
      }
      ${ACTIONS.filter((action) => action.can(job) && !without.includes(action.name)).map(
        (action) => html`<button type="button" key=${action.name} class=${look} title=${action.word}
          aria-label=${compact ? `${action.word}: ${what}` : undefined} onClick=${() => action.run(job)}>
          <${Icon} name=${action.icon} /><span>${action.word}</span>
        </button>`,
      )}
    </span>
  `;
}

/** The action of a key, where the job allows it; true if there was one. */
export function actByKey(key, job) {
  const name = { c: "cancel", r: "retry", a: "again", Delete: "delete" }[key];
  const action = ACTIONS.find((candidate) => candidate.name === name);
  if (!action?.can(job)) return false;
  action.run(job);
  return true;
}
