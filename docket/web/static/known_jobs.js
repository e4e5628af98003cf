/** The jobs that the browser knows: the newest, bounded, at a cost for each message that does not grow with them. Pure. */

import { isFinal } from "./words.js";

const MOST_JOBS = 2000;
/** So many of the oldest are looked at to make room for one. */
const LOOKED_AT = 64;

export class KnownJobs {
  constructor() {
    this.all = new Map();
    /** Sorted; another array only when there is a new one. */
    this.owners = [];
  }

  /** Keep a job as it is now; gives it with the events that are known of it. */
  keep(job) {
    const known = this.all.get(job.id);
    const merged = known?.events && !job.events ? { ...job, events: known.events } : job;
    this.all.delete(job.id);
    this.all.set(job.id, merged);
    if (job.owner && job.owner !== known?.owner && !this.owners.includes(job.owner))
      this.owners = [...this.owners, job.owner].sort();
    if (this.all.size > MOST_JOBS) this.#makeRoom();
    return merged;
  }

  /** Drops the oldest that has ended; where all of those looked at still run, the oldest of all. */
  #makeRoom() {
    let oldest = null;
    let looked = 0;
    for (const [id, job] of this.all) {
      oldest ??= id;
      if (isFinal(job.state)) {
        this.all.delete(id);
        return;
      }
      if (++looked === LOOKED_AT) break;
    }
    if (this.all.size > 2 * MOST_JOBS) this.all.delete(oldest);
  }
}
