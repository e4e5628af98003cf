/** All sources along one axis of time: how far back each reaches, and up to when it can be read. */

import { html, names as classes } from "../dom.js";
import { sensorOf } from "../ask/grouping.js";
import { Axis, Lane } from "../ask/lanes.js";
import { viewOfAll } from "../ask/scale.js";
import { named } from "../ask/timeline.js";
import { useTraffic } from "../ask/traffic.js";
import { Badge, Icon } from "../parts/icons.js";
import { useWindowed } from "../parts/windowed.js";
import { Link } from "../route.js";
import { useZone } from "../settings.js";
import { store, useNow, useStore } from "../store.js";
import { formatDuration, fromRfc } from "../time.js";
import { count, counted } from "../figures.js";
import { HEALTH, healthOf } from "./health.js";

const IN_VIEW = 10;

/**
 * `rows` as `rowsOf` makes them. `many`: they scroll, sensors are folded and unfolded with `onFold`, and each name
 * leads to the card of its source; `chosen` is the one that is shown.
 */
export function Reach({ rows, many, chosen, onFold, children }) {
  const nowUs = Math.round(useNow(5000) * 1000);
  const zone = useZone();
  const known = [...store.state.sources.values()];
  const view = viewOfAll(
    known.map((source) => fromRfc(source.oldest)),
    nowUs,
  );
  const inView = many ? IN_VIEW : rows.length;
  const list = useWindowed(rows.length, inView);
  const drawn = rows.slice(list.first, list.last);
  const traffic = useTraffic(named(drawn), view);
  const sizes = { "--rows": rows.length, "--in-view": Math.min(inView, rows.length), "--first": list.first };
  const wheel = (event) => many && list.box.current.scrollBy({ top: event.deltaY });
  return html`
    <section class="panel reach" aria-labelledby="reach-title">
      <header class="panel-head"><h2 id="reach-title">Coverage per source</h2>${children}</header>
      <div class=${classes("where", { "is-many": many })} style=${{ ...sizes, "--top": list.top }}>
        <div class="ticks" ref=${list.box} onScroll=${list.onScroll}>
          <div class="tick-field"><ul class="tick-rows">
            ${drawn.map((row) =>
              row.sensor
                ? html`<${Sensor} key=${row.key} row=${row} onFold=${() => onFold(row.sensor)} />`
                : html`<${Row} key=${row.key} row=${row} many=${many} isChosen=${row.name === chosen} />`,
            )}
          </ul></div>
        </div>
        ${
          rows.length > 0 &&
          html`<div class="timeline"><div class="lanes" onWheel=${wheel}>
            <div class="lane-window"><div class="lane-rows">
              ${drawn.map((row) => html`<${Lane} key=${row.key} row=${row} view=${view} nowUs=${nowUs}
                traffic=${traffic} />`)}
            </div></div>
            <${Axis} view=${view} zone=${zone} nowUs=${nowUs} />
          </div></div>`
        }
      </div>
      ${!rows.length && html`<p class="hint empty">No source matches.</p>`}
    </section>
  `;
}

/** All sources of a sensor in one row. */
function Sensor({ row, onFold }) {
  useStore((state) => state.presence);
  const members = row.names.map((name) => store.state.sources.get(name)).filter(Boolean);
  const down = members.filter((source) => healthOf(source) === HEALTH.offline).length;
  const faulty = members.filter((source) => healthOf(source) === HEALTH.faulty).length;
  return html`
    <li class="tick-row is-group" data-sensor=${row.sensor}>
      <button type="button" class="twist plain" aria-expanded=${row.open} aria-label=${`Sources of ${row.sensor}`}
        onClick=${onFold}><${Icon} name="chevron" /></button>
      <span class="tick-text">
        <span class="tick-name">${row.sensor} <span class="faint">${counted(members.length, "source")}</span></span>
        <span class="tick-says">
          ${down > 0 && html`<${Badge} of=${HEALTH.offline} /> <span>${count(down)} of ${count(members.length)}</span>`}
          ${faulty > 0 && html`<${Badge} of=${HEALTH.faulty} /> <span>${count(faulty)} of ${count(members.length)}</span>`}
          ${!down && !faulty && html`<span>All online</span>`}
        </span>
      </span>
    </li>
  `;
}

function Row({ row, many, isChosen }) {
  const { name } = row;
  const source = useStore((state) => state.sources.get(name));
  if (!source) return null;
  const health = healthOf(source);
  return html`
    <li class=${classes("tick-row", { "is-chosen": isChosen, "is-inner": row.inGroup })} data-sensor=${sensorOf(name)}>
      <span class="tick-text">
        <span class="tick-name">
          ${many ? html`<${Link} to=${`sources?source=${encodeURIComponent(name)}`}>${name}<//>` : name}
        </span>
        <span class="tick-says">
          ${health !== HEALTH.online && html`<${Badge} of=${health} /> `}<span>${reachOf(source)}</span>
        </span>
      </span>
    </li>
  `;
}

function reachOf(source) {
  const [oldest, edge] = [fromRfc(source.oldest), fromRfc(source.readable_until)];
  return oldest === null || edge === null ? "Not known" : formatDuration(Math.max(0, edge - oldest));
}
