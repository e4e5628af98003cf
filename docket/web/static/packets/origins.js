/** The sources that recorded the packets of a job: their colours, and the choice of one of them. */

import { html } from "../dom.js";

const COLOURS = 8;

/** The class with the colour of a source, by its place among those of the plot. */
export const originClass = (place) => `origin-${place < 0 ? "rest" : place % COLOURS}`;

/** The place of each source in the plot, the largest first. Pure. */
export function placesOf(timeline) {
  return new Map((timeline?.sources ?? []).map(({ name }, place) => [name, place]));
}

/** Which sources there are to choose from; none where all packets are of one. */
export function originsOf(summary) {
  const names = summary?.sources.filter(({ packets }) => packets > 0).map(({ name }) => name) ?? [];
  return names.length > 1 ? names : [];
}

export function OriginChoice({ names, chosen, onChoose }) {
  const all = chosen && !names.includes(chosen) ? [...names, chosen] : names;
  if (!all.length) return null;
  return html`
    <label class="packets-times">Recorded by <select value=${chosen} onChange=${(event) => onChoose(event.target.value)}>
      <option value="">all sources</option>
      ${all.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
    </select></label>
  `;
}
