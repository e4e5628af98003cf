/** Asks the server what a draft means while it is being written: canonical text, sentence, coverage or faults. */

import { useEffect, useState } from "../dom.js";
import { ApiError, api } from "../api.js";
import { useLive } from "../store.js";
import { toQuestion } from "./draft.js";

const WAIT_MS = 250;
const MOST_PLANS = 4;

/** The newest answer of `query/check` and the question it belongs to: `{ ok, …, question }` or null. Asked again
 *  when a source comes or goes (`presence` is another number then), since its coverage is another. */
export function useCheck(draft, presence) {
  const [answer, setAnswer] = useState(null);
  const question = JSON.stringify(toQuestion(draft));
  const live = useLive();
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const asked = JSON.parse(question);
      const found = await ask(asked, stop.signal);
      if (found && !stop.signal.aborted) setAnswer({ ...found, question: asked, key: question });
    }, WAIT_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [question, live, presence]);
  return { answer, current: answer?.key === question };
}

async function ask(question, signal) {
  try {
    return await api.check(question, signal);
  } catch (error) {
    // Without a connection there is no answer; the banner says so already.
    if (!(error instanceof ApiError) || error.status === 0) return null;
    return { ok: false, errors: error.errors };
  }
}

/** What is worth knowing of a question without faults: why nothing can match, what is read for it, how times were read. */
export function notesOf({ hints = [], plans = [], window }) {
  const read = plans.filter((plan) => plan.kept || plan.reads_everything).map((plan) => plan.sentence);
  return [...new Set([...hints, ...read.slice(0, MOST_PLANS), ...(window?.notes ?? [])])];
}

/** Faults of one field or of the fields that begin with it: "limits" finds "limits.bytes". */
export function faultsOf(errors, ...fields) {
  return (errors ?? []).filter((fault) =>
    fields.some((field) => fault.field === field || fault.field?.startsWith(field + ".")),
  );
}
