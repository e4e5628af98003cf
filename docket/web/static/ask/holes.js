/** Where sources show no sign of recording: stretches to be drawn as holes in their lanes. Pure. */

import { fromRfc } from "../time.js";

/** Of a view: holes nearer to each other than this are drawn as one, and none is narrower. */
const FINEST = 1 / 400;

/** Times are read once for each news of a source; a lane is drawn far more often. */
const read = new WeakMap();

/** The gaps of a source, `[{ from, to, reason }]`, in order of time. */
export function gapsOf(source) {
  if (!read.has(source)) {
    const gaps = (source.gaps ?? []).map(({ from, until, reason }) => ({
      from: fromRfc(from),
      to: fromRfc(until),
      reason,
    }));
    read.set(source, gaps);
  }
  return read.get(source);
}

/** What is to be drawn of these sources in a view: `[{ from, to }]`, apart from each other and wide enough to see. */
export function holesOf(sources, view) {
  const least = (view.to - view.from) * FINEST;
  const holes = [];
  const inView = sources
    .flatMap(gapsOf)
    .filter(({ from, to }) => to > view.from && from < view.to)
    .sort((one, other) => one.from - other.from);
  for (const { from, to } of inView) {
    const end = Math.max(to, from + least);
    const last = holes.at(-1);
    if (last && from - last.to < least) last.to = Math.max(last.to, end);
    else holes.push({ from, to: end });
  }
  return holes;
}
