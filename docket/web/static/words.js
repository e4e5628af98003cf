/** States and verdicts in words, icons and tones, and the sentences that are made of them. Pure. */

import { counted, percent } from "./figures.js";

/** `tone` names a colour in the stylesheet; the word and the icon always stand beside it. */
export const STATES = {
  queued: { word: "Queued", icon: "clock", tone: "idle" },
  running: { word: "Running", icon: "run", tone: "busy" },
  completed: { word: "Complete", icon: "check", tone: "good" },
  partial: { word: "Partial", icon: "half", tone: "warn" },
  failed: { word: "Failed", icon: "cross", tone: "bad" },
  cancelled: { word: "Cancelled", icon: "stop", tone: "idle" },
  expired: { word: "Expired", icon: "archive", tone: "idle" },
};

export const VERDICTS = {
  complete: { word: "Complete", icon: "check", tone: "good" },
  empty: { word: "Empty", icon: "zero", tone: "good" },
  limited: { word: "Limited", icon: "limit", tone: "warn" },
  gap: { word: "Gap", icon: "gap", tone: "warn" },
  cut: { word: "Cut", icon: "cut", tone: "warn" },
  "aged-out": { word: "Aged out", icon: "archive", tone: "warn" },
  "not-yet": { word: "Not yet", icon: "clock", tone: "warn" },
  refused: { word: "Refused", icon: "cross", tone: "bad" },
  unreachable: { word: "Unreachable", icon: "unplug", tone: "bad" },
  "timed-out": { word: "Timed out", icon: "timer", tone: "bad" },
  cancelled: { word: "Cancelled", icon: "stop", tone: "idle" },
};

const UNKNOWN = { word: "Unknown", icon: "info", tone: "idle" };
const FINAL = new Set(["completed", "partial", "failed", "cancelled", "expired"]);
const FULL = new Set(["complete", "empty"]);

export const isFinal = (state) => FINAL.has(state);
export const isFull = (verdict) => FULL.has(verdict);
export const stateOf = (job) =>
  isDeleted(job) ? { ...STATES.expired, word: "Deleted" } : (STATES[job.state] ?? { ...UNKNOWN, word: job.state });

/** Whether a user removed the file, rather than age or a lack of space. */
export const isDeleted = (job) => job.state === "expired" && /^deleted\b/.test(job.reason ?? "");

/** What a source is doing or has said: a verdict, or that it is still reading or waiting. */
export function answerOf(source, job) {
  if (source.verdict) return VERDICTS[source.verdict] ?? { ...UNKNOWN, word: source.verdict };
  if (isFinal(job.state)) return { word: "No answer", icon: "info", tone: "idle" };
  if (source.attempt > 0) return { word: "Reading", icon: "run", tone: "busy" };
  return { word: "Waiting", icon: "clock", tone: "idle" };
}

/** How far a job is, 0 to 1: the mean of its sources, each done once it has its verdict. */
export function progressOf(job) {
  if (isFinal(job.state)) return 1;
  if (!job.sources.length) return 0;
  return job.sources.reduce((sum, source) => sum + (source.verdict ? 1 : source.progress), 0) / job.sources.length;
}

/** Asking again hardly mends these: gone from the disk, or beyond the limit. What was not recorded is never asked again. */
const LASTING = new Set(["aged-out", "limited"]);

export const shortfall = (job) => job.sources.filter((source) => !isFull(source.verdict));
/** Those of the sources that fell short for which a retry may help. */
export const mendable = (job) => shortfall(job).filter(({ verdict }) => verdict !== "gap" && !LASTING.has(verdict));
/** The sources that a retry asks: those of lasting verdicts only where there are no others. */
export function worthRetrying(job) {
  const better = mendable(job);
  return better.length ? better : shortfall(job).filter(({ verdict }) => verdict !== "gap");
}
export const canDownload = (job) =>
  job.state !== "expired" && (job.pcap !== null || (!isFinal(job.state) && job.packets > 0));
export const canRetry = (job) => isFinal(job.state) && job.state !== "completed" && job.state !== "expired" && worthRetrying(job).length > 0;
export const canCancel = (job) => !isFinal(job.state);
export const canDelete = (job) => isFinal(job.state) && job.state !== "expired";

const ofSources = (job) => {
  const all = job.sources.length;
  return `${job.sources.filter((source) => isFull(source.verdict)).length} of ${all} source${all === 1 ? "" : "s"}`;
};

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** By what a refined job was refined, in a few words; empty for others. */
export function refinedBy({ parent, refine, query }) {
  if (!parent) return "";
  const { sender, sources } = refine ?? {};
  const parts = [
    query,
    refine?.filter,
    refine?.bpf,
    sender && `from ${sender.address}${sender.port ? `, port ${sender.port}` : ""}`,
    sources?.length && `of ${sources.join(" and ")}`,
    (refine?.drop_duplicates_ms > 0 || refine?.drop_tap_duplicates_ms > 0) && "without duplicates",
    refine?.snaplen > 0 && `at most ${refine.snaplen} bytes each`,
  ];
  return parts.filter(Boolean).join("; ");
}

/** What a job asks for: its query, or by what it was refined. */
export const askedOf = (job) =>
  job.parent ? `Refined: ${refinedBy(job) || "a window"}` : job.query || "every packet";

/** One job's headline in plain words. */
export function headline(job) {
  const packets = counted(job.packets, "packet");
  switch (job.state) {
    case "queued":
      return `Queued: waiting for ${counted(job.sources.length, "source")} to begin`;
    case "running":
      return `Running: ${packets} so far, ${percent(progressOf(job))} of the window read`;
    case "completed":
      if (job.parent) return `Complete: ${packets} kept of another result, refined by ${refinedBy(job) || "its window"}`;
      return job.packets
        ? `Complete: ${packets} from ${ofSources(job)}, exactly the window`
        : `Complete: no packet matched, and ${ofSources(job)} had the whole window`;
    case "partial":
      return job.sources.some((source) => isFull(source.verdict))
        ? `Partial: ${packets}; only ${ofSources(job)} answered in full`
        : `Partial: ${packets}; no source answered in full`;
    case "failed":
      return "Failed: no source gave a usable answer";
    case "cancelled":
      return job.packets ? `Cancelled: ${packets} had arrived` : "Cancelled before any packet arrived";
    case "expired":
      if (isDeleted(job)) return `${capital(job.reason)}: the file with ${packets} is gone, the record stays`;
      return `Expired: the file with ${packets} has been removed, the record stays`;
    default:
      return `${job.state}: ${packets}`;
  }
}

/** The event names of a job's story. */
export const EVENTS = {
  "job.requested": { word: "Asked", icon: "ask", tone: "idle" },
  "job.started": { word: "Started", icon: "run", tone: "busy" },
  "job.source": { word: "Sources:", icon: "source", tone: "idle" },
  "job.completed": { word: "Completed", icon: "check", tone: "good" },
  "job.partial": { word: "Closed, partial", icon: "half", tone: "warn" },
  "job.failed": { word: "Failed", icon: "cross", tone: "bad" },
  "job.cancelled": { word: "Cancelled", icon: "stop", tone: "idle" },
  "job.expired": { word: "File removed", icon: "archive", tone: "idle" },
  "job.rejected": { word: "Rejected", icon: "cross", tone: "bad" },
  "job.annotated": { word: "Written on", icon: "edit", tone: "idle" },
  "job.inspected": { word: "Inspected", icon: "search", tone: "idle" },
};

export const eventOf = (name) => EVENTS[name] ?? { ...UNKNOWN, word: name };
