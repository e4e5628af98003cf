/** The pages of a stream so far, one behind the other, fetched as they are wanted. */

import { useEffect, useState } from "../dom.js";
import { packets } from "./api.js";

const AGAIN_MS = 700;

/** `{ page, pieces, error, more, loading }`; `more` fetches the next page. */
export function useStream(job, how) {
  const wanted = [job.id, how.protocol, how.number, how.direction, how.format].join(" ");
  const [state, setState] = useState({ wanted, page: null, pieces: [], error: null });
  const [offset, setOffset] = useState({ wanted, at: 0 });
  const at = offset.wanted === wanted ? offset.at : 0;
  useEffect(() => {
    const stop = new AbortController();
    let timer = null;
    const load = () =>
      packets.stream(job.id, { ...how, offset: at }, stop.signal).then(
        (page) => {
          if (page.state === "working") timer = setTimeout(load, AGAIN_MS);
          setState((before) => {
            const kept = at > 0 && before.wanted === wanted ? before.pieces : [];
            return { wanted, page, pieces: [...kept, ...page.pieces], error: null };
          });
        },
        (error) => stop.signal.aborted || setState({ wanted, page: null, pieces: [], error }),
      );
    load();
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [wanted, at]);
  const current = state.wanted === wanted;
  const more = () => setOffset({ wanted, at: state.page.next });
  return {
    page: state.page,
    pieces: current ? state.pieces : [],
    error: current ? state.error : null,
    more,
    loading: current && state.page && at !== state.page.offset,
  };
}
