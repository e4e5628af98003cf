/** What the list of packets is made of: its head, one packet in a line, and what stands there without any. */

import { html, names } from "../dom.js";
import { formatExactClock, formatTime, fromRfc, zoneName } from "../time.js";
import { count } from "../figures.js";
import { ruleOf } from "./colours.js";

export function Head({ columns, clock, zone, us }) {
  return html`
    <div class="grid-head" role="row" aria-rowindex="1">
      ${columns.map(
        ({ name, word }) => html`<span role="columnheader" key=${name} class=${`is-${name}`}>
          ${word}${name === "time" && clock === "clock" && html` <span class="faint">${zoneName(us, zone)}</span>`}</span>`,
      )}
    </div>
  `;
}

/** What stands in the place of rows. */
export function Nothing({ rows, total }) {
  if (rows.error) return html`<p class="empty">The filter is not understood; no packet is shown.</p>`;
  if (!rows.facts) return html`<p class="empty" role="status">Loading the packets…</p>`;
  return total === 0 && rows.facts.state !== "working" && html`<p class="empty">No packet is shown by this filter.</p>`;
}

const SEVERITIES = { error: "bad", warning: "warn", note: "idle" };

const repeats = ({ duplicate_of: first }) => `Packet ${count(first)}, as another source recorded it`;

/** The cells, each given the row, the one above it, and how times are shown. */
const CELLS = {
  no: ({ row }) => count(row.number),
  time: ({ us, clock, zone, row }) => (clock === "clock" ? formatExactClock(us, zone) : row.relative_s.toFixed(6)),
  delta: ({ us, before }) => (before ? ((us - fromRfc(before.time)) / 1e6).toFixed(6) : ""),
  recorded: ({ row }) => row.capture_source,
  source: ({ row }) => row.source,
  destination: ({ row }) => row.destination,
  protocol: ({ row }) => row.protocol,
  length: ({ row }) => count(row.length),
  stream: ({ row }) => row.stream,
  info: ({ row }) => {
    const tone = SEVERITIES[row.severity];
    return html`${row.duplicate_of > 0 && html`<span class="severity tone-idle" title=${repeats(row)}>duplicate</span>`}${
      tone && html`<span class=${`severity tone-${tone}`}>${row.severity}</span>`
    }${row.info}`;
  },
};

const TITLES = {
  time: ({ us, zone }) => formatTime(us, zone),
  recorded: ({ row }) => row.capture_source,
  source: ({ row }) => row.source,
  destination: ({ row }) => row.destination,
  info: ({ row }) => row.info,
};
const FIGURES = new Set(["no", "time", "delta", "length"]);

export function Line({ place, row, before, columns, zone, clock, coloured, isActive, isOpen, isMarked }) {
  const look = { "is-active": isActive, "is-open": isOpen, "is-marked": isMarked };
  const rule = row && coloured ? ruleOf(row) : "";
  const facts = {
    class: names(rule ? `grid-row rule-${rule}` : "grid-row", look),
    role: "row",
    id: `packet-row-${place}`,
    "aria-rowindex": place + 2,
    "aria-selected": isOpen,
  };
  if (!row) return html`<div ...${facts}><span role="gridcell" class="is-no faint">…</span></div>`;
  const shown = { row, before, zone, clock, us: fromRfc(row.time) };
  return html`
    <div ...${facts} data-place=${place}>
      ${columns.map(
        ({ name }) => html`<span role="gridcell" key=${name} title=${TITLES[name]?.(shown)}
          class=${`is-${name} ${FIGURES.has(name) ? "figure" : "stranger"}`}>${CELLS[name](shown)}</span>`,
      )}
    </div>
  `;
}
