/** What each source has, over time, and the window over it, to be drawn, moved and resized by mouse or keys. */

import { html, useRef, useState } from "../dom.js";
import { IconButton } from "../parts/button.js";
import { formatTime, fromRfc } from "../time.js";
import { useZone } from "../settings.js";
import { store, useNow } from "../store.js";
import { changeDraft, windowOf } from "./draft.js";
import { ticksOf } from "./grouping.js";
import { Axis, Lane } from "./lanes.js";
import { useTraffic } from "./traffic.js";
import { grain, rounded, span, viewAround, viewOfAll, zoomed } from "./scale.js";

/** `rows` are those of the list beside it that are in view. */
export function Timeline({ rows, when, chosen, onWheel }) {
  const nowUs = Math.round(useNow(5000) * 1000);
  const zone = useZone();
  const window = windowOf(when, nowUs);
  const [held, setHeld] = useState(null);
  const view = held?.for === JSON.stringify(when) ? held.view : viewAround(window, nowUs);
  const hold = (next, forWhen = when) => setHeld({ view: next, for: JSON.stringify(forWhen) });
  const traffic = useTraffic(named(rows), view);
  const setWindow = (after, before) => {
    const next = { after: Math.min(after, before), before: Math.min(Math.max(after, before), nowUs) };
    if (next.before <= next.after) return;
    hold(view, next);
    changeDraft({ when: next });
  };
  const zoom = (factor) => hold(zoomed(view, factor, (window.after + window.before) / 2, nowUs));
  const oldest = () => [...store.state.sources.values()].map((source) => fromRfc(source.oldest));
  return html`
    <div class="timeline">
      <div class="lanes" onWheel=${onWheel}>
        <div class="lane-window"><div class="lane-rows">
          ${rows.map(
            (row) => html`<${Lane} key=${row.key} row=${row} view=${view} nowUs=${nowUs} traffic=${traffic}
              off=${ticksOf(row.names ?? [row.name], chosen) === "none"} />`,
          )}
        </div></div>
        <${Axis} view=${view} zone=${zone} nowUs=${nowUs} />
        <${Selection} view=${view} window=${window} zone=${zone} onWindow=${setWindow} />
      </div>
      <div class="zoom" role="group" aria-label="Timeline">
        <${IconButton} icon="minus" label="Show a longer time" onClick=${() => zoom(2)} />
        <${IconButton} icon="plus" label="Show a shorter time" onClick=${() => zoom(0.5)} />
        <button type="button" class="plain" onClick=${() => setHeld(null)}>Window</button>
        <button type="button" class="plain" onClick=${() => hold(viewOfAll(oldest(), nowUs))}>All</button>
      </div>
    </div>
  `;
}

/** Those of the rows that stand for one source. */
export const named = (rows) => rows.filter((row) => !row.sensor).map((row) => row.name);

const seconds = (us) => Math.round(us / 1e6);

/** The window itself. Dragging over free space draws a new one. */
function Selection({ view, window, zone, onWindow }) {
  const box = useRef(null);
  const drag = useRef(null);
  const step = grain(view);
  const timeAt = (event) => {
    const { left, width } = box.current.getBoundingClientRect();
    return view.from + ((event.clientX - left) / width) * (view.to - view.from);
  };
  const down = (event) => {
    if (event.button !== 0) return;
    const part = event.target.dataset.part ?? "free";
    box.current.setPointerCapture(event.pointerId);
    drag.current = { part, start: timeAt(event), x: event.clientX, window };
  };
  const move = (event) => {
    const from = drag.current;
    if (!from || (from.part === "free" && Math.abs(event.clientX - from.x) < 4)) return;
    const us = timeAt(event);
    const near = (value) => rounded(value, step);
    if (from.part === "free") onWindow(near(from.start), near(us));
    else if (from.part === "after") onWindow(near(us), from.window.before);
    else if (from.part === "before") onWindow(from.window.after, near(us));
    else
      onWindow(
        near(from.window.after + us - from.start),
        near(from.window.after + us - from.start) + from.window.before - from.window.after,
      );
  };
  const up = () => (drag.current = null);
  const edge = (part, label, us, other) => html`
    <span class=${`edge is-${part}`} data-part=${part} role="slider" tabindex="0" aria-label=${label}
      aria-orientation="horizontal" aria-valuemin=${seconds(view.from)} aria-valuemax=${seconds(view.to)}
      aria-valuenow=${seconds(us)} aria-valuetext=${formatTime(us, zone)}
      onKeyDown=${(event) => {
        const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
        if (!steps) return;
        event.preventDefault();
        const moved = rounded(us + steps * step, step);
        if (part === "after") moved < other && onWindow(moved, other);
        else moved > other && onWindow(other, moved);
      }}></span>
  `;
  const hidden = window.before <= view.from || window.after >= view.to || window.before <= window.after;
  return html`
    <div class="selection" ref=${box} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up}
      onPointerCancel=${up}>
      ${
        !hidden &&
        html`<div class="window" data-part="body" style=${span(view, window.after, window.before)}>
        ${edge("after", "Window begins", window.after, window.before)}
        ${edge("before", "Window ends", window.before, window.after)}
      </div>`
      }
    </div>
  `;
}
