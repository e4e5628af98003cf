/** The summary of a job's result, asked for again while the inspector is at it. */

import { useEffect, useState } from "../dom.js";
import { store, useLive } from "../store.js";
import { packets } from "./api.js";

const AGAIN_MS = 1000;

/** `{ summary, error, again }`; both are null at first. */
export function useSummary(job) {
  const [found, setFound] = useState({ summary: null, error: null });
  const [turn, setTurn] = useState(0);
  const live = useLive();
  const again = () => setTurn((before) => before + 1);
  const wasCut = live && found.error?.status === 0;
  useEffect(() => {
    const stop = new AbortController();
    let timer = null;
    const load = async () => {
      clearTimeout(timer);
      try {
        const summary = await packets.summary(job.id, stop.signal);
        setFound({ summary, error: null });
        if (summary.state === "working") timer = setTimeout(load, AGAIN_MS);
      } catch (error) {
        if (!stop.signal.aborted) setFound((before) => ({ summary: before.summary, error }));
      }
    };
    load();
    const unwatch = store.watch(({ event, job: inspected }) => event === "job.inspected" && inspected?.id === job.id && load());
    return () => {
      clearTimeout(timer);
      unwatch();
      stop.abort();
    };
  }, [job.id, job.pcap.sha256, turn, wasCut]);
  return { ...found, again };
}
