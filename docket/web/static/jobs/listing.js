/**
 * One page of the list of jobs, as the server filters and sorts it, kept up to date by events. Jobs that are
 * new are held back while a hand is on the table, so that nothing moves under it.
 */

import { useEffect, useRef, useState } from "../dom.js";
import { api } from "../api.js";
import { store, useLive } from "../store.js";
import { matches } from "./filters.js";

export const PAGE_SIZE = 50;
const MOST_ROWS = 4 * PAGE_SIZE;
const TYPING_MS = 200;

const NOTHING = { ids: [], kept: new Map(), total: null, next: null, loading: true, error: null, held: [] };

/** `{ ids, job(id), total, next, loading, error, held, page, turn(forward), restart() }`; `restart` loads page one. */
export function useListing(filters, isBusy) {
  const [list, setList] = useState(NOTHING);
  const [cursors, setCursors] = useState([""]);
  const [version, setVersion] = useState(0);
  const cursor = cursors[cursors.length - 1];
  const key = JSON.stringify(filters);
  const live = useLive();
  const state = useRef();
  const typed = useRef(filters.text);
  state.current = { filters, isBusy, cursor };

  useEffect(() => {
    const stop = new AbortController();
    const load = async () => {
      setList((before) => ({ ...before, loading: true }));
      try {
        const answer = await api.jobs({ ...filters, limit: PAGE_SIZE, cursor }, stop.signal);
        setList(withMissed(pageOf(answer), state.current));
      } catch (error) {
        if (!stop.signal.aborted) setList((before) => ({ ...before, loading: false, error }));
      }
    };
    const timer = setTimeout(load, typed.current === filters.text ? 0 : TYPING_MS);
    typed.current = filters.text;
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, cursor, version]);

  useEffect(() => {
    let known = store.state.loaded;
    return store.watch(({ event, job, before }) => {
      if (event === "snapshot" && known) setVersion((count) => count + 1);
      else if (event === "snapshot")
        setList((shown) => (shown.loading || shown.error ? shown : withMissed(shown, state.current)));
      known = true;
      if (job) setList((shown) => withNews(shown, job, event, before, state.current));
    });
  }, []);

  useEffect(() => {
    if (live && list.error) setVersion((count) => count + 1);
  }, [live]);

  const job = (id) => store.state.jobs.get(id) ?? list.kept.get(id);
  const turn = (forward) => setCursors((known) => (forward ? [...known, list.next] : known.slice(0, -1)));
  const restart = () => {
    setCursors([""]);
    setVersion((count) => count + 1);
  };
  return { ...list, job, page: cursors.length, turn, restart };
}

function pageOf(answer) {
  for (const job of answer.jobs) store.putJob(job);
  return {
    ids: answer.jobs.map((job) => job.id),
    kept: new Map(answer.jobs.map((job) => [job.id, job])),
    total: answer.total ?? null,
    next: answer.cursor ?? null,
    loading: false,
    error: null,
    held: [],
  };
}

/** The list with the jobs that became known while its answer was on the way, or before the link was up. */
function withMissed(shown, state) {
  if (state.cursor || state.filters.sort) return shown;
  const newest = shown.ids.reduce((latest, id) => later(latest, shown.kept.get(id).created_at), "");
  return [...store.state.jobs.values()]
    .filter((job) => job.created_at > newest)
    .sort((one, other) => (one.created_at < other.created_at ? -1 : 1))
    .reduce((list, job) => withNews(list, job, "job.requested", undefined, state), shown);
}

const later = (one, other) => (one > other ? one : other);

/** The list after an event: a new job that belongs here goes on top, or waits while the table is in use. */
function withNews(shown, job, event, before, { filters, isBusy, cursor }) {
  if (shown.ids.includes(job.id) || shown.held.includes(job.id)) return shown;
  const isNew = event === "job.requested" || (!before && event !== "job.progress") || filters.state;
  if (!isNew || !matches(job, filters)) return shown;
  const total = shown.total === null ? null : shown.total + 1;
  const kept = new Map(shown.kept).set(job.id, job);
  if (isBusy() || cursor || filters.sort || shown.ids.length >= MOST_ROWS)
    return { ...shown, kept, total, held: [job.id, ...shown.held] };
  return { ...shown, kept, total, ids: [job.id, ...shown.ids] };
}
