/** One row of the sources to ask: a source, or all sources of a sensor, with what can be said about the window. */

import { html, names as classes } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { formatClock, formatDay, fromRfc, inZone, wholeSecond } from "../time.js";
import { useZone } from "../settings.js";
import { store, useStore } from "../store.js";
import { count, counted } from "../figures.js";
import { ticksOf } from "./grouping.js";
import { gapsOf } from "./holes.js";

const LOOKS = {
  full: { icon: "check", tone: "good" },
  part: { icon: "half", tone: "warn" },
  gap: { icon: "gap", tone: "warn" },
  "not-yet": { icon: "clock", tone: "idle" },
  "aged-out": { icon: "archive", tone: "warn" },
  offline: { icon: "unplug", tone: "bad" },
};
const UNKNOWN = { icon: "info", tone: "idle" };

/** How the sources of a sensor are counted, the worst first. */
const COUNTED = [
  ["offline", "offline"],
  ["aged-out", "too young for the window"],
  ["part", "with a part of the window"],
  ["gap", "with a gap"],
  ["not-yet", "not on disk yet"],
  ["full", "with the whole window"],
  ["unknown", "not known"],
];

export function SourceRow({ row, says, known, wait, ...rest }) {
  const Says = row.sensor ? GroupSays : SourceSays;
  return html`<${Row} row=${row} ...${rest}><${Says} row=${row} says=${says} known=${known} wait=${wait} /><//>`;
}

function Row({ row, chosen, choice, isTab, onTick, onOnly, onFold, children }) {
  const members = row.names ?? [row.name];
  const ticks = ticksOf(members, chosen);
  const name = row.sensor ?? row.name;
  const look = { "is-off": ticks === "none", "is-group": row.sensor, "is-inner": row.inGroup };
  return html`
    <div class=${classes("tick-row", look)}>
      ${
        row.sensor &&
        html`<button type="button" class="twist plain" aria-expanded=${row.open} tabindex=${isTab ? 0 : -1}
          aria-label=${`Sources of ${name}`} onClick=${onFold}><${Icon} name="chevron" /></button>`
      }
      <label class="tick-label">
        <input type="checkbox" checked=${ticks === "all"} indeterminate=${ticks === "some"} tabindex=${isTab ? 0 : -1}
          onChange=${() => onTick(members, ticks !== "all")} />
        <span class="tick-text">
          <span class="tick-name">${name}${row.sensor && html` <span class="faint">${counted(members.length, "source")}</span>`}</span>
          ${children}
        </span>
      </label>
      ${
        choice &&
        html`<button type="button" class="only link" tabindex="-1" aria-label=${`Only ${name}`}
          onClick=${() => onOnly(members)}>only</button>`
      }
    </div>
  `;
}

function Says({ look, known, text, title }) {
  return html`
    <span class=${classes(`tick-says tone-${look.tone}`, { "is-stale": !known })} title=${title ?? text}>
      ${text && html`<${Icon} name=${look.icon} />`}<span>${text}</span>
    </span>
  `;
}

function SourceSays({ row, says, known, wait }) {
  const zone = useZone();
  const source = useStore((state) => state.sources.get(row.name));
  const answer = says.get(row.name);
  const offline = source?.state !== "online";
  const text = offline ? offlineText(source, answer) : answer ? coverageText(answer, zone, wait, source) : "";
  const state = text.startsWith("Gap ") ? "gap" : answer?.state;
  const look = LOOKS[offline ? "offline" : state] ?? UNKNOWN;
  return html`<${Says} look=${look} known=${known} text=${text} title=${inZone(answer?.sentence, zone)} />`;
}

function GroupSays({ row, says, known }) {
  useStore((state) => state.presence);
  const counts = {};
  for (const name of row.names) {
    const state = store.state.sources.get(name)?.state === "online" ? (says.get(name)?.state ?? "unknown") : "offline";
    counts[state] = (counts[state] ?? 0) + 1;
  }
  const kinds = COUNTED.filter(([state]) => counts[state]);
  const text = kinds.map(([state, words]) => `${counts[state]} ${words}`).join(", ");
  return html`<${Says} look=${LOOKS[kinds[0]?.[0]] ?? UNKNOWN} known=${known} text=${text} />`;
}

const offlineText = (source, says) =>
  source?.error ? `Offline: ${source.error}` : says?.state === "offline" ? says.sentence : "Offline";

/** Coverage in few words and in the reader's zone; the server's sentence, in UTC, says the same at length. */
function coverageText(says, zone, wait, source) {
  const time = (us) => shortTime(us, zone);
  const gap = gapText(gapsOf(source), fromRfc(says.from), fromRfc(says.until), time);
  const rest = reachText(says, (text) => time(fromRfc(text)), wait);
  if (says.state === "gap") return gap ?? inZone(says.sentence, zone);
  return gap && rest ? `${gap}; ${rest[0].toLowerCase()}${rest.slice(1)}` : (rest ?? says.sentence);
}

/** What of the window it has, gaps aside; null where only the server has words for it. */
function reachText(says, time, wait) {
  switch (says.state) {
    case "full":
      return "Has the whole window";
    case "part":
      return `Has packets from ${time(says.from)} on`;
    case "not-yet":
      return (
        (says.until ? `On disk up to ${time(says.until)}` : "Not on disk yet") +
        (wait ? "; the job waits" : "; the rest will be missing")
      );
    case "aged-out":
      return "The window is older than its oldest packet";
    default:
      return null;
  }
}

/** The first gap between two instants, and how many more there are; null where there is none. */
function gapText(gaps, after, before, time) {
  const inside = gaps.filter(({ from, to }) => from < before && to > after);
  if (!inside.length) return null;
  const more = inside.length > 1 ? ` and ${count(inside.length - 1)} more` : "";
  return `Gap from ${time(Math.max(inside[0].from, after))} to ${time(Math.min(inside[0].to, before))}${more}`;
}

function shortTime(us, zone) {
  const today = formatDay(Math.round(store.now() * 1000), zone);
  const day = formatDay(us, zone);
  return (day === today ? "" : day.slice(5) + " ") + formatClock(wholeSecond(us), zone);
}
