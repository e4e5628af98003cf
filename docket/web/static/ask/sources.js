/** The sources to ask, ticked or not, each with what it can say about the window. */

import { html, names } from "../dom.js";
import { Icon } from "../parts/icons.js";
import { changeDraft } from "./draft.js";

/** How the states of coverage look; anything unknown is shown as information. */
const COVERAGE = {
  full: { icon: "check", tone: "good" },
  part: { icon: "half", tone: "warn" },
  "not-yet": { icon: "clock", tone: "idle" },
  "aged-out": { icon: "archive", tone: "warn" },
  offline: { icon: "unplug", tone: "bad" },
};

export function SourceTicks({ sources, chosen, coverage, known }) {
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
        return html`<${Tick} key=${source.name} source=${source} says=${says} known=${known}
          ticked=${!chosen || chosen.includes(source.name)} onToggle=${() => toggle(source.name)} />`;
      })}
    </fieldset>
  `;
}

function Tick({ source, says, known, ticked, onToggle }) {
  const offline = source.state !== "online";
  const look = COVERAGE[says?.state] ?? (offline ? COVERAGE.offline : { icon: "info", tone: "idle" });
  const sentence = says?.sentence ?? (offline ? "Not connected." : "");
  return html`
    <label class=${names("tick-row", { "is-off": !ticked })}>
      <input type="checkbox" checked=${ticked} onChange=${onToggle} />
      <span class="tick-text">
        <span class="tick-name">${source.name}</span>
        <span class=${names(`tick-says tone-${look.tone}`, { "is-stale": !known })} title=${sentence}>
          ${sentence && html`<${Icon} name=${look.icon} />`}<span>${sentence}</span>
        </span>
      </span>
    </label>
  `;
}
