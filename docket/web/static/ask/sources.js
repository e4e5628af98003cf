/** The sources to ask, ticked or not, each with what it can say about the window. */

import { html, names } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { formatClock, formatDay, fromRfc, wholeSecond } from "../time.js";
import { useZone } from "../settings.js";
import { store } from "../store.js";
import { changeDraft } from "./draft.js";

const LOOKS = {
  full: { icon: "check", tone: "good" },
  part: { icon: "half", tone: "warn" },
  "not-yet": { icon: "clock", tone: "idle" },
  "aged-out": { icon: "archive", tone: "warn" },
  offline: { icon: "unplug", tone: "bad" },
};
const UNKNOWN = { icon: "info", tone: "idle" };

export function SourceTicks({ sources, chosen, coverage, known, wait }) {
  const all = sources.map((source) => source.name);
  const toggle = (name) => {
    const now = chosen ?? all;
    const next = now.includes(name) ? now.filter((other) => other !== name) : [...now, name];
    changeDraft({ sources: all.every((other) => next.includes(other)) ? null : next });
  };
  return html`
    <fieldset class="ticks">
      <legend class="visually-hidden">Sources to ask</legend>
      ${sources.map((source) => {
        const says = coverage?.find((one) => one.source === source.name);
        return html`<${Tick} key=${source.name} source=${source} says=${says} known=${known} wait=${wait}
          ticked=${!chosen || chosen.includes(source.name)} onToggle=${() => toggle(source.name)} />`;
      })}
    </fieldset>
  `;
}

function Tick({ source, says, known, wait, ticked, onToggle }) {
  const zone = useZone();
  const offline = source.state !== "online";
  const state = offline ? "offline" : says?.state;
  const look = LOOKS[state] ?? UNKNOWN;
  const text = offline ? offlineText(source, says) : says ? coverageText(says, zone, wait) : "";
  return html`
    <label class=${names("tick-row", { "is-off": !ticked })}>
      <input type="checkbox" checked=${ticked} onChange=${onToggle} />
      <span class="tick-text">
        <span class="tick-name">${source.name}</span>
        <span class=${names(`tick-says tone-${look.tone}`, { "is-stale": !known })} title=${says?.sentence ?? text}>
          ${text && html`<${Icon} name=${look.icon} />`}<span>${text}</span>
        </span>
      </span>
    </label>
  `;
}

const offlineText = (source, says) =>
  source.error ? `Offline: ${source.error}` : says?.state === "offline" ? says.sentence : "Offline";

/** Coverage in few words and in the reader's zone; the server's sentence, in UTC, says the same at length. */
function coverageText(says, zone, wait) {
  const time = (text) => shortTime(fromRfc(text), zone);
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
      return says.sentence;
  }
}

function shortTime(us, zone) {
  const today = formatDay(Math.round(store.now() * 1000), zone);
  const day = formatDay(us, zone);
  return (day === today ? "" : day.slice(5) + " ") + formatClock(wholeSecond(us), zone);
}
