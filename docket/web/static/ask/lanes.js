/** Lanes along a common axis of time that show what sources have. Pictures only: words beside them say the same. */

import { html, names } from "../dom.js";
import { fromRfc } from "../time.js";
import { place, span, ticksOf } from "./scale.js";

/** What one source has: since when, up to when, and what is not on its disk yet. */
export function Lane({ source, view, nowUs, off = false }) {
  const oldest = fromRfc(source.oldest);
  const edge = fromRfc(source.readable_until) ?? nowUs;
  const online = source.state === "online";
  const begins = oldest !== null && oldest > view.from && oldest < view.to;
  return html`
    <div class=${names("lane", { "is-off": off, "is-offline": !online })} aria-hidden="true">
      <span class="lane-name">${source.name}</span>
      ${oldest !== null && edge > view.from && html`<span class="has" style=${span(view, oldest, edge)}></span>`}
      ${online && edge < nowUs && html`<span class="pending" style=${span(view, edge, nowUs)}></span>`}
      ${begins && html`<span class="oldest" style=${span(view, oldest, oldest)}></span>`}
    </div>
  `;
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
