/** All sources along one axis of time: how far back each reaches, and up to when it can be read. */

import { html, names as classes } from "../dom.js";
import { sensorOf } from "../ask/grouping.js";
import { Axis, Lane } from "../ask/lanes.js";
import { viewOfAll } from "../ask/scale.js";
import { Badge } from "../parts/icons.js";
import { useWindowed } from "../parts/windowed.js";
import { Link } from "../route.js";
import { useZone } from "../settings.js";
import { store, useNow, useStore } from "../store.js";
import { formatDuration, fromRfc } from "../time.js";
import { HEALTH } from "./health.js";

const IN_VIEW = 10;

/** `many`: rows scroll, and each name leads to the card of its source; `chosen` is the one that is shown. */
export function Reach({ names, many, chosen, children }) {
  const nowUs = Math.round(useNow(5000) * 1000);
  const zone = useZone();
  const known = [...store.state.sources.values()];
  const view = viewOfAll(
    known.map((source) => fromRfc(source.oldest)),
    nowUs,
  );
  const inView = many ? IN_VIEW : names.length;
  const list = useWindowed(names.length, inView);
  const drawn = names.slice(list.first, list.last);
  const sizes = { "--rows": names.length, "--in-view": Math.min(inView, names.length), "--first": list.first };
  const wheel = (event) => many && list.box.current.scrollBy({ top: event.deltaY });
  return html`
    <section class="panel reach" aria-labelledby="reach-title">
      <header class="panel-head"><h2 id="reach-title">Coverage per source</h2>${children}</header>
      <div class=${classes("where", { "is-many": many })} style=${{ ...sizes, "--top": list.top }}>
        <div class="ticks" ref=${list.box} onScroll=${list.onScroll}>
          <div class="tick-field"><ul class="tick-rows">
            ${drawn.map((name) => html`<${Row} key=${name} name=${name} many=${many} isChosen=${name === chosen} />`)}
          </ul></div>
        </div>
        ${
          names.length > 0 &&
          html`<div class="timeline"><div class="lanes" onWheel=${wheel}>
            <div class="lane-window"><div class="lane-rows">
              ${drawn.map((name) => html`<${Lane} key=${name} row=${{ name }} view=${view} nowUs=${nowUs} />`)}
            </div></div>
            <${Axis} view=${view} zone=${zone} nowUs=${nowUs} />
          </div></div>`
        }
      </div>
      ${!names.length && html`<p class="hint empty">No source matches.</p>`}
    </section>
  `;
}

function Row({ name, many, isChosen }) {
  const source = useStore((state) => state.sources.get(name));
  if (!source) return null;
  const health = HEALTH[source.state] ?? HEALTH.offline;
  return html`
    <li class=${classes("tick-row", { "is-chosen": isChosen })} data-sensor=${sensorOf(name)}>
      <span class="tick-text">
        <span class="tick-name">
          ${many ? html`<${Link} to=${`sources?source=${encodeURIComponent(name)}`}>${name}<//>` : name}
        </span>
        <span class="tick-says">
          ${source.state !== "online" && html`<${Badge} of=${health} /> `}<span>${reachOf(source)}</span>
        </span>
      </span>
    </li>
  `;
}

function reachOf(source) {
  const [oldest, edge] = [fromRfc(source.oldest), fromRfc(source.readable_until)];
  return oldest === null || edge === null ? "Not known" : formatDuration(Math.max(0, edge - oldest));
}
