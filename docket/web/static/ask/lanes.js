/** Lanes along a common axis of time that show what sources have. Pictures only: words beside them say the same. */

import { html, names } from "../dom.js";
import { fromRfc } from "../time.js";
import { store, useStore } from "../store.js";
import { holesOf } from "./holes.js";
import { place, span, ticksOf } from "./scale.js";
import { pathOf } from "./traffic.js";

/** What a row of the list has: since when, up to when, where it has gaps, and what is not on its disk yet. `traffic`
 *  is what `useTraffic` knows. */
export function Lane({ row, view, nowUs, traffic, off = false }) {
  useStore((state) => (row.sensor ? state.presence : state.sources.get(row.name)));
  const { members, some, all, online, isGroup } = reachOf(row.names ?? [row.name]);
  const course = !isGroup && traffic?.get(row.name);
  const begins = some.from !== null && some.from > view.from && some.from < view.to;
  const stretch = (look, from, to) =>
    from !== null && to > view.from && to > from && html`<span class=${look} style=${span(view, from, to)}></span>`;
  return html`
    <div class=${names("lane", { "is-off": off, "is-offline": !online, "has-traffic": course })} aria-hidden="true">
      <span class="lane-name">${row.sensor ?? row.name}</span>
      ${stretch(isGroup ? "has is-some" : "has", some.from, some.to ?? nowUs)}
      ${isGroup && stretch("has", all.from, all.to ?? nowUs)}
      ${course && html`<svg class="traffic" viewBox="0 0 1000 100" preserveAspectRatio="none"><path d=${pathOf(course, view)} /></svg>`}
      ${holesOf(members, view).map(
        ({ from, to }) => html`<span class=${isGroup ? "hole is-some" : "hole"} key=${from} style=${span(view, from, to)}></span>`,
      )}
      ${online && (some.to ?? nowUs) < nowUs && stretch("pending", some.to, nowUs)}
      ${begins && html`<span class="oldest" style=${span(view, some.from, some.from)}></span>`}
    </div>
  `;
}

/** The stretch that any of these has, and the stretch that each of them has. */
function reachOf(members) {
  const known = members.map((name) => store.state.sources.get(name)).filter(Boolean);
  const oldest = known.map((source) => fromRfc(source.oldest)).filter((us) => us !== null);
  const edges = known.map((source) => fromRfc(source.readable_until)).filter((us) => us !== null);
  const end = (choose, values) => (values.length ? values.reduce((one, other) => choose(one, other)) : null);
  return {
    members: known,
    some: { from: end(Math.min, oldest), to: end(Math.max, edges) },
    all: { from: oldest.length === known.length ? end(Math.max, oldest) : null, to: end(Math.min, edges) },
    online: known.some((source) => source.state === "online"),
    isGroup: members.length > 1,
  };
}

/** Ticks with their times, and the mark of now. */
export function Axis({ view, zone, nowUs }) {
  return html`
    <div class="axis" aria-hidden="true">
      ${ticksOf(view, zone).map((tick) => {
        const isInside = place(view, tick.us) > 0.04 && place(view, tick.us) < 0.96;
        return html`<span class="tick" key=${tick.us} style=${span(view, tick.us, tick.us)}>
          ${isInside && html`<span>${tick.text}</span>`}
        </span>`;
      })}
    </div>
    ${nowUs < view.to && html`<div class="now" style=${span(view, nowUs, nowUs)}><span>now</span></div>`}
  `;
}
