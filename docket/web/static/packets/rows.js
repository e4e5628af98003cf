/** Pages of the list of packets, fetched as they come into view and kept for a while. */

import { useEffect, useMemo, useState } from "../dom.js";
import { packets } from "./api.js";

export const PAGE = 100;
const MOST_PAGES = 40;
const MOST_AT_ONCE = 3;
const AGAIN_MS = 700;

class Rows {
  constructor(id, filter, source, changed) {
    this.id = id;
    this.filter = filter;
    /** Only what this source recorded; empty for all. */
    this.source = source;
    /** Facts of the newest answer: total, packets, state, note …; null before the first. */
    this.facts = null;
    this.error = null;
    this.pages = new Map();
    this.wanted = [0, 0];
    this.stop = new AbortController();
    this.changed = changed;
    this.busy = new Set();
    this.timer = null;
  }

  /** The row at a place of the list, or null if it is not there yet. */
  at(place) {
    return place < 0 ? null : (this.pages.get(Math.floor(place / PAGE))?.rows[place % PAGE] ?? null);
  }

  /** The row of a packet, if it is here already. */
  known(number) {
    for (const { rows } of this.pages.values()) {
      const row = rows.find((one) => one.number === number);
      if (row) return row;
    }
    return null;
  }

  /** Make sure of the rows of these places. */
  want(first, last) {
    this.wanted = [Math.floor(first / PAGE), Math.floor(Math.max(first, last) / PAGE)];
    this.fill();
  }

  /** Few at once: of a scroll through a million rows only its end matters. */
  fill() {
    for (let page = this.wanted[0]; page <= this.wanted[1]; page++) {
      const known = this.pages.get(page);
      const isWanted = !this.error && !this.busy.has(page) && (!known || known.stale);
      if (isWanted && this.busy.size < MOST_AT_ONCE) this.load(page);
    }
  }

  /** The place of a packet in the list, or null if the filter does not show it: numbers ascend. */
  async placeOf(number) {
    if (!this.filter.trim() && !this.source) return Math.min(number, this.facts.total) - 1;
    let [low, high] = [0, this.facts.total];
    while (low < high) {
      const middle = (low + high) >> 1;
      const found = await this.numberAt(middle);
      if (found === number) return middle;
      if (found === null) return null;
      if (found < number) low = middle + 1;
      else high = middle;
    }
    return null;
  }

  async numberAt(place) {
    const known = this.at(place);
    if (known) return known.number;
    try {
      const asked = { filter: this.filter, source: this.source, offset: place, limit: 1 };
      return (await packets.page(this.id, asked, this.stop.signal)).rows[0]?.number ?? null;
    } catch {
      return null; // the list itself says why
    }
  }

  async load(page) {
    this.busy.add(page);
    try {
      const asked = { filter: this.filter, source: this.source, offset: page * PAGE, limit: PAGE };
      const { rows, ...facts } = await packets.page(this.id, asked, this.stop.signal);
      this.pages.delete(page);
      this.pages.set(page, { rows, stale: false });
      this.facts = facts;
      for (const old of this.pages.keys()) if (this.pages.size > MOST_PAGES) this.pages.delete(old);
      this.plan();
    } catch (error) {
      if (this.stop.signal.aborted) return;
      this.error = error;
    } finally {
      this.busy.delete(page);
    }
    this.fill();
    this.changed();
  }

  /** While the server is still at it, ask for what is in view again. */
  plan() {
    clearTimeout(this.timer);
    if (this.facts.state !== "working") return;
    this.timer = setTimeout(() => {
      for (const page of this.wanted) {
        const known = this.pages.get(page);
        if (known && (page === this.wanted[1] || known.rows.length < PAGE)) known.stale = true;
      }
      this.fill();
    }, AGAIN_MS);
  }

  close() {
    clearTimeout(this.timer);
    this.stop.abort();
  }
}

/** The rows that a filter shows of a source, or of all; drawn again whenever more of them are there. `turn` starts over. */
export function useRows(job, filter, source, turn) {
  const [, setVersion] = useState(0);
  const rows = useMemo(
    () => new Rows(job.id, filter, source, () => setVersion((version) => version + 1)),
    [job.id, filter, source, turn],
  );
  useEffect(() => {
    rows.want(0, 0);
    return () => rows.close();
  }, [rows]);
  return rows;
}
