/** The view of the timeline: which stretch of time it shows, its ticks, and rounding to what one can see. Pure. */

import { DAY, HOUR, MIN, S, formatClock, formatDay, partsOf } from "../time.js";

const STEPS = [1, 2, 5, 10, 15, 30]
  .map((s) => s * S)
  .concat(
    [1, 2, 5, 10, 15, 30].map((m) => m * MIN),
    [1, 2, 3, 6, 12].map((h) => h * HOUR),
    [1, 2, 7, 14, 30, 90, 365].map((d) => d * DAY),
  );
const SHORTEST = 20 * S;
/** A little room behind now, so that its mark can be seen. */
const MARGIN = 0.05;

const stepFor = (us) => STEPS.find((step) => step >= us) ?? STEPS[STEPS.length - 1];

/** The view that shows a window with its surroundings; up to now, where now is near. */
export function viewAround(window, nowUs) {
  const length = Math.max(window.before - window.after, 5 * S);
  if (nowUs - window.after < length * 10) {
    const span = (nowUs - window.after) * 1.6 + length;
    return { from: nowUs - span, to: nowUs + span * MARGIN };
  }
  return { from: window.after - length * 2.5, to: window.before + length * 2.5 };
}

/** The view that shows everything any source has. */
export function viewOfAll(oldest, nowUs) {
  const from = Math.min(...oldest.filter((us) => us !== null), nowUs - HOUR);
  const span = nowUs - from;
  return { from: from - span * MARGIN, to: nowUs + span * MARGIN };
}

/** The view half or twice as wide, around a point. */
export function zoomed(view, factor, around, nowUs) {
  const span = Math.max(SHORTEST, (view.to - view.from) * factor);
  const part = Math.min(1, Math.max(0, (around - view.from) / (view.to - view.from)));
  const from = around - span * part;
  const late = Math.max(0, from + span - (nowUs + span * MARGIN));
  return { from: from - late, to: from + span - late };
}

/** Where an instant lies in the view, 0 to 1, kept inside. */
export const place = (view, us) => Math.min(1, Math.max(0, (us - view.from) / (view.to - view.from)));

/** The stretch between two instants, for the stylesheet. */
export const span = (view, from, to) => ({ "--from": place(view, from), "--to": place(view, to) });

/** The step that dragging and arrow keys go by: about a two-hundredth of the view. */
export const grain = (view) => stepFor((view.to - view.from) / 250);

export const rounded = (us, step) => Math.round(us / step) * step;

/** Ticks of the axis, `{ us, text }`, on round readings of the zone's clock. */
export function ticksOf(view, zone, most = 8) {
  const step = stepFor((view.to - view.from) / most);
  const shift = zone === "utc" ? 0 : -new Date(view.from / 1000).getTimezoneOffset() * MIN;
  const ticks = [];
  for (let us = Math.ceil((view.from + shift) / step) * step - shift; us < view.to; us += step) {
    ticks.push({ us, text: tickText(us, zone, step) });
  }
  return ticks;
}

function tickText(us, zone, step) {
  const { hour, minute, second } = partsOf(us, zone);
  if (step >= DAY || hour + minute + second === 0) return formatDay(us, zone).slice(5);
  return formatClock(us, zone, step < MIN);
}
