/** The conversations that are wanted: from the server, which has all of them, or from the summary until it answers. */

import { useEffect, useState } from "../dom.js";
import { packets } from "./api.js";

export const PAGE = 50;
const TYPING_MS = 250;

/** `{ rows, total, error, more }`; a row is `{ conversation, duration_s, community_id }`. */
export function useConversations(job, summary, wanted) {
  const key = JSON.stringify(wanted);
  const [state, setState] = useState({ key: null, rows: [], total: 0, offset: 0 });
  const [want, setWant] = useState({ key, offset: 0 });
  const offset = want.key === key ? want.offset : 0;
  useEffect(() => {
    const stop = new AbortController();
    const load = async () => {
      try {
        let answer;
        // The server waits some seconds itself before it says that it is still counting.
        do answer = await packets.conversations(job.id, { ...wanted, offset, limit: PAGE }, stop.signal);
        while (answer.state === "working" && !stop.signal.aborted);
        setState((before) => ({
          key,
          rows: [...(offset && before.key === key ? before.rows : []), ...answer.conversations],
          total: answer.total,
          of: answer.of,
        }));
      } catch (error) {
        if (!stop.signal.aborted) setState((before) => ({ ...before, error }));
      }
    };
    const timer = setTimeout(load, wanted.text && !offset ? TYPING_MS : 0);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, offset, summary.sha256]);
  const isPlain = !wanted.text && wanted.by === "conversation" && wanted.sort === "-bytes";
  if (state.key === null && isPlain) {
    const rows = summary.conversations.slice(0, PAGE).map((conversation) => ({ conversation }));
    return { rows, total: summary.conversation_count, more: null };
  }
  const isMore = state.rows.length < state.total && !state.error;
  return { ...state, more: isMore ? () => setWant({ key, offset: state.rows.length }) : null };
}
