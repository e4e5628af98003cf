/** Packets over time of the sources whose captures have an index, for the lanes of the timeline. */

import { useEffect, useState } from "../dom.js";
import { api } from "../api.js";
import { store } from "../store.js";
import { MIN, fromRfc, toRfc } from "../time.js";

const WAIT_MS = 300;
/** As many as are drawn without scrolling; each costs its worker a look into the index. */
const MOST = 12;
/** A view is asked for again when an edge has moved by more than this part of it. */
const COARSE = 20;

/** Answers by source: `Map` of `{ length, buckets: [{ us, packets }] }`. Empty where no source can say. */
export function useTraffic(names, view) {
  const [traffic, setTraffic] = useState(new Map());
  const able = names.filter((name) => "indexed_files" in (store.state.sources.get(name)?.stats ?? {})).slice(0, MOST);
  const { after, before } = stretchOf(view);
  const wanted = JSON.stringify([able, after, before]);
  useEffect(() => {
    if (!able.length) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      // Many leave the page open all day: only those who look at it ask, again when the view has moved on.
      if (document.hidden) return;
      try {
        const answer = await api.timeline({ after: toRfc(after), before: toRfc(before), sources: able }, stop.signal);
        if (!stop.signal.aborted) setTraffic(read(answer));
      } catch {
        // The lanes say what each source has without it; the banner says when the server is away.
      }
    }, WAIT_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [wanted]);
  return traffic;
}

/** The stretch to ask for: the view on edges that do not move with each tick of the clock. Pure. */
export function stretchOf({ from, to }) {
  // The buckets of an index are a minute or longer.
  const near = Math.max(MIN, 2 ** Math.round(Math.log2(Math.max(1, (to - from) / COARSE))));
  return { after: Math.max(0, Math.floor(from / near) * near), before: Math.ceil(to / near) * near };
}

function read({ sources }) {
  return new Map(
    sources.map(({ source, bucket_s: length, buckets }) => [
      source,
      { length: length * 1e6, buckets: buckets.map(({ begins, packets }) => ({ us: fromRfc(begins), packets })) },
    ]),
  );
}

/** A path over a field of 1000 by 100 that is the view: a step for each bucket, by the square root of its packets, so
 *  that quiet minutes are seen beside busy ones. Pure. */
export function pathOf({ length, buckets }, view) {
  const most = Math.max(...buckets.map(({ packets }) => packets), 1);
  const scale = 1000 / (view.to - view.from);
  const x = (us) => Math.min(1000, Math.max(0, (us - view.from) * scale)).toFixed(1);
  return buckets
    .filter(({ us }) => us + length > view.from && us < view.to)
    .map(({ us, packets }) => {
      const top = 100 - Math.max(4, Math.sqrt(packets / most) * 100);
      return `M${x(us)} 100V${top.toFixed(1)}H${x(us + length)}V100z`;
    })
    .join("");
}
