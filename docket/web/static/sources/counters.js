/** A source's own counters, each with a small plot of how it changed since the page was opened. */

import { html } from "../dom.js";
import { useZone } from "../settings.js";
import { useStore } from "../store.js";
import { S, formatTime, wholeSecond } from "../time.js";
import { count, size } from "../figures.js";

const COLUMNS = ["Counter", "Value", "Per second", "Course"];
const WIDTH = 96;
const HEIGHT = 22;

export function Counters({ source }) {
  const samples = useStore((state) => state.samples.get(source.name)) ?? [];
  const names = Object.keys(source.stats ?? {})
    .filter((name) => !name.endsWith("timestamp"))
    .sort();
  if (!names.length) return null;
  return html`
    <h3>Counters</h3>
    <table class="counters" aria-label=${`Counters of ${source.name}`}>
      <thead class="visually-hidden">
        <tr>${COLUMNS.map((word) => html`<th scope="col" key=${word}>${word}</th>`)}</tr>
      </thead>
      <tbody>
        ${names.map(
          (name) => html`<${Counter} key=${name} name=${name} value=${source.stats[name]}
            points=${pointsOf(samples, name)} />`,
        )}
      </tbody>
    </table>
  `;
}

/** Readings of one counter, `{ at, value }`. */
const pointsOf = (samples, name) =>
  samples.filter((sample) => name in sample.stats).map((sample) => ({ at: sample.at, value: sample.stats[name] }));

/** Some counters are an instant, in seconds since 1970. */
const isInstant = (name, value) => /_(written|reported|ends|at|since)$/.test(name) && value > 1e9;

function Instant({ name, value }) {
  const zone = useZone();
  return html`
    <tr><th scope="row">${name.replaceAll("_", " ")}</th><td class="figure">${formatTime(wholeSecond(value * S), zone)}</td><td></td><td></td></tr>
  `;
}

function Counter({ name, value, points }) {
  if (isInstant(name, value)) return html`<${Instant} name=${name} value=${value} />`;
  const rises =
    points.length > 2 && points.every((point, index) => index === 0 || point.value >= points[index - 1].value);
  const rates = rises ? ratesOf(points) : null;
  const rate = rates?.at(-1)?.value;
  return html`
    <tr>
      <th scope="row">${name.replaceAll("_", " ")}</th>
      <td class="figure">${name.endsWith("bytes") ? size(value) : count(value)}</td>
      <td class="figure">${rate ? `${rate < 10 ? rate.toFixed(1) : count(rate)}/s` : ""}</td>
      <td><${Plot} points=${rates ?? points} /></td>
    </tr>
  `;
}

/** What a counter that only grows did per second, between each two readings. */
function ratesOf(points) {
  return points.slice(1).map((point, index) => ({
    at: point.at,
    value: ((point.value - points[index].value) * 1000) / Math.max(1, point.at - points[index].at),
  }));
}

/** A line without axes. It repeats what the figures beside it say, so screen readers skip it. */
function Plot({ points }) {
  if (points.length < 2) return html`<svg class="plot" width=${WIDTH} height=${HEIGHT} aria-hidden="true"></svg>`;
  const [first, last] = [points[0].at, points[points.length - 1].at];
  const values = points.map((point) => point.value);
  const [low, high] = [Math.min(...values, 0), Math.max(...values)];
  const x = (at) => ((at - first) / (last - first || 1)) * (WIDTH - 2) + 1;
  const y = (value) => HEIGHT - 2 - ((value - low) / (high - low || 1)) * (HEIGHT - 4);
  const line = points.map((point) => `${x(point.at).toFixed(1)},${y(point.value).toFixed(1)}`).join(" ");
  return html`<svg class="plot" width=${WIDTH} height=${HEIGHT} aria-hidden="true"><polyline points=${line} /></svg>`;
}
