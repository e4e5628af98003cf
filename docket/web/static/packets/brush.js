/** A stretch of time that is drawn, moved and resized over the plot. */

import { html, useRef } from "../dom.js";
import { rounded, span } from "../ask/scale.js";
import { formatTime } from "../time.js";

const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

export function Brush({ stretch, grain, brush, zone, onBrush, onPoint }) {
  const box = useRef(null);
  const drag = useRef(null);
  const timeAt = (event) => {
    const { left, width } = box.current.getBoundingClientRect();
    return stretch.from + ((event.clientX - left) / width) * (stretch.to - stretch.from);
  };
  const inside = (us) => Math.min(stretch.to, Math.max(stretch.from, us));
  const set = (one, other) => {
    const [from, to] = [Math.min(one, other), Math.max(one, other)].map((us) => inside(rounded(us, grain)));
    if (to > from) onBrush({ from, to });
  };
  const down = (event) => {
    if (event.button !== 0) return;
    box.current.setPointerCapture(event.pointerId);
    drag.current = { part: event.target.dataset.part ?? "free", start: timeAt(event), x: event.clientX, brush };
  };
  const move = (event) => {
    const us = timeAt(event);
    const from = drag.current;
    if (!from) return onPoint(us);
    if (from.part === "free") {
      if (Math.abs(event.clientX - from.x) >= 4) set(from.start, us);
    } else if (from.part === "from") set(us, from.brush.to);
    else if (from.part === "to") set(from.brush.from, us);
    else {
      const length = from.brush.to - from.brush.from;
      const start = Math.min(stretch.to - length, Math.max(stretch.from, from.brush.from + us - from.start));
      set(start, start + length);
    }
  };
  const up = (event) => {
    const from = drag.current;
    drag.current = null;
    if (from?.part === "free" && Math.abs(event.clientX - from.x) < 4) onBrush(null);
  };
  const key = (part) => (event) => {
    if (event.key === "Escape") return onBrush(null);
    const steps = (KEYS[event.key] ?? 0) * (event.shiftKey ? 10 : 1) * grain;
    if (!steps) return;
    event.preventDefault();
    if (part === "from" && brush.from + steps < brush.to) set(brush.from + steps, brush.to);
    if (part === "to" && brush.to + steps > brush.from) set(brush.from, brush.to + steps);
  };
  const edge = (part, look, label, us) => html`
    <span class=${`edge is-${look}`} data-part=${part} role="slider" tabindex="0" aria-label=${label}
      aria-orientation="horizontal" aria-valuemin=${stretch.from / 1e6} aria-valuemax=${stretch.to / 1e6}
      aria-valuenow=${us / 1e6} aria-valuetext=${formatTime(us, zone)} onKeyDown=${key(part)}></span>
  `;
  return html`
    <div class="course-brush" ref=${box} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up}
      onPointerCancel=${up} onPointerLeave=${() => !drag.current && onPoint(null)}>
      ${
        brush &&
        html`<div class="window" data-part="body" style=${span(stretch, brush.from, brush.to)}>
          ${edge("from", "after", "Selected part begins", brush.from)}
          ${edge("to", "before", "Selected part ends", brush.to)}
        </div>`
      }
    </div>
  `;
}
