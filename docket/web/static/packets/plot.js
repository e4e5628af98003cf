/** Packets and bytes over time, and a brush over them: by mouse, or by keys on its two ends. */

import { html, useState } from "../dom.js";
import { Axis } from "../ask/lanes.js";
import { place, span } from "../ask/scale.js";
import { missingParts } from "../parts/bar.js";
import { useZone } from "../settings.js";
import { formatClock, formatDuration, formatTime, fromRfc, zoneName } from "../time.js";
import { count, counted, size } from "../figures.js";
import { Brush } from "./brush.js";
import { bucketName, grainOf, layers, niceCeiling, outline, stretchOf, within } from "./course.js";
import { originClass, placesOf } from "./origins.js";
import { inTime, revealPackets } from "./view.js";

const UNITS = [
  { name: "packets", word: "Packets", write: count },
  { name: "bytes", word: "Bytes", write: size },
];

export function Plot({ job, summary, view, onView }) {
  const zone = useZone();
  const [unit, setUnit] = useState(UNITS[0]);
  const [pointed, setPointed] = useState(null);
  const { timeline } = summary;
  const stretch = stretchOf(timeline);
  const most = niceCeiling(Math.max(1, ...timeline[unit.name]));
  const setBrush = (brush) => onView({ brush });
  return html`
    <section class="panel course" aria-labelledby="course-title">
      <header class="panel-head">
        <h2 id="course-title">Over time</h2>
        <span class="ranges" role="group" aria-label="What the plot shows">
          ${UNITS.map(
            (one) => html`<button type="button" class="segment" key=${one.name} aria-pressed=${one === unit}
              onClick=${() => setUnit(one)}>${one.word}</button>`,
          )}
        </span>
        <span class="faint">in each ${bucketName(timeline.bucket_us)}</span>
        <span class="grow"></span>
        <${Brushed} timeline=${timeline} view=${view} zone=${zone} pointed=${pointed} onView=${onView}
          stretch=${stretch} />
      </header>
      <div class="course-plot">
        <span class="course-most" aria-hidden="true">${unit.write(most)}</span>
        <svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label=${description(summary, zone)}>
          ${
            timeline.sources.length > 1
              ? layers(timeline, unit.name, stretch, most).map(
                  ({ name, path }, place) => html`<path key=${name} class=${originClass(placeIn(timeline, name, place))}
                    d=${path} />`,
                )
              : html`<path d=${outline(timeline, timeline[unit.name], stretch, most)} />`
          }
        </svg>
        <${Holes} job=${job} stretch=${stretch} />
        <${Axis} view=${stretch} zone=${zone} nowUs=${stretch.to} />
        <${Brush} stretch=${stretch} grain=${grainOf(stretch)} brush=${view.brush} zone=${zone} onBrush=${setBrush}
          onPoint=${(us) => setPointed(us === null ? null : bucketAt(timeline, us))} />
      </div>
      <${Shares} summary=${summary} stretch=${stretch} zone=${zone} view=${view} onView=${onView} />
    </section>
  `;
}

/** Where sources recorded nothing, behind the plot: an empty stretch there does not mean that nothing passed. */
function Holes({ job, stretch }) {
  const [after, before] = [fromRfc(job.after), fromRfc(job.before)];
  const at = (part) => after + part * (before - after);
  const withGaps = job.sources.filter((source) => source.verdict === "gap");
  return withGaps.flatMap((source) =>
    missingParts(source, job)
      .map(({ from, to }) => ({ from: at(from), to: at(to) }))
      .filter(({ from, to }) => to > stretch.from && from < stretch.to)
      .map(
        ({ from, to }) => html`<span class="course-hole" key=${source.name + from} style=${span(stretch, from, to)}>
          <span>${source.name}: gap</span></span>`,
      ),
  );
}

function description({ packets, bytes, first, last }, zone) {
  const [begin, end] = [first, last].map((time) => formatTime(fromRfc(time), zone));
  return `${counted(packets, "packet")}, ${size(bytes)}, from ${begin} to ${end}`;
}

function bucketAt(timeline, us) {
  const index = Math.floor((us - timeline.start_us) / timeline.bucket_us);
  if (index < 0 || index >= timeline.packets.length) return null;
  const from = timeline.start_us + index * timeline.bucket_us;
  return { from, to: from + timeline.bucket_us };
}

/** What is brushed and what can be done with it, else what the pointer is on. */
function Brushed({ timeline, view, zone, pointed, onView, stretch }) {
  const { brush } = view;
  const shown = brush ?? pointed;
  const start = () => {
    const [middle, grain] = [(stretch.from + stretch.to) / 2, grainOf(stretch)];
    const from = Math.round((middle - 10 * grain) / grain) * grain;
    onView({ brush: { from, to: from + 20 * grain } });
    requestAnimationFrame(() => document.querySelector(".course .edge.is-after")?.focus());
  };
  const facts = shown && within(timeline, shown);
  const contents = facts && `${counted(facts.packets, "packet")}, ${size(facts.bytes)}`;
  return html`
    ${
      shown
        ? html`<span class="course-says figure" aria-live=${brush ? "polite" : "off"}>
            ${formatClock(shown.from, zone)} – ${formatClock(shown.to, zone)}${" "}
            <span class="faint">${zoneName(shown.from, zone)}</span>
            ${brush && ` (${formatDuration(shown.to - shown.from)})`}: ${brush && "about "}${contents}
          </span>`
        : html`<span class="hint course-hint">Drag over the plot to select a part of the time</span>`
    }
    ${
      brush
        ? html`
          <button type="button" class="button is-small"
            onClick=${() => {
              onView({ filter: inTime(view.filter, brush), packet: null });
              revealPackets();
            }}>
            Show its packets</button>
          <button type="button" class="button is-small" onClick=${() => onView({ refine: { brush } })}>
            Refine to it</button>
          <button type="button" class="button is-small" onClick=${() => onView({ brush: null })}>Clear</button>`
        : html`<button type="button" class="button is-small" onClick=${start}>Select a part</button>`
    }
  `;
}

const OTHERS = "others";
const placeIn = (timeline, name, place) => (name === OTHERS ? -1 : place);

/** When each source had packets in the result, below the plot; with the colour that it has there. */
function Shares({ summary, stretch, zone, view, onView }) {
  const places = placesOf(summary.timeline);
  const choose = (source) => {
    onView({ source, packet: null });
    revealPackets();
  };
  const sources = summary.sources.filter((source) => source.packets > 0 && source.first);
  if (sources.length < 2) return null;
  return html`
    <ul class="course-shares" aria-label="Packets by source">
      ${sources.map((source) => {
        const [first, last] = [fromRfc(source.first), fromRfc(source.last)];
        const title = `from ${formatTime(first, zone)} to ${formatTime(last, zone)}`;
        const from = Math.min(place(stretch, first), 0.998);
        return html`
          <li key=${source.name} title=${title} class=${originClass(places.get(source.name) ?? -1)}>
            <span class="course-share" aria-hidden="true">
              <span style=${{ ...span(stretch, first, last), "--from": from }}></span></span>
            <span class="course-share-says">
              <span class="origin-mark" aria-hidden="true"></span><strong>${source.name}</strong>
              ${` ${counted(source.packets, "packet")}, ${size(source.bytes)} `}
              ${
                view.source === source.name
                  ? html`<button type="button" class="link" onClick=${() => choose("")}>all sources</button>`
                  : html`<button type="button" class="link" onClick=${() => choose(source.name)}
                      aria-label=${`Only the packets of ${source.name}`}>only this source</button>`
              }</span>
          </li>
        `;
      })}
      ${
        summary.tap_duplicates > 0 &&
        html`<li class="hint">${counted(summary.tap_duplicates, "packet")} a second source recorded too${" "}
          <button type="button" class="link" onClick=${() => onView({ refine: { duplicates: true } })}>drop them</button></li>`
      }
    </ul>
  `;
}
