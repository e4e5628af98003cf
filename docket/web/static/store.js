/**
 * What the browser knows: jobs, sources and the state of the link, folded from the messages of the WebSocket
 * and the answers of the API. The only place that changes them; components subscribe through `useStore`.
 */

import { useEffect, useState } from "./dom.js";
import { KnownJobs } from "./known_jobs.js";
import { KnownSources } from "./known_sources.js";
import { isFinal } from "./words.js";

/** Components are notified of all changes together, at most so often. */
const PAUSE_MS = 40;

export function createStore(now = Date.now) {
  const jobs = new KnownJobs();
  const sources = new KnownSources();
  const state = {
    jobs: jobs.all,
    sources: sources.all,
    samples: sources.samples,
    errors: sources.errors,
    get names() {
      return sources.names;
    },
    get offline() {
      return sources.offline;
    },
    get faulty() {
      return sources.faulty;
    },
    get presence() {
      return sources.presence;
    },
    get owners() {
      return jobs.owners;
    },
    seq: null,
    user: "",
    loaded: false,
    link: { state: "connecting", lastHeard: null, retryAt: null },
    skewMs: 0,
  };
  const listeners = new Set();
  const watchers = new Set();
  let planned = false;
  let notifiedMs = -PAUSE_MS;

  function changed() {
    if (planned) return;
    planned = true;
    setTimeout(notify, Math.max(0, notifiedMs + PAUSE_MS - performance.now()));
  }

  function notify() {
    planned = false;
    notifiedMs = performance.now();
    for (const listener of [...listeners]) listener();
  }

  /** Keep a job that was asked for, and is no event: what is known may be newer. */
  function keepAsked(job) {
    const known = state.jobs.get(job.id);
    jobs.keep(known && isBehind(job, known) ? { ...known, events: job.events ?? known.events } : job);
  }

  function takeSnapshot(message) {
    if (message.time) state.skewMs = Date.parse(message.time) - now();
    state.seq = message.seq ?? state.seq;
    state.user = message.user ?? "";
    for (const job of [...(message.jobs ?? [])].reverse()) keepAsked(job);
    if (message.sources) sources.replace(message.sources);
    state.loaded = true;
    for (const watcher of [...watchers]) watcher({ event: "snapshot" });
  }

  function takeEvent(message) {
    if (message.seq != null) {
      if (state.seq != null && message.seq <= state.seq) return;
      state.seq = message.seq;
    }
    const before = message.job ? state.jobs.get(message.job.id) : undefined;
    if (message.job) {
      const job = jobs.keep(message.job);
      if (message.seq != null && before?.events) addToStory(job, message, before);
    }
    if (message.event === "source.forgotten") sources.forget(message.source.name);
    else if (message.source) sources.keep(message.source);
    if (message.event === "job.rejected") state.jobs.delete(message.job_id);
    for (const watcher of [...watchers]) watcher({ ...message, before });
  }

  /** The message carries the whole job; whose answer it brings is seen by comparing. */
  function addToStory(job, message, before) {
    const { seq, event, at, reason, user, annotation } = message;
    if (job.events.some((known) => known.seq === seq)) return;
    const old = new Map(before.sources.map((source) => [source.name, source]));
    const differ = (fact) =>
      job.sources.filter((source) => source[fact] && old.get(source.name)?.[fact] !== source[fact]);
    const judged = differ("verdict");
    const answers = judged.length ? judged : differ("sentence");
    job.events = [...job.events, { seq, name: event, at, reason, user, answers, annotation }];
  }

  return {
    state,
    /** Take one message of the WebSocket. */
    receive(message) {
      state.link = { ...state.link, lastHeard: now() };
      if (message.type === "snapshot") takeSnapshot(message);
      else if (message.type === "event") takeEvent(message);
      changed();
    },
    setLink(link) {
      state.link = { ...state.link, ...link };
      changed();
    },
    /** Take a job from an answer of the API, unless the WebSocket was faster. */
    putJob(job) {
      keepAsked(job);
      changed();
    },
    /** Take a source away that is asked no more. */
    dropSource(name) {
      sources.forget(name);
      changed();
    },
    /** The server's idea of now, in milliseconds. */
    now: () => now() + state.skewMs,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    /** Have each single event, with the job as it was before. */
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/**
 * Whether a job comes as it was before. Progress is not in the ledger, which a server reads after a restart, so
 * a job may come with less than is known already.
 */
function isBehind(job, known) {
  if (isFinal(job.state)) return false;
  if (isFinal(known.state)) return known.revision >= job.revision;
  if (job.revision !== known.revision) return false;
  const before = new Map(known.sources.map((source) => [source.name, source]));
  return job.sources.every(({ name, verdict, attempt, packets }) => {
    const old = before.get(name);
    if (!old || (verdict && verdict !== old.verdict)) return false;
    return attempt < old.attempt || (attempt === old.attempt && packets <= old.packets);
  });
}

export const store = createStore();

/** Draw again when what `select` returns has changed (compared by identity). */
export function useStore(select) {
  const [, setVersion] = useState(0);
  const selected = select(store.state);
  useEffect(() => {
    let shown = selected;
    const look = () => {
      const news = select(store.state);
      if (news === shown) return;
      shown = news;
      setVersion((version) => version + 1);
    };
    // What changed between drawing and now reached no listener.
    look();
    return store.subscribe(look);
  });
  return selected;
}

export const useLive = () => useStore((state) => state.link.state === "live");

/** The server's time, drawn again every `everyMs` (for ages and counts of seconds). */
export function useNow(everyMs = 1000) {
  const [time, setTime] = useState(store.now);
  useEffect(() => {
    const timer = setInterval(() => setTime(store.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return time;
}
