/** An answer that takes long: asked for again until its state is no longer "working". */

import { useEffect, useState } from "../dom.js";

const AGAIN_MS = 1000;

/** `{ answer, error }`; `ask` takes a signal to stop with, and is asked again when one of `keys` changes. */
export function useUntilDone(ask, keys) {
  const [found, setFound] = useState({ answer: null, error: null });
  useEffect(() => {
    const stop = new AbortController();
    let timer = null;
    const load = () =>
      ask(stop.signal).then(
        (answer) => {
          if (stop.signal.aborted) return;
          setFound({ answer, error: null });
          if (answer.state === "working") timer = setTimeout(load, AGAIN_MS);
        },
        (error) => stop.signal.aborted || setFound({ answer: null, error }),
      );
    load();
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, keys);
  return found;
}
