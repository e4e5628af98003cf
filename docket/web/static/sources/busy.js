/** Which jobs read from a source now, and in which it fell short: counted once, then kept up to date by events. */

import { useEffect, useState } from "../dom.js";
import { store } from "../store.js";
import { isFinal, isFull } from "../words.js";

const MOST_JOBS = 5;

const isReading = (answer, job) => !isFinal(job.state) && !answer.verdict;
const fellShort = (answer) => Boolean(answer.verdict) && answer.verdict !== "cancelled" && !isFull(answer.verdict);

/** For each source the ids of its jobs, by what it is to them. Pure. */
export class Busy {
  constructor(jobs) {
    this.reading = new Map();
    this.short = new Map();
    for (const job of jobs) this.take(job);
  }

  take(job) {
    for (const answer of job.sources) {
      put(this.reading, answer.name, job.id, isReading(answer, job));
      put(this.short, answer.name, job.id, fellShort(answer));
    }
  }
}

function put(index, name, id, isIn) {
  const ids = index.get(name);
  if (!isIn) ids?.delete(id);
  else if (ids) ids.add(id);
  else index.set(name, new Set([id]));
}

/** The newest of these jobs. */
export function newest(ids) {
  const jobs = [...(ids ?? [])].map((id) => store.state.jobs.get(id)).filter(Boolean);
  return jobs.sort((one, other) => (one.created_at < other.created_at ? 1 : -1)).slice(0, MOST_JOBS);
}

/** The index for as long as the page is open. */
export function useBusy() {
  const [busy, setBusy] = useState(() => new Busy(store.state.jobs.values()));
  useEffect(
    () =>
      store.watch(({ event, job }) => {
        if (event === "snapshot") setBusy(new Busy(store.state.jobs.values()));
        else if (job) busy.take(job);
      }),
    [busy],
  );
  return busy;
}
